"""Signed files of results in minisign's format (https://jedisct1.github.io/minisign), by py-minisign.

FILE.minisig holds an Ed25519 signature (RFC 8032) of the BLAKE2b hash (RFC 7693) of FILE, and one of a comment. Keys
have no password, like those of `minisign -G -W`.
"""

from __future__ import annotations

import base64
import errno
import os
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING

from probe.text import printable

if TYPE_CHECKING:
    from minisign import PublicKey, SecretKey

MAX_FILE_BYTES = 65536
"""Of a key or a signature."""
PUBLIC_KEY_LENGTH = 56
"""Characters of a public key in base64."""


class SignatureError(ValueError):
    """A key or a signature that cannot be used, or a file that is not what was signed; the message says which."""


def new_key() -> SecretKey:
    """A fresh secret key."""
    from minisign import KeyPair

    key = KeyPair.generate().secret_key
    key.untrusted_comment = "reachprobe secret key"
    return key


def public_text(key: SecretKey) -> str:
    """The public half in base64."""
    text: bytes = key.get_public_key().to_base64()
    return text.decode()


def write_keys(key: SecretKey, secret_file: Path) -> Path:
    """Write the secret key, readable by its owner only, and FILE.pub; an existing file stays. Raises OSError."""
    public_file = secret_file.with_name(f"{secret_file.name}.pub")
    if public_file.exists():
        raise FileExistsError(errno.EEXIST, _("the file exists already"), str(public_file))
    opened = os.open(secret_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "wb") as out:
        out.write(bytes(key) + b"\n")
    public = key.get_public_key()
    number = base64.b64decode(public.to_base64())[9:1:-1]  # as minisign prints it, not as it stands in the key
    public.untrusted_comment = f"minisign public key {number.hex().upper()}"
    with public_file.open("xb") as out:
        out.write(bytes(public) + b"\n")
    return public_file


def read_secret(file: Path) -> SecretKey:
    """The key of a file that `write_keys` or `minisign -G -W` made. SignatureError says what is wrong with it."""
    from minisign import Error, SecretKey, VerifyError

    try:
        key = SecretKey.from_base64(_content(file).split()[-1])
    except Error as error:
        raise SignatureError(_("{path}: not a minisign secret key").format(path=file)) from error
    if key.is_encrypted():
        says = _("{path}: protected by a password; create one without by `results key FILE` or `minisign -G -W`")
        raise SignatureError(says.format(path=file))
    try:
        key.get_public_key().verify(b"", key.sign(b""))
    except VerifyError as error:  # the checksum is empty in a key without a password
        raise SignatureError(_("{path}: the secret key is damaged").format(path=file)) from error
    return key


def read_public(given: str) -> PublicKey:
    """A public key in base64, or the file that holds it. SignatureError says what is wrong with it."""
    from minisign import Error, PublicKey

    is_key = len(given) == PUBLIC_KEY_LENGTH and not Path(given).is_file()
    try:
        return PublicKey.from_base64(given if is_key else _content(Path(given)).split()[-1])
    except Error as error:
        says = _("{key}: neither a minisign public key nor a file with one")
        raise SignatureError(says.format(key=printable(given, 200))) from error


def sign(file: Path, key: SecretKey, comment: str) -> str:
    """The text of FILE.minisig for what the file holds now; `comment` is signed with it, in ASCII."""
    trusted = printable(comment, 1000).encode("ascii", "replace").decode()
    with file.open("rb") as data:
        signature = key.sign(data, untrusted_comment="signed with reachprobe", trusted_comment=trusted)
    return f"{bytes(signature).decode()}\n"


def verify(file: Path, key: PublicKey) -> str:
    """The signed comment, if FILE.minisig is this key's signature of the file as it is. Raises SignatureError."""
    from minisign import Error, Signature, VerifyError

    signature_file = file.with_name(f"{file.name}.minisig")
    if not signature_file.exists():
        raise SignatureError(_("{path}: not signed: no {name} next to it").format(path=file, name=signature_file.name))
    try:
        signature = Signature.from_bytes(_content(signature_file))
    except Error as error:
        raise SignatureError(_("{path}: not a minisign signature").format(path=signature_file)) from error
    if not signature.is_prehashed():  # the whole file would be read into memory
        raise SignatureError(_("{path}: not a minisign signature").format(path=signature_file))
    try:
        with file.open("rb") as data:
            key.verify(data, signature)
    except VerifyError as error:
        if error.__cause__ is None:  # nothing was compared: the ids of the keys differ
            raise SignatureError(_("{path}: signed with another key").format(path=file)) from error
        says = _("{path}: changed or truncated since it was signed; not read")
        raise SignatureError(says.format(path=file)) from error
    return printable(signature.trusted_comment, 1000)


def _content(file: Path) -> bytes:
    """The content of a small file. SignatureError if it has none."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES)
    except OSError as error:
        says = _("{path}: cannot be read: {error}")
        raise SignatureError(says.format(path=file, error=error.strerror or error)) from error
    if not content.strip():
        raise SignatureError(_("{path}: the file is empty").format(path=file))
    return content
