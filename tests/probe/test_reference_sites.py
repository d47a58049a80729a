"""What the canaries say of our own network, so that a broken one is never read as a block."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from importlib.resources import files
from typing import Any

import pytest

from probe import target as targets
from probe.allow_list import domestic_sites
from probe.reference_sites import NetworkReport, check, state_of
from probe.target import BadTarget
from schedules.demo import censor, resolver, sites
from schedules.demo.listener import can_bind
from tests.lab import dns_behaviours, site_answers
from tests.lab.network import LabNetwork
from tests.probe.loopback import LOOPBACK, QUICK_S, at_most, course, session_in


async def report(net: LabNetwork, *foreign: str, domestic: tuple[str, ...] = (), **changed: Any) -> NetworkReport:
    wanted = {"canaries": foreign, "domestic_canaries": domestic, "timeout_s": QUICK_S} | changed
    return await at_most(60, check(session_in(net, **wanted)))


async def test_a_canary_that_works_means_online(net: LabNetwork) -> None:
    found = await report(net, net.canary.url, net.canary_tls.url, domestic=(net.domestic_canary.url,))
    assert found.state == "online"
    assert [line.rsplit(": ", 1)[1] for line in found.evidence] == ["works"] * 3
    assert [course(m)[-1] for m in found.measurements] == [("http", None)] * 3


async def test_one_canary_of_several_is_enough(net: LabNetwork) -> None:
    gone = net.add_site("gone.x.test", dead=True)
    assert (await report(net, gone.url, net.canary_tls.url)).state == "online"


async def test_domestic_canaries_alone_mean_restricted(net: LabNetwork) -> None:
    net.censored |= {net.canary.name: censor.drops, net.canary_tls.name: censor.resets}
    found = await report(net, net.canary.url, net.canary_tls.url, domestic=(net.domestic_canary.url,))
    assert found.state == "restricted"


async def test_nothing_at_all_means_offline(net: LabNetwork) -> None:
    net.lies |= {site.name: dns_behaviours.silence for site in (net.canary, net.canary_tls, net.domestic_canary)}
    found = await report(net, net.canary.url, net.canary_tls.url, domestic=(net.domestic_canary.url,))
    assert found.state == "offline"


@pytest.mark.parametrize(
    "answer",
    [site_answers.login_page(), site_answers.redirect("http://portal.x.test/login"), sites.answers(sites.response(511)),
     sites.answers(sites.response(200, b""))],
)  # fmt: skip
async def test_a_page_in_the_canarys_place_is_a_portal(net: LabNetwork, answer: sites.Responder) -> None:
    hijacked = net.add_site("hijacked.x.test", answer, tls=False)
    found = await report(net, hijacked.url)
    assert found.state == "portal"
    assert {o.hop for m in found.measurements for o in m.observations} == {0}, "a portal's redirect is not followed"


async def test_a_certificate_that_is_not_the_canarys_is_a_portal(net: LabNetwork) -> None:
    net.censored[net.canary_tls.name] = censor.diverts(net.add_interceptor(site_answers.login_page()))
    assert (await report(net, net.canary_tls.url)).state == "portal"


async def test_a_name_led_to_a_private_address_is_a_portal(net: LabNetwork) -> None:
    net.lies[net.canary.name] = resolver.addresses("10.0.0.1")
    assert (await report(net, net.canary.url, allow_private=False)).state == "portal"


async def test_the_word_success_is_a_canarys_body_too(net: LabNetwork) -> None:
    site = net.add_site("success.x.test", sites.answers(sites.response(200, b"success\n")), tls=False)
    assert (await report(net, site.url)).state == "online"


@pytest.mark.skipif(not can_bind("127.77.8.1"), reason="the loopback has one address")
async def test_a_canary_with_several_addresses_works_though_its_last_step_is_a_connect(net: LabNetwork) -> None:
    at = ("127.77.8.1", "127.77.8.2")
    site = net.add_site("many.x.test", sites.no_content(), tls=False, at=at)
    assert (await report(net, site.url)).state == "online"
    net.honest_zone[site.name] = resolver.addresses(*at, "127.77.8.3")
    assert (await report(net, site.url)).state == "online"


@pytest.mark.parametrize("scheme", ["tls", "tcp"])
async def test_an_endpoint_can_be_a_canary(net: LabNetwork, scheme: str) -> None:
    site = net.canary_tls
    assert (await report(net, f"{scheme}://{site.name}:{site.port}")).state == "online"
    net.honest_zone[site.name] = resolver.nxdomain
    assert (await report(net, f"{scheme}://{site.name}:{site.port}")).state == "offline"


async def test_without_canaries_the_network_is_taken_for_fine_and_the_report_says_so(net: LabNetwork) -> None:
    found = await report(net)
    assert (found.state, found.measurements) == ("online", ())
    assert "no reference sites" in found.evidence[0]


async def test_a_canary_that_is_no_target_is_an_error_of_the_configuration(net: LabNetwork) -> None:
    with pytest.raises(BadTarget, match="ftp"):
        await report(net, "ftp://canary.example/")


def test_states() -> None:
    assert state_of([], ["works"]) == "online"
    assert state_of([], ["no answer"]) == "offline"
    assert state_of(["something else answers"], ["works"]) == "restricted"
    assert state_of(["something else answers", "works"], ["no answer"]) == "online"


async def test_the_families_that_canaries_were_connected_in_are_shown_to_work(net: LabNetwork) -> None:
    dead = net.add_site("dead.x.test", dead=True)
    assert (await report(net, net.canary.url, dead.url)).families == ("ipv4",)
    assert (await report(net, dead.url)).families == ()
    assert NetworkReport(state="online", evidence=()).families == ()


def dated(by: timedelta, **fields: str) -> sites.Responder:
    """A canary whose server's clock is off by so much from ours."""
    return sites.answers(sites.response(204, date=format_datetime(datetime.now(UTC) + by, usegmt=True), **fields))


