"""One target from its name to its page, hop after hop."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import pytest

from probe.measure import MAX_PASSES, measure
from probe.model import Attempt, Lookup, Measurement
from probe.net import address_policy
from probe.net.path import Path
from probe.target import parse
from schedules.demo import censor, resolver, sites
from schedules.demo.listener import ServerStream, can_bind
from schedules.demo.network import Site
from tests.lab import site_answers
from tests.lab.network import LabNetwork
from tests.probe.loopback import LOOPBACK, QUICK_S, at_most, course, is_unknown, only, session, session_in

OTHER, THIRD = "127.77.8.1", "127.77.8.2"


async def seen(net: LabNetwork, site: Site | str, **changed: Any) -> Measurement:
    url = site if isinstance(site, str) else site.url
    return await at_most(60, measure(parse(url, allow_private=True), session_in(net, **changed)))


async def test_the_course_of_an_https_target(net: LabNetwork) -> None:
    measured = await seen(net, net.add_site("site.x.test"), families=("ipv4", "ipv6"))
    assert course(measured) == [("dns", None), ("dns", "dns_no_answer"), ("tcp", None), ("tls", None), ("http", None)]
    assert only(measured, "http").detail.title == "site.x.test"
    assert {o.hop for o in measured.observations} == {0}
    assert len({o.id for o in measured.observations}) == 5
    assert [o.offset_s for o in measured.observations[2:]] == sorted(o.offset_s for o in measured.observations[2:])


async def test_the_course_of_an_http_target(net: LabNetwork) -> None:
    assert course(await seen(net, net.add_site("site.x.test", tls=False))) == [
        ("dns", None),
        ("tcp", None),
        ("http", None),
    ]


async def test_an_endpoint_is_measured_as_far_as_its_scheme_goes(net: LabNetwork) -> None:
    site = net.add_site("site.x.test")
    assert course(await seen(net, f"tls://{site.name}:{site.port}")) == [("dns", None), ("tcp", None), ("tls", None)]
    assert course(await seen(net, f"tcp://{site.name}:{site.port}")) == [("dns", None), ("tcp", None)]


async def test_a_literal_is_not_looked_up(net: LabNetwork) -> None:
    site = net.add_site("site.x.test", tls=False)
    assert course(await seen(net, f"http://{site.address}:{site.port}/")) == [("tcp", None), ("http", None)]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"lie": resolver.nxdomain}, [("dns", "dns_nxdomain_error")]),
        ({"connect": "refused"}, [("dns", None), ("tcp", "connection_refused")]),
        ({"connect": "unanswered"}, [("dns", None), ("tcp", "generic_timeout_error")]),
        ({"censored": censor.resets}, [("dns", None), ("tcp", None), ("tls", "connection_reset")]),
        ({"censored": censor.drops}, [("dns", None), ("tcp", None), ("tls", "generic_timeout_error")]),
        (
            {"responder": site_answers.resets},
            [("dns", None), ("tcp", None), ("tls", None), ("http", "connection_reset")],
        ),
    ],
)
async def test_the_course_stops_at_the_first_failure(
    net: LabNetwork, how: dict[str, Any], expected: list[tuple[str, str | None]]
) -> None:
    assert course(await seen(net, net.add_site("site.x.test", **how), timeout_s=QUICK_S)) == expected


async def test_a_private_answer_is_not_connected_to(net: LabNetwork) -> None:
    measured = await seen(net, net.add_site("site.x.test"), allow_private=False)
    assert course(measured) == [("dns", "dns_bogon_error")]


# Redirects.


def hops(measured: Measurement) -> list[tuple[int, str, str]]:
    return [(o.hop, o.step, o.host) for o in measured.observations]


async def test_a_redirect_is_a_hop_with_a_look_up_of_its_own(net: LabNetwork) -> None:
    end = net.add_site("end.x.test")
    start = net.add_site("start.x.test", site_answers.redirect(end.url), tls=False)
    measured = await seen(net, start)
    assert hops(measured) == [
        (0, "dns", start.name), (0, "tcp", start.name), (0, "http", start.name),
        (1, "dns", end.name), (1, "tcp", end.name), (1, "tls", end.name), (1, "http", end.name),
    ]  # fmt: skip


async def test_the_same_host_is_not_looked_up_twice(net: LabNetwork) -> None:
    site = net.add_site("site.x.test")
    start = net.add_site("plain.x.test", site_answers.redirect(site.url), tls=False)
    net.honest_zone[start.name] = net.honest_zone[site.name]
    pages = {"/": site_answers.redirect("/a"), "/a": site_answers.redirect("//site.x.test:1/b")}
    again = net.add_site("again.x.test", site_answers.by_path(pages))
    measured = await seen(net, again)
    assert [o.hop for o in measured.observations if o.step == "dns"] == [0, 2]
    assert [(o.hop, o.failure) for o in measured.observations if o.step == "http"] == [(0, None), (1, None)]


async def test_from_http_to_https_of_one_host_needs_one_look_up(net: LabNetwork) -> None:
    secure = net.add_site("site.x.test")
    front = sites.serve_site(net.listeners, secure.address, site_answers.redirect(secure.url))
    measured = await seen(net, f"http://site.x.test:{front[1]}/")
    assert [(o.hop, o.step) for o in measured.observations] == [
        (0, "dns"), (0, "tcp"), (0, "http"), (1, "tcp"), (1, "tls"), (1, "http"),
    ]  # fmt: skip


async def test_a_redirect_to_itself_ends(net: LabNetwork) -> None:
    site = net.add_site("site.x.test", site_answers.redirect("/#again"), tls=False)
    measured = await seen(net, site)
    assert only(measured, "http").detail.location == "/#again"


async def test_a_redirect_that_always_goes_on_ends(net: LabNetwork) -> None:
    async def onward(request: sites.SiteRequest, stream: ServerStream) -> None:
        await stream.send(sites.response(302, Location=request.path + "x"))

    measured = await seen(net, net.add_site("site.x.test", onward, tls=False), max_redirects=4)
    assert [o.hop for o in measured.observations if o.step == "http"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "location",
    ["http://[", "http://", "https://user:secret@other.x.test/", "ftp://other.x.test/", "javascript:alert(1)", "tcp://a.x.test:1",
     "http://a..b/", "http://other.x.test:99999/", "http://" + "a" * 3000, "data:,x", "http://x\x7fy.test/"],
)  # fmt: skip
async def test_a_redirect_that_leads_nowhere_ends_and_stays_in_the_record(net: LabNetwork, location: str) -> None:
    measured = await seen(net, net.add_site("site.x.test", site_answers.redirect(location), tls=False))
    page = only(measured, "http").detail
    assert (page.status, page.location) == (302, location)


async def test_an_empty_location_is_the_page_itself(net: LabNetwork) -> None:
    measured = await seen(net, net.add_site("site.x.test", site_answers.redirect(""), tls=False))
    assert only(measured, "http").detail.status == 302


def as_if_public(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this one site's loopback address for a public one."""
    is_public = address_policy.is_public
    for where in ("probe.net.address_policy.is_public", "probe.endpoint.is_public", "probe.steps.dns.is_public"):
        monkeypatch.setattr(where, lambda a: a == site.address or is_public(a))
    monkeypatch.setattr("probe.net.address_policy.is_own", lambda a: False)


