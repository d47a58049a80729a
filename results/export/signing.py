"""Signed files of results, in minisign's format (https://jedisct1.github.io/minisign), which its own tool verifies too.

Beside FILE stands FILE.minisig: an Ed25519 signature (RFC 8032) of the file's BLAKE2b hash (RFC 7693), and a second one
over the first and a comment, so that the comment can be trusted as well. Keys are kept without a password, as
`minisign -G -W` makes them.
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
import secrets
from pathlib import Path

import msgspec

from results.db.jsonl import printable

ENDING = ".minisig"
MAX_FILE = 65536
PREHASHED, PLAIN = b"ED", b"Ed"
NO_PASSWORD, CHECKSUM = b"\x00\x00", b"B2"
UNTRUSTED, TRUSTED = "untrusted comment: ", "trusted comment: "
KEY_ID, SEED, WORD = 8, 32, 56
CHUNK = 1 << 20


class SignatureError(ValueError):
    """A key or a signature that cannot be used, or a file that is not what was signed; the message says which."""


class SecretKey(msgspec.Struct, frozen=True):
    """What signs: keep it to yourself."""

    id: bytes
    seed: bytes


class PublicKey(msgspec.Struct, frozen=True):
    """What verifies."""

    id: bytes
    key: bytes

    @property
    def text(self) -> str:
        """One word, as others are given it."""
        return base64.b64encode(PLAIN + self.id + self.key).decode()


def new_key() -> SecretKey:
    """A fresh key of the operating system's randomness."""
    return SecretKey(secrets.token_bytes(KEY_ID), secrets.token_bytes(SEED))


def public(key: SecretKey) -> PublicKey:
    """The public half."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return PublicKey(key.id, Ed25519PrivateKey.from_private_bytes(key.seed).public_key().public_bytes_raw())


def write_keys(key: SecretKey, secret_file: Path) -> Path:
    """Write the secret key, for its owner alone, and FILE.pub beside it; an existing file stays. Raises OSError."""
    both = key.seed + public(key).key
    packed = PLAIN + NO_PASSWORD + CHECKSUM + bytes(32 + 8 + 8) + key.id + both + bytes(32)
    public_file = secret_file.with_name(f"{secret_file.name}.pub")
    if public_file.exists():
        raise FileExistsError(errno.EEXIST, "there is such a file already", str(public_file))
    opened = os.open(secret_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "w") as out:
        out.write(f"{UNTRUSTED}reachprobe secret key\n{base64.b64encode(packed).decode()}\n")
    number = key.id[::-1].hex().upper()
    with public_file.open("x") as out:
        out.write(f"{UNTRUSTED}minisign public key {number}\n{public(key).text}\n")
    return public_file


def read_secret(file: Path) -> SecretKey:
    """The key of a file that `write_keys` or `minisign -G -W` made. SignatureError says what is wrong with it."""
    packed = _decoded(_lines(file, "secret key")[-1], f"{file}: is no secret key of minisign's")
    if packed[:2] != PLAIN or len(packed) != 158:
        raise SignatureError(f"{file}: is no secret key of minisign's")
    if packed[2:4] != NO_PASSWORD:
        raise SignatureError(
            f"{file}: is locked by a password; `results key FILE` or `minisign -G -W` make one without"
        )
    key = SecretKey(packed[54:62], packed[62:94])
    if public(key).key != packed[94:126]:  # the checksum is that of a password, and empty without one
        raise SignatureError(f"{file}: the secret key is damaged")
    return key


def read_public(given: str) -> PublicKey:
    """A public key as a word, or the file that holds it. SignatureError says what is wrong with it."""
    why = f"{printable(given, 200)}: is neither a public key of minisign's nor a file with one"
    is_word = len(given) == WORD and not Path(given).is_file()
    text = given if is_word else _lines(Path(given), "public key")[-1]
    packed = _decoded(text, why)
    if packed[:2] != PLAIN or len(packed) != 42:
        raise SignatureError(why)
    return PublicKey(packed[2:10], packed[10:])


def sign(file: Path, key: SecretKey, comment: str) -> str:
    """The text of FILE.minisig for what the file holds now; `comment` is signed with it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    signature = private.sign(_hash(file))
    said = printable(comment, 1000)
    both = private.sign(signature + said.encode())
    first = base64.b64encode(PREHASHED + key.id + signature).decode()
    return f"{UNTRUSTED}signed with reachprobe\n{first}\n{TRUSTED}{said}\n{base64.b64encode(both).decode()}\n"


def verify(file: Path, key: PublicKey) -> str:
    """The signed comment, where FILE.minisig is this key's signature of the file as it is. Raises SignatureError."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    beside = file.with_name(f"{file.name}{ENDING}")
    if not beside.exists():
        raise SignatureError(f"{file}: is not signed: there is no {beside.name} beside it")
    lines = _lines(beside, "signature")
    why = f"{beside}: is no signature of minisign's"
    if len(lines) != 4 or not lines[2].startswith(TRUSTED):
        raise SignatureError(why)
    packed, both, comment = _decoded(lines[1], why), _decoded(lines[3], why), lines[2].removeprefix(TRUSTED)
    if len(packed) != 74 or packed[:2] != PREHASHED or len(both) != 64:
        raise SignatureError(why)
    if packed[2:10] != key.id:
        raise SignatureError(f"{file}: is signed with another key")
    verifier = Ed25519PublicKey.from_public_bytes(key.key)
    try:
        verifier.verify(packed[10:], _hash(file))
        verifier.verify(both, packed[10:] + comment.encode())
    except InvalidSignature as error:
        raise SignatureError(
            f"{file}: is not what was signed: it was changed, or cut short; nothing of it is read"
        ) from error
    return printable(comment, 1000)


def _hash(file: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=64)
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    return digest.digest()


def _lines(file: Path, what: str) -> list[str]:
    """The lines of a small file. SignatureError where there is none."""
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_FILE).decode()
    except OSError as error:
        raise SignatureError(f"{file}: no {what} can be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SignatureError(f"{file}: is no {what}") from error
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        raise SignatureError(f"{file}: is empty and no {what}")
    return lines


def _decoded(text: str, why: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError(why) from error
