"""A hub's members, invitations, tokens and passwords: issued once, stored hashed."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from probe.timestamps import rfc3339
from results.db.store import StoreError

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.db.store import Store

MEMBER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
INVITATION_DAYS = 7
TOKEN, INVITATION = "rpt", "rpi"
SECRET_FORMAT = re.compile(r"(rpt|rpi)_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
SALT_BYTES, SECRET_SALT_BYTES = 16, 32
"""Of passwords, and of tokens and invitations: 256 random bits need no slow hash, and every request pays for it."""
OLD_SECRET_SCRYPT = {"n": 2**12, "r": 8, "p": 1, "maxmem": 2**24, "dklen": 32}
"""Of tokens with a salt of SALT_BYTES, from before; they are renewed each month."""
PASSWORD_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "maxmem": 2**26, "dklen": 32}
PASSWORD_FORMAT = re.compile(r"scrypt:([0-9a-f]{32}):([0-9a-f]{64})")


class HashedSecret(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    salt: bytes
    hash: bytes


class Member(msgspec.Struct, frozen=True):
    """A vantage that may upload."""

    id: int
    name: str
    token_id: str
    """The public id of the token in this request."""


def new_secret(kind: str) -> tuple[str, HashedSecret]:
    """A fresh token or invitation, to be shown once, and its hash."""
    identifier, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    salt = secrets.token_bytes(SECRET_SALT_BYTES)
    stored = HashedSecret(id=identifier, salt=salt, hash=_quick_hash(secret, salt))
    return f"{kind}_{identifier}_{secret}", stored


def split_secret(text: str, kind: str) -> tuple[str, str] | None:
    """Public id and secret of a token or invitation; None where the format is wrong."""
    match = SECRET_FORMAT.fullmatch(text)
    return (match[2], match[3]) if match is not None and match[1] == kind else None


def hash_password(password: str) -> str:
    """A password as the configuration stores it."""
    salt = secrets.token_bytes(SALT_BYTES)
    return f"scrypt:{salt.hex()}:{_scrypt(password, salt, PASSWORD_SCRYPT).hex()}"


def parse_password_hash(text: str) -> HashedSecret:
    """The result of `hash_password`. ValueError for anything else."""
    match = PASSWORD_FORMAT.fullmatch(text)
    if match is None:
        raise ValueError("not what `reachprobe hub password` prints")
    return HashedSecret(id="", salt=bytes.fromhex(match[1]), hash=bytes.fromhex(match[2]))


def password_matches(password: str, stored: HashedSecret | None) -> bool:
    """Takes as long where `stored` is None."""
    salt, expected = (stored.salt, stored.hash) if stored else (bytes(SALT_BYTES), bytes(PASSWORD_SCRYPT["dklen"]))
    return hmac.compare_digest(_scrypt(password, salt, PASSWORD_SCRYPT), expected) and stored is not None


def is_slow(stored: HashedSecret | None) -> bool:
    """Whether checking a token or invitation against it takes milliseconds."""
    return stored is not None and len(stored.salt) == SALT_BYTES


def secret_matches(secret: str, stored: HashedSecret | None) -> bool:
    """Takes as long where `stored` is None."""
    if stored is not None and is_slow(stored):
        return hmac.compare_digest(_scrypt(secret, stored.salt, OLD_SECRET_SCRYPT), stored.hash)
    salt, expected = (stored.salt, stored.hash) if stored else (bytes(SECRET_SALT_BYTES), bytes(32))
    return hmac.compare_digest(_quick_hash(secret, salt), expected) and stored is not None


def _quick_hash(secret: str, salt: bytes) -> bytes:
    return hmac.digest(salt, secret.encode(), "sha256")


def _scrypt(secret: str, salt: bytes, cost: dict[str, int]) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, **cost)


def invite(store: Store, name: str, now: datetime) -> str:
    """A single-use invitation for a vantage name; it replaces an open one. Enrolling again voids older tokens."""
    if not MEMBER_NAME.fullmatch(name):
        raise StoreError(f"{name!r}: a vantage's name here is of letters, digits, dots, dashes, at most 64")
    text, stored = new_secret(INVITATION)
    with store.writing():
        store.db.execute("DELETE FROM invitations WHERE name = ? OR until <= ?", [name, rfc3339(now)])
        until = rfc3339(now + timedelta(days=INVITATION_DAYS))
        values = [stored.id, name, stored.salt, stored.hash, until]
        store.db.execute("INSERT INTO invitations VALUES (?, ?, ?, ?, ?)", values)
    return text


def invitation(db: Database, identifier: str, now: datetime) -> HashedSecret | None:
    """The open invitation with this public id."""
    query = "SELECT salt, hash FROM invitations WHERE id = ? AND until > ?"
    row = db.execute(query, [identifier, rfc3339(now)]).fetchone()
    return HashedSecret(id=identifier, salt=row[0], hash=row[1]) if row else None


def enrol(store: Store, identifier: str, now: datetime) -> tuple[str, str] | None:
    """Use up a verified invitation: the member's name and token; None where it is used up already."""
    text, stored = new_secret(TOKEN)
    with store.writing():
        db = store.db
        row = db.execute("DELETE FROM invitations WHERE id = ? RETURNING name", [identifier]).fetchone()
        if row is None:
            return None
        db.execute(
            "INSERT INTO members (name, since) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET revoked_at = NULL",
            [row[0], rfc3339(now)],
        )
        (member,) = db.execute("SELECT id FROM members WHERE name = ?", [row[0]]).fetchone()
        db.execute("DELETE FROM tokens WHERE member = ?", [member])
        _add_token(db, member, stored, now)
    return str(row[0]), text