async def test_a_redirect_to_a_private_address_is_not_followed(
    net: LabNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = net.add_site("site.x.test", site_answers.redirect("http://10.0.0.1/"), tls=False)
    as_if_public(site, monkeypatch)
    measured = await seen(net, site, allow_private=False)
    assert hops(measured) == [(0, "dns", site.name), (0, "tcp", site.name), (0, "http", site.name)]


async def test_a_redirect_to_a_name_with_a_private_address_is_looked_up_but_not_touched(
    net: LabNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = net.add_site("inside.x.test", tls=False)
    site = net.add_site("site.x.test", site_answers.redirect(inside.url), tls=False)
    as_if_public(site, monkeypatch)
    measured = await seen(net, site, allow_private=False)
    assert [(o.hop, o.step, o.failure) for o in measured.observations][3:] == [(1, "dns", "dns_bogon_error")]


# Several addresses, two families.


@pytest.mark.skipif(not can_bind("::1"), reason="no IPv6 on this machine's loopback")
@pytest.mark.parametrize("dead", ["ipv4", "ipv6"])
async def test_one_dead_family_does_not_hide_the_other(net: LabNetwork, dead: str) -> None:
    there = net.add_site("site.x.test", at=("::1",) if dead == "ipv4" else (net.host(OTHER),), tls=False)
    net.honest_zone[there.name] = resolver.addresses(net.host(OTHER), "::1")
    measured = await seen(net, there, families=("ipv4", "ipv6"))
    tcp = {o.detail.family: o.failure for o in measured.observations if o.step == "tcp"}
    assert tcp == {dead: "connection_refused", ({"ipv4", "ipv6"} - {dead}).pop(): None}
    assert only(measured, "http").failure is None


@pytest.mark.skipif(not can_bind(OTHER), reason="the loopback has one address")
async def test_every_address_is_connected_to_but_one_is_fetched_from(net: LabNetwork) -> None:
    site = net.add_site("site.x.test", at=(OTHER, THIRD, "127.77.8.3", "127.77.8.4"))
    measured = await seen(net, site)
    connects = [o.address for o in measured.observations if o.step == "tcp"]
    assert len(set(connects)) == len(connects) == 3
    assert only(measured, "tls").address == only(measured, "http").address == connects[0]


@pytest.mark.skipif(not can_bind(OTHER), reason="the loopback has one address")
async def test_where_the_first_address_is_dead_the_others_are_measured_in_full(net: LabNetwork) -> None:
    site = net.add_site("site.x.test", at=(THIRD,))
    net.honest_zone[site.name] = resolver.addresses(OTHER, THIRD)
    measured = await seen(net, site)
    tcp = {o.address: o.failure for o in measured.observations if o.step == "tcp"}
    assert tcp == {OTHER: "connection_refused", THIRD: None}
    assert only(measured, "http").failure is None


# Follow-ups.


async def test_follow_ups_are_executed_with_their_roles(net: LabNetwork) -> None:
    site = net.add_site("site.x.test", censored=censor.resets)

    def wanted(so_far: Measurement) -> Sequence[Lookup | Attempt]:
        if any(o.role == "trusted" for o in so_far.observations):
            return ()
        how: dict[str, Any] = {"hop": 0, "host": site.name, "address": site.address, "port": site.port}
        return [
            Lookup(role="trusted", hop=0, host=site.name),
            Lookup(role="system", hop=0, host="localhost"),
            Attempt(role="innocent", scheme="tls", server_name="innocent.x.test", **how),
            Attempt(role="again", scheme="https", server_name=site.name, request_path="/", **how),
        ]

    measured = await seen(net, site, follow_up=wanted)
    assert course(measured, "trusted") == [("dns", None), ("dns", None)]
    assert {o.detail.resolver.split(":")[0] for o in measured.observations if o.role == "trusted"} == {"https", "tls"}
    assert course(measured, "innocent") == [("tcp", None), ("tls", None)]
    assert course(measured, "again") == [("tcp", None), ("tls", "connection_reset")]
    assert course(measured, "system") == [("dns", None)]


async def test_follow_ups_that_never_have_enough_are_bounded(net: LabNetwork) -> None:
    site = net.add_site("site.x.test", dead=True)
    asked: list[int] = []

    def insatiable(so_far: Measurement) -> Sequence[Lookup | Attempt]:
        asked.append(len(so_far.observations))
        return [Lookup(role="again", hop=0, host=site.name)]

    measured = await seen(net, site, follow_up=insatiable)
    assert len(asked) == MAX_PASSES
    assert asked == sorted(set(asked)), "each pass sees what the last one found"
    assert len(course(measured, "again")) == MAX_PASSES


async def test_a_name_without_a_dot_is_not_asked_of_those_abroad(net: LabNetwork) -> None:
    def wanted(so_far: Measurement) -> Sequence[Lookup | Attempt]:
        first = all(o.role == "main" for o in so_far.observations)
        return (
            [Lookup(role="trusted", hop=0, host="localhost"), Lookup(role="again", hop=0, host="localhost")]
            if first
            else ()
        )

    with socket.socket() as closed:
        closed.bind((LOOPBACK, 0))
        measured = await seen(net, f"tcp://localhost:{closed.getsockname()[1]}", follow_up=wanted)
    assert course(measured, "trusted") == []
    assert course(measured, "again")


async def test_own_addresses_are_scrubbed_from_what_a_page_echoes(
    net: LabNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = net.add_site("site.x.test", sites.page("Your address is 192.0.2.77"), tls=False)
    wanted = session_in(net)
    monkeypatch.setattr(wanted.network, "own_addresses", lambda: frozenset({"192.0.2.77"}))
    measured = await measure(parse(site.url), wanted)
    assert only(measured, "http").detail.title == "Your address is [scrubbed]"


async def test_a_path_bound_to_one_family_cannot_reach_the_other() -> None:
    wanted = session(path=Path("wg0", bind="127.0.0.1"), families=("ipv4", "ipv6"))
    measured = await measure(parse("tcp://[::1]:9", allow_private=True), wanted)
    assert course(measured) == [("tcp", "network_unreachable")]


async def test_a_path_bound_to_an_interface_that_is_not_there_is_no_anomaly() -> None:

    wanted = session(path=Path("vpn", bind="wg-gone0"))
    measured = await measure(parse("tcp://127.0.0.1:9", allow_private=True), wanted)
    assert is_unknown(only(measured, "tcp").failure)
