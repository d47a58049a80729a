"""The JA4 fingerprint (FoxIO) of a TLS ClientHello.

`t13d1516h2_8daaf6152771_e5627efa2ab1`: transport, highest version, whether a name is sent, how many ciphers and
extensions, the first ALPN's ends; then hashes of the ciphers, and of the extensions with the signature algorithms.
Values that are there to be ignored (GREASE, RFC 8701) are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

SERVER_NAME, SIGNATURE_ALGORITHMS, APPLICATION_PROTOCOLS, SUPPORTED_VERSIONS = 0x0000, 0x000D, 0x0010, 0x002B
VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3"}
NONE = "0" * 12


def ja4(record: bytes) -> str:
    """The fingerprint of one TLS record that holds a whole ClientHello (RFC 8446 section 4.1.2)."""
    hello = _Reader(record[9:])  # behind the record's header (5) and the handshake's (4)
    version = hello.number(2)
    hello.take(32)
    hello.vector(1)
    ciphers = _pairs(hello.vector(2))
    hello.vector(1)
    extensions = dict(_extensions(_Reader(hello.vector(2))))
    offered = _pairs(extensions.get(SUPPORTED_VERSIONS, b"\0")[1:]) or [version]
    head = "".join(
        (
            "t",
            VERSIONS.get(max(offered), "00"),
            "d" if SERVER_NAME in extensions else "i",
            f"{min(len(ciphers), 99):02}{min(len(extensions), 99):02}",
            _ends(extensions.get(APPLICATION_PROTOCOLS)),
        )
    )
    kinds = sorted(extensions.keys() - {SERVER_NAME, APPLICATION_PROTOCOLS})
    signatures = _pairs(extensions.get(SIGNATURE_ALGORITHMS, b"")[2:])
    listed = _hex(kinds) + (f"_{_hex(signatures)}" if signatures else "")
    return f"{head}_{_hash(_hex(sorted(ciphers)))}_{_hash(listed if kinds else '')}"


class _Reader:
    """Numbers and vectors off the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self.left = data

    def take(self, count: int) -> bytes:
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))


def _extensions(reader: _Reader) -> Iterator[tuple[int, bytes]]:
    while reader.left:
        kind, body = reader.number(2), reader.vector(2)
        if not _is_grease(kind):
            yield kind, body


def _pairs(data: bytes) -> list[int]:
    values = (int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2))
    return [value for value in values if not _is_grease(value)]


def _is_grease(value: int) -> bool:
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def _ends(protocols: bytes | None) -> str:
    """The first protocol's first and last character; of its hex digits where these are neither letter nor digit."""
    first = _Reader(_Reader(protocols or b"\0\0").vector(2)).vector(1)
    if not first:
        return "00"
    if chr(first[0]).isascii() and chr(first[0]).isalnum() and chr(first[-1]).isascii() and chr(first[-1]).isalnum():
        return chr(first[0]) + chr(first[-1])
    return first.hex()[0] + first.hex()[-1]


def _hex(values: Iterable[int]) -> str:
    return ",".join(f"{value:04x}" for value in values)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else NONE
