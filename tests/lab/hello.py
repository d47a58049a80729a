"""ClientHellos as bytes: a real one of OpenSSL's, with an extension added or another list of ciphers; ECH's records."""

from __future__ import annotations

import base64
import os
import ssl
import struct

from probe.net.streams import client_context

ECH, SNI = 0xFE0D, 0
OUTER_NAME = "cloudflare-ech.com"
"""What Cloudflare's sites show in the clear (RFC 9849 calls it public_name)."""
CHROME = bytes.fromhex("130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035")
"""Chrome's ciphers behind the one that it makes up; those of its JA4."""
RANDOM_AT = 5 + 4 + 2
SESSION_AT = RANDOM_AT + 32


def own(name: str) -> bytes:
    """The record in which our own client says hello."""
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
    """The same hello with these ciphers in the place of its own."""
    at = SESSION_AT + 1 + hello[SESSION_AT]
    behind = at + 2 + len(ciphers(hello))
    return _record(hello[9:at] + _sized(chosen) + hello[behind:])


def with_extension(hello: bytes, kind: int, data: bytes) -> bytes:
    """The same hello with one extension more, the last."""
    at = SESSION_AT + 1 + hello[SESSION_AT]
    at += 2 + len(ciphers(hello))
    at += 1 + hello[at]
    extensions = hello[at + 2 :] + struct.pack("!H", kind) + _sized(data)
    return _record(hello[9:at] + _sized(extensions))


def grease_ech() -> bytes:
    """What a browser sends where it knows no key (RFC 9849 section 6.2); an outer hello looks the same."""
    key, payload = os.urandom(32), os.urandom(144)
    return b"\x00" + struct.pack("!HHB", 1, 1, os.urandom(1)[0]) + _sized(key) + _sized(payload)


def ech_record(outer: str = OUTER_NAME) -> str:
    """An HTTPS record (RFC 9460) with the key for encrypted hellos, in its text form."""
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
