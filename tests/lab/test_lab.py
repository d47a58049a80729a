"""Each way of censoring that needs a kernel, met by a plain client."""

from __future__ import annotations

import re
import sys
import time

import pytest

from tests.lab import censorship, kernel
from tests.lab.sites import SITES, STUB, ipv6_of
from tests.lab.standing import Lab

pytestmark = pytest.mark.lab
RESOLVE = "import socket; print(socket.getaddrinfo('{name}', 443, socket.AF_INET)[0][4][0])"


def resolve(free: Lab, name: str) -> str:
    return free.run(sys.executable, "-c", RESOLVE.format(name=name)).strip()


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_gateway_without_rules_forwards_everything(free: Lab, scheme: str, ipv6: bool) -> None:
    assert free.visit("wechat.x.test", scheme, ipv6=ipv6).endswith(" wechat.x.test")


@pytest.mark.parametrize("ipv6", [False, True])
def test_a_name_is_reset_and_an_innocent_one_at_its_address_is_not(free: Lab, ipv6: bool) -> None:
    censorship.resets_name("wechat.x.test")
    assert free.visit("wechat.x.test", ipv6=ipv6) == "reset"
    assert free.look("https://innocent.x.test/", SITES["wechat.x.test"]) == "certificate 62"
    assert free.look("https://wechat.x.test/", SITES["innocent.x.test"]) == "reset"


def test_a_name_is_dropped(free: Lab) -> None:
    censorship.drops_name("line.x.test")
    assert free.visit("line.x.test") == "timeout"
    assert free.visit("honest.x.test").startswith("page")


def test_a_host_is_reset_on_port_80(free: Lab) -> None:
    censorship.resets_name("news.x.test", port=80)
    assert free.visit("news.x.test", "http") == "reset"
    assert free.visit("news.x.test", "https").startswith("page")


def test_a_large_page_freezes_and_a_small_one_passes(free: Lab) -> None:
    censorship.freezes_name("big.x.test", after=16384)
    censorship.freezes_name("honest.x.test", after=16384)
    word, size = free.visit("big.x.test").split()
    assert word == "stall"
    assert 8_000 < int(size) < 20_000
    assert free.visit("honest.x.test").startswith("page")


def test_a_throttled_page_still_arrives_or_stalls_but_an_untouched_one_is_whole(free: Lab) -> None:
    censorship.throttles_name("big.x.test", kib_per_s=32)
    assert free.visit("big.x.test").split()[0] in {"page", "stall"}
    assert free.visit("honest.x.test").startswith("page")
    counters = kernel.inside(kernel.GATEWAY, "iptables", "-nvxL", "FORWARD")
    dropped = next(line.split()[0] for line in counters.splitlines() if "DROP" in line and "limit" in line)
    assert int(dropped) > 0


def test_a_queue_of_its_own_delays_a_name_and_an_address_and_loses_nothing(free: Lab) -> None:
    censorship.shapes_name("throttled-by-name.x.test", kbit_per_s=1500)
    censorship.shapes_address(SITES["throttled-by-address.x.test"], kbit_per_s=1500)
    took = {}
    for word in ("throttled-by-name", "throttled-by-address", "heavy"):
        began = time.monotonic()
        assert free.visit(f"{word}.x.test").startswith("page 8")
        took[word] = time.monotonic() - began
    assert min(took["throttled-by-name"], took["throttled-by-address"]) > 0.4
    sent = kernel.inside(kernel.GATEWAY, "tc", "-s", "class", "show", "dev", "in0")
    assert sum(int(count) > 80_000 for count in re.findall(r"Sent (\d+) bytes", sent)) == 3


def test_after_a_hit_the_address_stays_silent_for_any_name_for_a_while(free: Lab) -> None:
    censorship.resets_name_and_drops_after("residual.x.test", for_s=2)
    assert free.visit("residual.x.test") == "reset"
    began = time.monotonic()
    innocent = "https://innocent.x.test/"
    assert free.look(innocent, SITES["residual.x.test"]) == "timeout"
    assert free.visit("honest.x.test").startswith("page")
    while free.look(innocent, SITES["residual.x.test"]) == "timeout":
        assert time.monotonic() - began < 20
    assert time.monotonic() - began > 1.9


@pytest.mark.parametrize("name", ["dns-servfail.x.test", "dnssec-broken.x.test"])
def test_a_resolver_fails_on_one_name_and_every_validating_one_on_a_zone_that_is_not_signed(
    free: Lab, name: str
) -> None:
    censorship.leads_dns_astray()
    with pytest.raises(kernel.LabError, match="gaierror"):
        resolve(free, name)
    censorship.forgives()
    if name == "dns-servfail.x.test":
        assert resolve(free, name) == SITES[name]
    else:
        with pytest.raises(kernel.LabError, match="gaierror"):
            resolve(free, name)


@pytest.mark.parametrize("address", [SITES["neighbour.x.test"], ipv6_of(SITES["neighbour.x.test"])])
def test_an_address_is_blocked_in_each_of_three_ways_in_one_family_only(free: Lab, address: str) -> None:
    for block, word in (
        (censorship.drops_address, "timeout"),
        (censorship.refuses_address, "refused"),
        (censorship.rejects_address, "prohibited" if ":" in address else "unreachable"),
    ):
        censorship.forgives()
        block(address)
        assert free.visit("neighbour.x.test", ipv6=":" in address) == word
        assert free.visit("neighbour.x.test", ipv6=":" not in address).startswith("page")


def test_dns_is_led_astray_for_every_resolver(free: Lab) -> None:
    assert resolve(free, "linkedin.x.test") == SITES["linkedin.x.test"]
    censorship.leads_dns_astray()
    assert resolve(free, "linkedin.x.test") == STUB
    assert resolve(free, "honest.x.test") == SITES["honest.x.test"]
    assert free.look("https://linkedin.x.test/", STUB) == "certificate 20"


def test_http_is_led_to_the_block_page(free: Lab) -> None:
    censorship.leads_http_astray(SITES["news.x.test"])
    assert free.visit("news.x.test", "http").endswith("Доступ ограничен")
    assert free.visit("news.x.test", "https").endswith("news.x.test")


def test_a_lossy_line_never_resets_or_refuses(free: Lab) -> None:
    censorship.loses(SITES["honest.x.test"], 0.2)
    assert free.visit("honest.x.test").split()[0] in {"page", "stall", "timeout"}


def test_the_control_s_proxy_is_behind_the_censor(free: Lab) -> None:
    censorship.drops_address(SITES["wechat.x.test"])
    greeting = "import socket; s = socket.create_connection(('198.51.100.99', 1080), 2); s.sendall(bytes([5, 1, 0])); "
    connect = "s.recv(2); s.sendall(bytes([5, 1, 0, 3, 13]) + b'wechat.x.test' + bytes([0, 80])); print(s.recv(10)[1])"
    assert free.run(sys.executable, "-c", greeting + connect).strip() == "0"


def test_the_namespaces_have_no_way_out(free: Lab) -> None:
    assert free.look("http://outside.x.test/", "203.0.113.1") != ""
    assert "default" not in kernel.inside(kernel.GATEWAY, "ip", "route")


def test_a_lab_is_built_once_at_a_time(free: Lab) -> None:
    with pytest.raises(kernel.LabError, match="another run holds the lab"):
        kernel.take()
