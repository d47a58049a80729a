"""What the canaries say of our own network, so that a broken one is never read as a block."""

from __future__ import annotations

from typing import Any

import pytest

from probe.canary import NetworkReport, check, state_of
from probe.target import BadTarget
from schedules.demo import censor, resolver, sites
from schedules.demo.listening import can_bind
from schedules.demo.network import CensoredNetwork
from tests.probe.measuring import QUICK_S, at_most, course, means_in


async def report(net: CensoredNetwork, *foreign: str, domestic: tuple[str, ...] = (), **changed: Any) -> NetworkReport:
    wanted = {"canaries": foreign, "domestic_canaries": domestic, "timeout_s": QUICK_S} | changed
    return await at_most(60, check(means_in(net, **wanted)))


async def test_a_canary_that_works_means_online(net: CensoredNetwork) -> None:
    found = await report(net, net.canary.url, net.canary_tls.url, domestic=(net.domestic_canary.url,))
    assert found.state == "online"
    assert [line.rsplit(": ", 1)[1] for line in found.evidence] == ["works"] * 3
    assert [course(m)[-1] for m in found.measurements] == [("http", None)] * 3


async def test_one_canary_of_several_is_enough(net: CensoredNetwork) -> None:
    gone = net.add_site("gone.x.test", dead=True)
    assert (await report(net, gone.url, net.canary_tls.url)).state == "online"


async def test_domestic_canaries_alone_mean_restricted(net: CensoredNetwork) -> None:
    net.censored |= {net.canary.name: censor.drops, net.canary_tls.name: censor.resets}
    found = await report(net, net.canary.url, net.canary_tls.url, domestic=(net.domestic_canary.url,))
    assert found.state == "restricted"


async def test_nothing_at_all_means_offline(net: CensoredNetwork) -> None:
    net.lies |= {site.name: resolver.silence for site in (net.canary, net.canary_tls, net.domestic_canary)}
    found = await report(net, net.canary.url, net.canary_tls.url, domestic=(net.domestic_canary.url,))
    assert found.state == "offline"


@pytest.mark.parametrize(
    "answer",
    [sites.login_page(), sites.redirect("http://portal.x.test/login"), sites.answers(sites.response(511)),
     sites.answers(sites.response(200, b""))],
)  # fmt: skip
async def test_a_page_in_the_canarys_place_is_a_portal(net: CensoredNetwork, answer: sites.Responder) -> None:
    hijacked = net.add_site("hijacked.x.test", answer, tls=False)
    found = await report(net, hijacked.url)
    assert found.state == "portal"
    assert {o.hop for m in found.measurements for o in m.observations} == {0}, "a portal's redirect is not followed"


async def test_a_certificate_that_is_not_the_canarys_is_a_portal(net: CensoredNetwork) -> None:
    net.censored[net.canary_tls.name] = censor.diverts(net.add_interceptor(sites.login_page()))
    assert (await report(net, net.canary_tls.url)).state == "portal"


async def test_a_name_led_to_a_private_address_is_a_portal(net: CensoredNetwork) -> None:
    net.lies[net.canary.name] = resolver.addresses("10.0.0.1")
    assert (await report(net, net.canary.url, allow_private=False)).state == "portal"


async def test_the_word_success_is_a_canarys_body_too(net: CensoredNetwork) -> None:
    site = net.add_site("success.x.test", sites.answers(sites.response(200, b"success\n")), tls=False)
    assert (await report(net, site.url)).state == "online"


@pytest.mark.skipif(not can_bind("127.77.8.1"), reason="the loopback has one address")
async def test_a_canary_with_several_addresses_works_though_its_last_step_is_a_connect(net: CensoredNetwork) -> None:
    at = ("127.77.8.1", "127.77.8.2")
    site = net.add_site("many.x.test", sites.no_content(), tls=False, at=at)
    assert (await report(net, site.url)).state == "online"
    net.honest_zone[site.name] = resolver.addresses(*at, "127.77.8.3")
    assert (await report(net, site.url)).state == "online"


@pytest.mark.parametrize("scheme", ["tls", "tcp"])
async def test_an_endpoint_can_be_a_canary(net: CensoredNetwork, scheme: str) -> None:
    site = net.canary_tls
    assert (await report(net, f"{scheme}://{site.name}:{site.port}")).state == "online"
    net.honest_zone[site.name] = resolver.nxdomain
    assert (await report(net, f"{scheme}://{site.name}:{site.port}")).state == "offline"


async def test_without_canaries_the_network_is_taken_for_fine_and_the_report_says_so(net: CensoredNetwork) -> None:
    found = await report(net)
    assert (found.state, found.measurements) == ("online", ())
    assert "no canaries" in found.evidence[0]


async def test_a_canary_that_is_no_target_is_an_error_of_the_configuration(net: CensoredNetwork) -> None:
    with pytest.raises(BadTarget, match="ftp"):
        await report(net, "ftp://canary.example/")


def test_states() -> None:
    assert state_of([], ["works"]) == "online"
    assert state_of([], ["no answer"]) == "offline"
    assert state_of(["something else answers"], ["works"]) == "restricted"
    assert state_of(["something else answers", "works"], ["no answer"]) == "online"


async def test_the_families_that_canaries_were_connected_in_are_shown_to_work(net: CensoredNetwork) -> None:
    dead = net.add_site("dead.x.test", dead=True)
    assert (await report(net, net.canary.url, dead.url)).families == ("ipv4",)
    assert (await report(net, dead.url)).families == ()
    assert NetworkReport(state="online", evidence=()).families == ()
