"""The HTTPS record: asked only where that is wanted, read as far as it tells, and no part of the course."""

from __future__ import annotations

import base64
import socket
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.measure import measure
from probe.model import Measurement, Observation
from probe.steps.svcb import public_name
from probe.target import parse
from results.judge.follow_up import FollowUpSettings, follow_up
from schedules.demo import resolver, sites
from schedules.demo.network import Site
from tests.lab import dns_behaviours
from tests.lab.network import LabNetwork
from tests.probe.loopback import LOOPBACK, QUICK_S, course, session_in


def ech(name: str, version: int = 0xFE0D) -> bytes:
    """One configuration, as a service publishes it."""
    key, suites = bytes(32), bytes.fromhex("00010001")
    contents = b"\x07" + b"\x00\x20" + len(key).to_bytes(2, "big") + key + len(suites).to_bytes(2, "big") + suites
    contents += b"\x40" + bytes([len(name)]) + name.encode() + b"\0\0"
    return version.to_bytes(2, "big") + len(contents).to_bytes(2, "big") + contents


def listed(*configurations: bytes) -> bytes:
    return sum(map(len, configurations)).to_bytes(2, "big") + b"".join(configurations)


async def seen(net: LabNetwork, site: Site, **changed: Any) -> Measurement:
    return await measure(parse(site.url, allow_private=True), session_in(net, **changed))


def record_of(measured: Measurement) -> Observation:
    (found,) = [o for o in measured.observations if o.step == "svcb"]
    return found


def publish(net: LabNetwork, site: Site, behaviour: resolver.Behaviour) -> None:
    """At the name that a port of its own has."""
    net.honest_zone[f"_{site.port}._https.{site.name}"] = behaviour


async def test_what_the_record_offers_is_kept_and_the_course_is_as_without_it(net: LabNetwork) -> None:
    site = net.add_site("site.x.test")
    record = f'1 . alpn="h3,h2" ech={base64.b64encode(listed(ech("Cover.example"))).decode()}'
    publish(net, site, dns_behaviours.with_https_record(record, dns_behaviours.empty))
    measured = await seen(net, site, https_records=True)
    found = record_of(measured)
    assert (found.failure, found.detail.alpn, found.detail.ech_public_name) == (None, ("h3", "h2"), "Cover.example")
    assert found.detail.ttl == resolver.TTL
    assert [step for step in course(measured) if step[0] != "svcb"] == course(await seen(net, site))


async def test_nobody_is_asked_unless_that_is_wanted(net: LabNetwork) -> None:
    site = net.add_site("site.x.test")
    assert "svcb" not in {o.step for o in (await seen(net, site)).observations}
    plain = net.add_site("plain.x.test", tls=False)
    assert "svcb" not in {o.step for o in (await seen(net, plain, https_records=True)).observations}


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (dns_behaviours.empty, None),
        (dns_behaviours.servfail, "dns_servfail_error"),
        (resolver.nxdomain, "dns_nxdomain_error"),
        (dns_behaviours.silence, "generic_timeout_error"),
        (dns_behaviours.with_https_record("0 other.x.test.", dns_behaviours.empty), None),
    ],
)
async def test_a_resolver_without_the_record_is_no_failure_of_the_target(
    net: LabNetwork, behaviour: resolver.Behaviour, failure: str | None
) -> None:
    site = net.add_site("site.x.test")
    publish(net, site, behaviour)
    measured = await seen(net, site, https_records=True, timeout_s=QUICK_S)
    found = record_of(measured)
    assert (found.failure, found.detail.alpn, found.detail.ech_public_name) == (failure, (), None)
    assert course(measured)[-1] == ("http", None)


async def test_quic_is_tried_where_the_answer_or_the_record_offers_it(net: LabNetwork) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind((LOOPBACK, 0))
        port = held.getsockname()[1]
    offers = sites.answers(sites.response(200, b"page", Alt_Svc=f'h3=":{port}"; ma=60'))
    answer, record = net.add_site("answer.x.test", offers), net.add_site("record.x.test")
    publish(net, record, dns_behaviours.with_https_record('1 . alpn="h3"', dns_behaviours.empty))
    how = session_in(net, https_records=True, timeout_s=QUICK_S)
    for site, where in ((answer, port), (record, record.port)):
        for wanted in (True, False):
            asking = msgspec.structs.replace(how, follow_up=follow_up(FollowUpSettings(quic=wanted)))
            measured = await measure(parse(site.url, allow_private=True), asking)
            tried = [(o.step, o.host, o.port) for o in measured.observations if o.role == "offered"]
            assert tried == ([("quic", site.name, where)] if wanted else []), site.name


def test_the_public_name_is_that_of_the_first_configuration_that_is_understood() -> None:
    assert public_name(listed(ech("old.example", 0xFE09), ech("cover.example"), ech("next.example"))) == "cover.example"
    assert public_name(listed(ech("old.example", 0xFE09))) is None
    assert public_name(b"") is None


@given(st.binary(max_size=80) | st.integers(0, 60).map(lambda cut: listed(ech("cover.example"))[:cut]))
def test_a_configuration_that_is_cut_or_damaged_has_no_name_or_a_short_one(damaged: bytes) -> None:
    found = public_name(damaged)
    assert found is None or len(found) <= 255
