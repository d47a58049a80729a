"""Which addresses are never touched, however they are dressed."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.net.address_policy import family_of, is_public, kind_of, literal

PRIVATE4 = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
PRIVATE6 = [
    "::", "::1", "::7f00:1", "100::1", "64:ff9b:1::1", "fe80::1", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1",
    "ff0e::1", "2001:db8::1", "3fff::1", "2001:2::1", "2001:10::1", "4000::1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE4 + PRIVATE6)
def test_a_special_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "9.9.9.9", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2a00:1450::1"])
def test_an_ordinary_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "text", ["", "example.com", "1.2.3", "1.2.3.4.5", "01.2.3.4", "²", "[::1]", "1.2.3.4 ", "[scrubbed]"]
)
def test_what_is_no_literal_is_no_public_address(text: str) -> None:
    assert literal(text) is None
    assert not is_public(text)


@given(st.ip_addresses(v=4))
def test_an_address_embedded_in_ipv6_is_as_public_as_it_is_alone(address: IPv4Address) -> None:
    high, low = address.packed[:2].hex(), address.packed[2:].hex()
    inverted = bytes(255 - octet for octet in address.packed).hex()
    alone = is_public(str(address))
    assert is_public(f"::ffff:{address}") == alone
    assert is_public(f"64:ff9b::{high}:{low}") == alone
    assert is_public(f"2002:{high}:{low}::1") == alone
    assert is_public(f"2001:0:102:304::{inverted[:4]}:{inverted[4:]}") == alone


def test_families_are_told_apart() -> None:
    assert family_of("192.0.2.1") == "ipv4"
    assert family_of("::ffff:192.0.2.1") == "ipv6"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.77.0.9", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("169.254.1.1", "link-local"),
        ("10.10.34.36", "private"),
        ("192.168.1.1", "private"),
        ("198.51.100.9", "documentation"),
        ("2001:db8::1", "documentation"),
        ("fd00::1", "private"),
        ("8.8.8.8", "public"),
    ],
)
def test_addresses_that_are_not_public_are_of_a_kind(address: str, kind: str) -> None:
    assert kind_of(address) == kind
