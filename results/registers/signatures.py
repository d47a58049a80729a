"""Detached signatures over a register (CMS, RFC 5652; dump.xml.sig), checked by the openssl program.

A signature is over the unpacked file, and must come from the certificate that the operator names, or from one below it;
that certificate's own dates are not held against it, since old dumps are read years later. Russia's register is signed
by GOST R 34.10, which OpenSSL cannot verify without an engine that hardly anybody has: that is said as it is, and such
a version is not taken for verified.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from results.registers.records import RegisterError
from results.registers.source import Source

MAX_SIGNATURE = 1 << 20
TIMEOUT_S = 300
# Object identifiers under 1.2.643.2.2 and 1.2.643.7.1, as DER writes them.
_GOST = (b"\x2a\x85\x03\x02\x02", b"\x2a\x85\x03\x07\x01")


def check(register: Path, signature: Path, certificate: Path, scratch: Path) -> None:
    """Raises RegisterError unless `signature` (DER or PEM) is one over `register` by `certificate` (PEM). `scratch` is
    a folder for the unpacked file."""
    said = _read(signature)
    program = shutil.which("openssl")
    if program is None:
        raise RegisterError(f"{register.name}: its signature cannot be checked without the openssl program; install it")
    copied = scratch / "signature"
    copied.write_bytes(said)
    content = _unpacked(Source(register), scratch / "content")
    form = "PEM" if said.lstrip().startswith(b"-----BEGIN") else "DER"
    command = [
        *(program, "cms", "-verify", "-binary", "-inform", form, "-in", str(copied), "-content", str(content)),
        *("-CAfile", str(certificate.resolve()), "-no-CApath", "-no-CAstore", "-certfile", str(certificate.resolve())),
        *("-partial_chain", "-no_check_time", "-purpose", "any", "-out", "/dev/null"),
    ]
    try:
        done = subprocess.run(  # noqa: S603 (file names of our own making)
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RegisterError(f"{register.name}: checking its signature took more than {TIMEOUT_S} s") from error
    if done.returncode == 0:
        return
    if any(identifier in _der(said) for identifier in _GOST):
        raise RegisterError(
            f"{register.name}: its signature is by GOST R 34.10, which the openssl program here cannot check;"
            " take `signature` out of the configuration to take it unchecked"
        )
    raise RegisterError(
        f"{register.name}: its signature is not by {certificate.name} over this file ({_why(done.stderr)})"
    )


def _read(signature: Path) -> bytes:
    try:
        with signature.open("rb") as file:
            said = file.read(MAX_SIGNATURE + 1)
    except OSError as error:
        raise RegisterError(f"cannot read {signature}: {error.strerror}") from error
    if not said or len(said) > MAX_SIGNATURE:
        raise RegisterError(f"{signature.name} is no signature: {'empty' if not said else 'more than 1 MiB'}")
    return said


def _unpacked(source: Source, into: Path) -> Path:
    with into.open("wb") as file:
        for chunk in source.chunks():
            file.write(chunk)
    return into


def _der(said: bytes) -> bytes:
    """A signature's DER, of PEM too."""
    import base64
    import binascii

    if not said.lstrip().startswith(b"-----BEGIN"):
        return said
    body = b"".join(line for line in said.splitlines() if b"-----" not in line)
    try:
        return base64.b64decode(body)
    except binascii.Error:
        return b""


def _why(stderr: bytes) -> str:
    """The reason in openssl's last line, `error:NUMBER:library:function:reason:file:line:more`."""
    lines = [line.split(":") for line in stderr.decode("ascii", "replace").splitlines() if ":error:" in line]
    return next((parts[5] for parts in reversed(lines) if len(parts) > 5 and parts[5]), "openssl gives no reason")