@pytest.mark.parametrize(
    ("by", "says"),
    [
        (timedelta(hours=3), "this machine's clock is 3 h behind the reference sites: "),
        (timedelta(minutes=-20), "this machine's clock is 20 min ahead of the reference sites: "),
        (timedelta(days=20000), "20000 d behind"),
    ],
)
async def test_a_wrong_clock_is_noticed_by_what_the_canaries_say(net: LabNetwork, by: timedelta, says: str) -> None:
    site = net.add_site("dated.x.test", dated(by), tls=False)
    found = await report(net, site.url)
    assert says in (found.facts.clock or "")
    assert found.facts.clock in found.facts.sentences


async def test_a_clock_that_agrees_within_a_minute_is_right(net: LabNetwork) -> None:
    site = net.add_site("dated.x.test", dated(timedelta(seconds=-30)), tls=False)
    found = (await report(net, site.url)).facts
    assert found.clock is None
    assert 20 < (found.clock_off_s or 0) < 40


async def test_an_answer_that_a_cache_kept_for_hours_says_nothing_of_our_clock(net: LabNetwork) -> None:
    site = net.add_site("dated.x.test", dated(timedelta(hours=-5), age=str(5 * 3600)), tls=False)
    assert (await report(net, site.url)).facts.clock is None


async def test_one_server_with_a_wrong_clock_does_not_make_ours_wrong(net: LabNetwork) -> None:
    right = [net.add_site(f"right{n}.x.test", dated(timedelta(0)), tls=False).url for n in range(2)]
    wrong = net.add_site("wrong.x.test", dated(timedelta(days=400)), tls=False).url
    assert (await report(net, *right, wrong)).facts.clock is None


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 0000 99:99:99 GMT", "Mon, 01 Jan 0001 00:00:00 +9999"])
async def test_a_date_that_is_none_says_nothing(net: LabNetwork, date: str) -> None:
    site = net.add_site("dated.x.test", sites.answers(sites.response(204, date=date)), tls=False)
    assert (await report(net, site.url)).facts.clock_off_s is None


async def test_a_portals_clock_is_not_believed(net: LabNetwork) -> None:
    page = sites.answers(sites.response(200, b"<h1>Log in</h1>", date="Mon, 01 Jan 2001 00:00:00 GMT"))
    site = net.add_site("portal.x.test", page, tls=False)
    found = await report(net, site.url)
    assert (found.state, found.facts.clock) == ("portal", None)


async def test_reference_sites_over_tls_that_fall_silent_beside_a_small_answer_are_noticed(net: LabNetwork) -> None:
    net.censored[net.canary_tls.name] = censor.drops
    assert (await report(net, net.canary.url, net.canary_tls.url)).full_size_fails
    assert (await report(net, net.canary.url, f"tls://{net.canary_tls.name}:{net.canary_tls.port}")).full_size_fails


async def test_one_of_them_that_works_or_a_reset_says_nothing_about_packet_sizes(net: LabNetwork) -> None:
    other = net.add_site("other.x.test")
    net.censored[net.canary_tls.name] = censor.drops
    assert not (await report(net, net.canary.url, net.canary_tls.url, other.url)).full_size_fails
    assert not (await report(net, net.canary_tls.url)).full_size_fails, "nothing works at all"
    net.censored[net.canary_tls.name] = censor.resets
    assert not (await report(net, net.canary.url, net.canary_tls.url)).full_size_fails
    dead = net.add_site("dead.x.test", connect="unanswered")
    assert not (await report(net, net.canary.url, dead.url)).full_size_fails


async def test_a_small_answer_alone_says_nothing_about_packet_sizes(net: LabNetwork) -> None:
    assert not (await report(net, net.canary.url)).full_size_fails


