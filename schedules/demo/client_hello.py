"""Reads the server name out of a TLS ClientHello (RFC 8446, 4.1.2; RFC 6066, 3), by hand as a middlebox does."""

from __future__ import annotations

MAX_HELLO = 65536
HANDSHAKE_RECORD = 22
CLIENT_HELLO = 1
SERVER_NAME = 0
HOST_NAME = 0


def server_name(data: bytes) -> tuple[bool, str | None]:
    """(is the ClientHello whole or hopeless, so that more bytes would tell no more; its SNI in lower case or None)."""
    handshake, rest = b"", data
    while len(rest) >= 5:
        if rest[0] != HANDSHAKE_RECORD:
            return True, None
        size = int.from_bytes(rest[3:5], "big")
        if len(rest) < 5 + size:
            break
        handshake += rest[5 : 5 + size]
        rest = rest[5 + size :]
    if handshake and handshake[0] != CLIENT_HELLO:
        return True, None
    if len(handshake) < 4 or len(handshake) < 4 + int.from_bytes(handshake[1:4], "big"):
        return len(data) >= MAX_HELLO, None
    return True, _name_in(handshake[4 : 4 + int.from_bytes(handshake[1:4], "big")])


def _name_in(hello: bytes) -> str | None:
    """Version and random are 34 bytes; then session id, cipher suites, compression methods, and the extensions."""
    at = 34
    for width in (1, 2, 1):
        at += width + int.from_bytes(hello[at : at + width], "big")
    end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 2
    while at + 4 <= min(end, len(hello)):
        kind = int.from_bytes(hello[at : at + 2], "big")
        size = int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == SERVER_NAME:
            return _host_name(hello[at + 4 : at + 4 + size])
        at += 4 + size
    return None


def _host_name(extension: bytes) -> str | None:
    """The first entry of the list: two bytes of list length, one of type, two of length, the name."""
    if len(extension) < 5 or extension[2] != HOST_NAME:
        return None
    name = extension[5 : 5 + int.from_bytes(extension[3:5], "big")]
    return name.decode("ascii", "replace").lower().rstrip(".") or None
