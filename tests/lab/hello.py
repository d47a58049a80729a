"""ClientHellos as bytes: OpenSSL's own, with an added extension or other cipher suites; ECH configurations."""

from __future__ import annotations

import base64
import os
import ssl
import struct

from probe.net.streams import client_context

ECH, SNI = 0xFE0D, 0
OUTER_NAME = "cloudflare-ech.com"
"""Cloudflare's public_name (RFC 9849), the SNI in the clear."""
CHROME = bytes.fromhex("130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035")
"""Chrome's cipher suites without GREASE, as in its JA4."""
RANDOM_AT = 5 + 4 + 2
SESSION_AT = RANDOM_AT + 32


def own(name: str) -> bytes:
    """Our own client's ClientHello record."""
    context = client_context(None, verify=True, alpn=("h2", "http/1.1"))
    outgoing = ssl.MemoryBIO()
    talking = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    try:
        talking.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def ciphers(hello: bytes) -> bytes:
    at = SESSION_AT + 1 + hello[SESSION_AT]
    return hello[at + 2 : at + 2 + struct.unpack_from("!H", hello, at)[0]]


def with_ciphers(hello: bytes, chosen: bytes) -> bytes:
    """The same with these cipher suites."""
    at = SESSION_AT + 1 + hello[SESSION_AT]
    behind = at + 2 + len(ciphers(hello))
    return _record(hello[9:at] + _sized(chosen) + hello[behind:])


def with_extension(hello: bytes, kind: int, data: bytes) -> bytes:
    """The same with one more extension at the end."""
    at = SESSION_AT + 1 + hello[SESSION_AT]
    at += 2 + len(ciphers(hello))
    at += 1 + hello[at]
    extensions = hello[at + 2 :] + struct.pack("!H", kind) + _sized(data)
    return _record(hello[9:at] + _sized(extensions))


def grease_ech() -> bytes:
    """GREASE ECH (RFC 9849 section 6.2); a real outer ClientHello looks the same."""
    key, payload = os.urandom(32), os.urandom(144)
    return b"\x00" + struct.pack("!HHB", 1, 1, os.urandom(1)[0]) + _sized(key) + _sized(payload)


def ech_record(outer: str = OUTER_NAME) -> str:
    """An HTTPS record (RFC 9460) with an ECH configuration, in text form."""
    name = outer.encode()
    contents = b"\x07" + struct.pack("!H", 0x20) + _sized(bytes(range(32))) + _sized(struct.pack("!HH", 1, 1))
    contents += b"\x00" + bytes([len(name)]) + name + _sized(b"")
    configs = _sized(struct.pack("!H", ECH) + _sized(contents))
    return f'1 . alpn="h2" ech="{base64.b64encode(configs).decode()}"'


def _sized(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def _record(body: bytes) -> bytes:
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + _sized(message)