def token(db: Database, identifier: str) -> tuple[Member, HashedSecret, bool] | None:
    """The member, the hash and whether the token was used before; None for an unknown or revoked one."""
    row = db.execute(
        "SELECT m.id, m.name, t.salt, t.hash, t.used FROM tokens t JOIN members m ON m.id = t.member "
        "WHERE t.id = ? AND m.revoked_at IS NULL",
        [identifier],
    ).fetchone()
    if row is None:
        return None
    return Member(row[0], row[1], identifier), HashedSecret(id=identifier, salt=row[2], hash=row[3]), bool(row[4])


def mark_used(store: Store, member: Member) -> None:
    """First use of a token: void the member's older ones."""
    with store.writing():
        store.db.execute("DELETE FROM tokens WHERE member = ? AND id <> ?", [member.id, member.token_id])
        store.db.execute("UPDATE tokens SET used = 1 WHERE id = ?", [member.token_id])


def renew(store: Store, member: Member, now: datetime) -> str:
    """Another token; the current one stays valid until the new one is used, in case the response is lost."""
    text, stored = new_secret(TOKEN)
    with store.writing():
        store.db.execute("DELETE FROM tokens WHERE member = ? AND id <> ?", [member.id, member.token_id])
        _add_token(store.db, member.id, stored, now)
    return text


def revoke(store: Store, name: str, now: datetime) -> bool:
    """Void a member's tokens and invitations; its measurements stay. False where there is no such member."""
    with store.writing():
        db = store.db
        invitations = db.execute("DELETE FROM invitations WHERE name = ?", [name]).rowcount
        db.execute("DELETE FROM tokens WHERE member IN (SELECT id FROM members WHERE name = ?)", [name])
        row = db.execute("UPDATE members SET revoked_at = ifnull(revoked_at, ?) WHERE name = ?", [rfc3339(now), name])
        return bool(row.rowcount or invitations)


def members(db: Database) -> list[dict[str, Any]]:
    """All members by name, with counts of received and flagged measurements."""
    rows = db.execute(
        "SELECT m.name, m.since, m.revoked_at, count(r.measurement), max(r.at), count(r.flag) FROM members m "
        "LEFT JOIN received r ON r.member = m.id GROUP BY m.id ORDER BY m.name"
    )
    keys = ("name", "since", "revoked_at", "received", "received_at", "flagged")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def _add_token(db: Database, member: int, stored: HashedSecret, now: datetime) -> None:
    values = [stored.id, member, stored.salt, stored.hash, rfc3339(now)]
    db.execute("INSERT INTO tokens (id, member, salt, hash, made_at) VALUES (?, ?, ?, ?, ?)", values)
