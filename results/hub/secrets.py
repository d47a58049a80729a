"""The secrets that a hub gives out: a public id to find each by, and 256 bits that are stored only hashed."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

import msgspec

TOKEN, INVITATION = "rpt", "rpi"
FORM = re.compile(r"(rpt|rpi)_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
COST = {"n": 2**12, "r": 8, "p": 1, "maxmem": 2**24, "dklen": 32}
"""Of scrypt. What it slows is guessing, and no guess can meet 256 bits of chance; a request must not cost much more."""
SALT_BYTES = 16
PASSWORD_COST = {"n": 2**14, "r": 8, "p": 1, "maxmem": 2**26, "dklen": 32}
"""For what people choose themselves, and others may guess."""
PASSWORD = re.compile(r"scrypt:([0-9a-f]{32}):([0-9a-f]{64})")


class Hashed(msgspec.Struct, frozen=True, kw_only=True):
    """A secret as it is stored."""

    id: str
    salt: bytes
    hash: bytes


def new(kind: str) -> tuple[str, Hashed]:
    """A fresh secret, to be shown once, and what to keep of it."""
    identifier, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    salt = secrets.token_bytes(SALT_BYTES)
    return f"{kind}_{identifier}_{secret}", Hashed(id=identifier, salt=salt, hash=_hash(secret, salt, COST))


def parts(text: str, kind: str) -> tuple[str, str] | None:
    """The public id and the secret of what somebody brings; None for what was never given out."""
    found = FORM.fullmatch(text)
    return (found[2], found[3]) if found is not None and found[1] == kind else None


def fits(secret: str, kept: Hashed | None) -> bool:
    """Whether it is the one; as much work where there is none of that id."""
    return _is(secret, kept, COST)


def hashed(password: str) -> str:
    """A password as a configuration holds it."""
    salt = secrets.token_bytes(SALT_BYTES)
    return f"scrypt:{salt.hex()}:{_hash(password, salt, PASSWORD_COST).hex()}"


def kept_password(text: str) -> Hashed:
    """What `hashed` gave. ValueError for anything else."""
    found = PASSWORD.fullmatch(text)
    if found is None:
        raise ValueError("not what `reachprobe hub password` prints")
    return Hashed(id="", salt=bytes.fromhex(found[1]), hash=bytes.fromhex(found[2]))


def opens(password: str, kept: Hashed | None) -> bool:
    """Whether it is the password; as much work where there is none."""
    return _is(password, kept, PASSWORD_COST)


def _is(secret: str, kept: Hashed | None, cost: dict[str, int]) -> bool:
    salt, expected = (kept.salt, kept.hash) if kept is not None else (bytes(SALT_BYTES), bytes(cost["dklen"]))
    alike = hmac.compare_digest(_hash(secret, salt, cost), expected)
    return alike and kept is not None


def _hash(secret: str, salt: bytes, cost: dict[str, int]) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, **cost)
