"""Resolvers as targets: honest, silent, refusing, injected into, over UDP, TCP, TLS and HTTPS."""

from __future__ import annotations

from pathlib import Path

import dns.message
import pytest

from probe import target as targets
from probe.dns import identity
from probe.dns.identity import PublicResolver
from probe.measure import measure
from probe.model import Measurement, Observation
from probe.steps.resolver import DEFAULT_NAME
from results.judge.follow_up import FollowUpSettings, follow_up
from schedules.demo.authority import Authority
from schedules.demo.listener import Listeners, tcp_socket, udp_socket
from schedules.demo.resolver import Behaviour, DemoResolver, Packets, addresses, nxdomain
from tests.lab.dns_behaviours import refused, silence, with_error
from tests.probe.loopback import LOOPBACK, QUICK_S, course, only, session


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


SITE, FORGED, INNOCENT = "23.10.1.1", "23.66.6.6", "innocent.example"


async def measured(text: str, with_follow_up: bool = False, **changed: object) -> Measurement:
    asked = follow_up(FollowUpSettings(innocent_name=INNOCENT, trusted=False)) if with_follow_up else None
    return await measure(targets.parse(text, allow_private=True), session(asked, **changed))


def listening(here: Listeners, behaviour: Behaviour) -> str:
    zone = {DEFAULT_NAME: behaviour, INNOCENT: addresses(SITE)}
    host, port = DemoResolver(zone).listen(here, LOOPBACK)
    return f"{host}:{port}"


async def test_a_resolver_answers_over_udp_with_the_default_name(here: Listeners) -> None:
    observation = only(await measured(f"udp://{listening(here, addresses(SITE))}"), "udp")
    assert observation.failure is None
    assert (observation.detail.name, observation.detail.addresses) == (DEFAULT_NAME, (SITE,))
    assert (observation.detail.sendings, observation.detail.second_rcode) == (1, None)


async def test_a_resolver_answers_over_tcp(here: Listeners) -> None:
    where = listening(here, nxdomain)
    found = await measured(f"tcp://{where}/{INNOCENT}")
    assert course(found) == [("tcp", None), ("resolver", None)]
    assert only(found, "resolver").detail.addresses == (SITE,)


@pytest.mark.parametrize("scheme", ["dot", "doh"])
async def test_a_resolver_answers_over_tls_and_https(here: Listeners, authority: Authority, scheme: str) -> None:
    resolver = DemoResolver({DEFAULT_NAME: addresses(SITE)})
    listen = resolver.listen_dot if scheme == "dot" else resolver.listen_doh
    host, port = listen(here, LOOPBACK, authority.context(LOOPBACK))
    found = await measured(f"{scheme}://{host}:{port}", ca_file=str(authority.ca_file))
    assert course(found) == [("tcp", None), ("tls", None), ("resolver", None)]
    assert only(found, "resolver").detail.addresses == (SITE,)


async def test_a_certificate_for_another_name_ends_it_before_the_query(here: Listeners, authority: Authority) -> None:
    resolver = DemoResolver({DEFAULT_NAME: addresses(SITE)})
    host, port = resolver.listen_dot(here, LOOPBACK, authority.context("other.example"))
    found = await measured(f"dot://{host}:{port}", ca_file=str(authority.ca_file))
    assert course(found) == [("tcp", None), ("tls", "ssl_invalid_hostname")]
    assert resolver.seen == []


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [(refused, "dns_refused_error"), (nxdomain, "dns_nxdomain_error"), (silence, "generic_timeout_error")],
)
async def test_a_query_that_fails_is_repeated_and_the_innocuous_name_asked(
    here: Listeners, behaviour: Behaviour, failure: str
) -> None:
    found = await measured(f"udp://{listening(here, behaviour)}", True, timeout_s=QUICK_S)
    assert course(found, "main", "again") == [("udp", failure)] * 2
    innocent = [o for o in found.observations if o.role == "innocent"]
    assert [(o.failure, o.detail.name) for o in innocent] == [(None, INNOCENT)]


async def test_a_second_answer_that_differs_is_recorded_and_looked_at_again(here: Listeners) -> None:
    def injected(query: dns.message.Message, transport: str) -> Packets:
        return [*addresses(FORGED)(query, transport), *addresses(SITE)(query, transport)]

    found = await measured(f"udp://{listening(here, injected)}", True)
    twice: list[Observation] = [o for o in found.observations if o.role in ("main", "again")]
    assert [(o.detail.addresses, o.detail.second_answers[0].value) for o in twice] == [((FORGED,), SITE)] * 2


async def test_the_same_answer_twice_is_one(here: Listeners) -> None:
    def duplicated(query: dns.message.Message, transport: str) -> Packets:
        return 2 * addresses(SITE)(query, transport)

    observation = only(await measured(f"udp://{listening(here, duplicated)}"), "udp")
    assert (observation.detail.second_rcode, observation.detail.second_answers) == (None, ())


@pytest.mark.parametrize(("scheme", "path"), [("udp", ""), ("tcp", f"/{DEFAULT_NAME}")])
async def test_an_extended_error_is_recorded(here: Listeners, scheme: str, path: str) -> None:
    found = await measured(f"{scheme}://{listening(here, with_error(16, nxdomain))}{path}")
    observation = found.observations[-1]
    assert (observation.failure, observation.detail.extended_errors[0].code) == ("dns_nxdomain_error", 16)


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
async def test_a_known_public_resolver_is_asked_who_it_is(
    here: Listeners, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    known = PublicResolver(addresses=(LOOPBACK,), question="id.server", pattern="res[0-9]+", source="", chaos=True)
    monkeypatch.setattr(identity, "public_resolvers", lambda: {"Lab": known})
    found = await measured(f"{scheme}://{listening(here, addresses(SITE))}/{INNOCENT}", True)
    assert [o.detail.identity for o in found.observations if o.step in ("udp", "resolver")] == ["none", "none"]


async def test_a_closed_port_refuses() -> None:
    with udp_socket(LOOPBACK) as sock, tcp_socket(LOOPBACK) as stream:
        udp, tcp = (f"{LOOPBACK}:{one.getsockname()[1]}" for one in (sock, stream))
    assert only(await measured(f"udp://{udp}"), "udp").failure == "connection_refused"
    assert course(await measured(f"tcp://{tcp}/example.com")) == [("tcp", "connection_refused")]


async def test_a_private_resolver_is_not_asked_where_these_are_not_allowed(here: Listeners) -> None:
    found = await measured(f"udp://{listening(here, addresses(SITE))}", allow_private=False)
    assert only(found, "udp").failure == "dns_bogon_error"
    assert only(found, "udp").detail.rcode is None


def test_a_path_makes_a_tcp_target_a_resolver() -> None:
    asked, connected = (
        targets.parse("tcp://192.0.2.1/x.example", allow_private=True),
        targets.parse("tcp://a.example:53"),
    )
    assert (asked.scheme, asked.port, asked.request_path) == ("dns-tcp", 53, "/x.example")
    assert (connected.scheme, connected.request_path) == ("tcp", None)


@pytest.mark.parametrize("text", ["udp://a.example/1.2.3.4", "dot://a.example/x/y", "doh://a.example/dns-query?name=x"])
def test_what_is_no_name_to_ask_for_is_refused(text: str) -> None:
    with pytest.raises(targets.BadTarget):
        targets.parse(text)
