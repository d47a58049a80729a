"""What our handshakes look like, by FoxIO's JA4."""

from __future__ import annotations

import re
import ssl

from probe.net.ja4 import ja4
from probe.steps.tls import client_hello

CIPHERS = "2a2a 1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
SIGNATURES = "0403 0804 0401 0503 0805 0501 0806 0601"
BROWSER = {
    "1a1a": "",
    "001b": "020002",
    "0000": "000e00000b6578616d706c652e636f6d",
    "0033": "0000",
    "0010": "000c02683208687474702f312e31",
    "4469": "0003026832",
    "0017": "",
    "002d": "0101",
    "000d": "0010" + SIGNATURES.replace(" ", ""),
    "0005": "0100000000",
    "0023": "",
    "0012": "",
    "002b": "06fafa03040303",
    "ff01": "00",
    "000b": "0100",
    "000a": "0000",
    "0015": "",
}
"""A browser's ClientHello, as the definition of JA4 takes it for its example."""


def hello(extensions: dict[str, str], ciphers: str = CIPHERS) -> bytes:
    bodies = {kind: bytes.fromhex(body) for kind, body in extensions.items()}
    wire = b"".join(bytes.fromhex(kind) + len(body).to_bytes(2, "big") + body for kind, body in bodies.items())
    offered = bytes.fromhex(ciphers)
    body = b"\x03\x03" + bytes(32) + b"\0" + len(offered).to_bytes(2, "big") + offered + b"\x01\0"
    body += len(wire).to_bytes(2, "big") + wire
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def test_a_browsers_hello_has_the_fingerprint_that_the_definition_gives_it() -> None:
    assert ja4(hello(BROWSER)) == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_the_order_of_ciphers_and_extensions_and_what_is_to_be_ignored_change_nothing() -> None:
    turned = dict(reversed(BROWSER.items()))
    del turned["1a1a"]
    shuffled = " ".join(reversed(CIPHERS.split()))
    assert ja4(hello(turned, shuffled)) == ja4(hello(BROWSER))


def test_a_hello_without_a_name_or_protocols_says_so() -> None:
    bare = {kind: body for kind, body in BROWSER.items() if kind not in ("0000", "0010")}
    assert ja4(hello(bare)).startswith("t13i151400_")


def test_our_own_is_read_from_the_bytes_that_we_send() -> None:
    fingerprint = ja4(client_hello(None))
    assert re.fullmatch(r"t13d\d{4}h2_[0-9a-f]{12}_[0-9a-f]{12}", fingerprint), ssl.OPENSSL_VERSION
