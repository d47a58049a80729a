"""What may be contacted: each spelling of a private place is refused, what the configuration names is not."""

from __future__ import annotations

import socket

import pytest

from probe.failure import PrivateAddress
from probe.net import address_policy
from probe.net.address_policy import Gate, is_public, is_public_host, special_purpose
from probe.net.network import public_only

SPECIAL = [
    "192.0.0.0", "192.0.0.9", "192.0.0.10", "192.0.0.192", "192.0.0.255", "168.63.129.16", "192.88.99.1",
    "100.100.100.200", "169.254.169.254", "64:ff9b::192.168.1.1", "64:ff9b:1::1.1.1.1", "2002:c0a8:101::1",
    "2001:0:101:101:0:0:f5ff:fffe", "2001:0:a00:1::fefe:fefe", "::ffff:168.63.129.16", "::ffff:0:127.0.0.1",
    "::127.0.0.1", "2a00:1450::5efe:192.168.0.1", "2a00:1450::200:5efe:10.0.0.1", "2001:20::1", "2001:1::1",
    "100:0:0:1::1", "fd00:ec2::254", "2606:4700::1111%eth0",
]  # fmt: skip


@pytest.mark.parametrize("address", SPECIAL)
def test_a_special_address_is_not_public_in_any_python(address: str) -> None:
    assert not is_public(address)
    assert not is_public_host(address)
    with pytest.raises(PrivateAddress):
        Gate().check(address)


@pytest.mark.parametrize(
    "address",
    ["168.63.129.17", "191.255.255.255", "192.0.1.1", "192.31.196.1", "64:ff9b::1.1.1.1", "2001:4:112::1",
     "2001:200::1", "2a00:1450::5efe:1.1.1.1"],
)  # fmt: skip
def test_its_neighbours_are_public(address: str) -> None:
    assert is_public(address)


def test_the_registries_copy_is_dated_and_has_both_families() -> None:
    assert min(len(special_purpose().ipv4), len(special_purpose().ipv6)) > 4


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "a.localhost", "router", "printer.local", "printer.local.", "x.internal",
     "nas.home.arpa", "xyz.onion", "fritz.lan", "x.corp", "1.168.192.in-addr.arpa", "1.0.0.127.in-addr.arpa",
     "1.0.ip6.arpa", "127.1", "127.0.1", "127.0.0.1.", "2130706433", "0x7f000001", "0x7f.1", "0x7F.0.0.1",
     "017700000001", "0177.0.0.1", "[::1]", "::1", "[::ffff:10.0.0.1]", "10.0.0.1", "", ".", "a..b",
     "1.2.3.4.5", "x.0x"],
)  # fmt: skip
def test_no_private_host_is_handed_to_a_proxy(host: str) -> None:
    assert not is_public_host(host)
    with pytest.raises(PrivateAddress):
        Gate().check_name(host)
    Gate(allow_private=True).check_name(host)


@pytest.mark.parametrize(
    "host",
    ["example.org", "public.example", "xn--e1afmkfd.xn--p1ai", "localhost.example.org", "local.example", "1.1.1.1",
     "2606:4700::1111", "[2606:4700::1111]", "a.b.c.test", "127.0.0.1.example.org"],
)  # fmt: skip
def test_an_ordinary_host_is(host: str) -> None:
    assert is_public_host(host)
    Gate().check_name(host)


@pytest.mark.parametrize("spelled", ["127.1", "0x7f.1", "2130706433", "017700000001", "0177.1", "127.0.0.1"])
def test_what_the_system_reads_as_an_address_is_no_ordinary_name(spelled: str) -> None:
    assert socket.inet_ntoa(socket.inet_aton(spelled)) == "127.0.0.1"
    assert not is_public_host(spelled)


def test_this_machines_own_public_addresses_are_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_policy, "is_own", lambda address: address == "93.184.216.34")
    assert not Gate().permits("93.184.216.34")
    assert not public_only({443})("93.184.216.34", 443)
    assert Gate().permits("93.184.216.35")
    assert public_only({443})("93.184.216.35", 443)


def test_only_what_the_configuration_names_as_private_may_be() -> None:
    home = Gate(hosts=frozenset({"hub.example.org"}))
    assert home.passed("hub.example.org", ["192.168.1.5"]) == ("192.168.1.5",)
    assert Gate().opened_for("localhost").passed("localhost", ["127.0.0.1"]) == ("127.0.0.1",)
    assert Gate().opened_for("192.168.1.5").permits("192.168.1.5")
    assert not Gate().opened_for("192.168.1.5").permits("192.168.1.6")
    assert not Gate().opened_for("localhost").permits("127.0.0.1", "public.example.org")
    for opened in (Gate(), home, Gate().opened_for("www.example.org")):
        with pytest.raises(PrivateAddress, match="private_hosts"):
            opened.passed("www.example.org", ["10.0.0.1", "127.0.0.1"])


def test_of_public_and_private_addresses_only_the_public_remain() -> None:
    assert Gate().passed("x.example.org", ["127.0.0.1", "93.184.216.34", "::1"]) == ("93.184.216.34",)
    assert Gate().passed("x.example.org", []) == ()