async def test_a_port_at_which_two_reference_sites_fail_alike_is_closed(net: LabNetwork) -> None:
    dead = net.add_site("dead.x.test", connect="dead")
    net.honest_zone["other.x.test"] = net.honest_zone["dead.x.test"]
    refused = [f"tls://{name}.x.test:{dead.port}" for name in ("dead", "other")]
    assert (await report(net, net.canary.url, *refused)).closed_ports == {str(dead.port): "connection_refused"}
    assert (await report(net, *refused)).closed_ports == {}, "nothing works at all"
    assert (await report(net, net.canary.url, refused[0])).closed_ports == {}, "one site may be down"


ALLOW_LISTS = {
    "name": lambda name, at_home: name,
    "address": lambda name, at_home: at_home,
    "either": lambda name, at_home: name or at_home,
    "both": lambda name, at_home: name and at_home,
}


@pytest.mark.parametrize("by", ALLOW_LISTS)
async def test_names_and_addresses_crossed_tell_what_an_allow_list_goes_by(net: LabNetwork, by: str) -> None:
    home = net.add_site("home.x.test", sites.no_content())
    lets = ALLOW_LISTS[by]

    def policy(seen: censor.ConnectionInfo) -> censor.Action:
        at_home = home.origin in (seen.destination, None) or home.port == seen.destination[1]
        return censor.passes if lets(seen.name == home.name, at_home) else censor.drops

    net.policy = policy
    found = await report(net, net.canary.url, net.canary_tls.url, domestic=(home.url,), no_resolver=LOOPBACK)
    assert (found.state, found.working_name) == ("restricted", home.name)
    assert found.allow_list is not None
    assert (found.allow_list.by, found.allow_list.listed, found.allow_list.unlisted) == (
        by,
        home.name,
        net.canary_tls.name,
    )
    assert len(found.measurements) == 4, "the test is in the record, and counted"


async def test_where_no_connection_passes_abroad_no_allow_list_is_named(net: LabNetwork) -> None:
    home = net.add_site("home.x.test", sites.no_content())
    gone = net.add_site("gone.x.test", dead=True)
    found = await report(net, gone.url, domestic=(home.url,))
    assert (found.state, found.allow_list) == ("restricted", None)
    assert len(found.measurements) == 2


@pytest.mark.slow
async def test_where_even_an_address_without_a_server_may_accept_connections_no_list_of_addresses_is_named(
    net: LabNetwork,
) -> None:
    home = net.add_site("home.x.test", sites.no_content())
    net.censored[net.canary_tls.name] = censor.drops
    net.policy = lambda seen: censor.passes if home.port == seen.destination[1] else censor.drops
    found = await report(net, net.canary_tls.url, domestic=(home.url,), no_resolver="")
    assert (found.state, found.allow_list) == ("restricted", None)


async def test_a_block_list_that_has_our_foreign_sites_is_no_allow_list(net: LabNetwork) -> None:
    home = net.add_site("home.x.test", sites.no_content())
    net.censored |= {net.canary.name: censor.drops, net.canary_tls.name: censor.resets}
    found = await report(net, net.canary.url, net.canary_tls.url, domestic=(home.url,), no_resolver=LOOPBACK)
    assert (found.state, found.allow_list) == ("restricted", None)


async def test_a_foreign_site_that_recovers_shows_no_allow_list(net: LabNetwork) -> None:
    home = net.add_site("home.x.test", sites.no_content())
    met: list[str] = []

    def policy(seen: censor.ConnectionInfo) -> censor.Action:
        met.append(str(seen.name))
        return (
            censor.drops if met.count(net.canary_tls.name) == 1 and seen.name == net.canary_tls.name else censor.passes
        )

    net.policy = policy
    found = await report(net, net.canary_tls.url, domestic=(home.url,))
    assert (found.state, found.allow_list) == ("restricted", None)


async def test_presets_are_measured_only_where_nothing_else_answers(net: LabNetwork) -> None:
    home = net.add_site("home.x.test", sites.no_content())
    online = await report(net, net.canary.url, domestic_presets=(home.url,))
    assert (online.state, len(online.measurements)) == ("online", 1)
    net.censored |= {net.canary.name: censor.drops}
    assert (await report(net, net.canary.url, domestic_presets=(home.url,))).state == "restricted"
    gone = net.add_site("gone.x.test", dead=True)
    assert (await report(net, net.canary.url, domestic_presets=(gone.url,))).state == "offline"


def test_every_country_has_presets_over_tls_and_a_day_and_source() -> None:
    presets = tomllib.loads(files("probe").joinpath("domestic_sites.toml").read_text("utf-8"))
    assert presets.keys() == {"RU", "BY", "IR", "CN", "TM", "KZ", "UZ", "TR"}
    for country, one in presets.items():
        assert isinstance(one["checked"], date)
        assert one["source"].startswith("https://")
        assert domestic_sites(country) == tuple(one["sites"])
        assert all(targets.parse(url).scheme == "https" for url in one["sites"])
    assert domestic_sites("NL") == ()
    assert len(domestic_sites(None)) == len(presets)
