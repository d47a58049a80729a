"""What is seen of a network without anything being blocked: made-up answers, intercepted questions, ways out."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from probe.net.network import RealNetwork
from probe.net.path import Path
from probe.reference_sites import NetworkFacts, check, facts
from schedules.demo import resolver
from schedules.demo.listener import Address, tcp_socket
from tests.lab.network import LabNetwork
from tests.probe.loopback import LOOPBACK, QUICK_S, at_most, session_in

NOWHERE = "nowhere.invalid"


async def seen(net: LabNetwork, **changed: Any) -> NetworkFacts:
    return await at_most(60, facts(session_in(net, timeout_s=QUICK_S, **changed)))


def nobody(net: LabNetwork) -> str:
    """An address and port of this machine at which nothing answers."""
    host, port = net.listeners.hold(tcp_socket(LOOPBACK, listening=False)).getsockname()
    return f"{host}:{port}"


def written(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


async def test_an_honest_resolver_makes_nothing_up(net: LabNetwork) -> None:
    found = await seen(net, no_such_name=NOWHERE, no_resolver=nobody(net))
    assert found.interception == ()
    assert found.routes == ("ipv4",)
    assert found.sentences == ("address families with a route: ipv4",)


async def test_a_resolver_that_gives_an_impossible_name_an_address_makes_up_answers(net: LabNetwork) -> None:
    net.lies[NOWHERE] = resolver.addresses("127.77.0.66")
    for private_is_fine in (True, False):
        found = await seen(net, no_such_name=NOWHERE, allow_private=private_is_fine)
        (said,) = found.interception
        assert said.startswith(f"{NOWHERE} cannot exist, but this network's resolver gives it 127.77.0.66")


async def test_an_answer_from_where_no_resolver_runs_is_an_interception(net: LabNetwork) -> None:
    found = await seen(net, no_resolver=written(net.system_resolver))
    (said,) = found.interception
    assert "a DNS query to it is answered: this network intercepts DNS" in said


async def test_it_is_a_fact_of_the_canaries_report_and_no_state_of_the_network(net: LabNetwork) -> None:
    wanted = session_in(net, canaries=(net.canary.url,), no_resolver=written(net.system_resolver))
    report = await at_most(60, check(wanted))
    assert report.state == "online"
    assert len(report.facts.interception) == 1
    assert len(report.evidence) == 1


async def test_nothing_is_asked_that_is_not_configured(net: LabNetwork) -> None:
    net.lies[NOWHERE] = resolver.addresses("127.77.0.66")
    assert (await seen(net)).interception == ()


async def test_through_a_proxy_that_resolves_names_nothing_can_be_seen_of_it(net: LabNetwork) -> None:
    socks = Path("vpn", proxy="socks5://{}:{}".format(*net.socks))
    wanted = session_in(net, path=socks, no_such_name=NOWHERE, no_resolver=written(net.system_resolver))
    assert await at_most(60, facts(wanted)) == NetworkFacts()


async def test_a_family_without_a_route_is_told(net: LabNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    really = RealNetwork.datagrams

    async def without_ipv6(self: RealNetwork, address: str, port: int) -> socket.socket:
        if ":" in address:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return await really(self, address, port)

    monkeypatch.setattr(RealNetwork, "datagrams", without_ipv6)
    found = await seen(net, families=("ipv4", "ipv6"))
    assert found.routes == ("ipv4",)
