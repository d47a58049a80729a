"""One question to one resolver, honest, lying, hostile or silent, over each transport."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.dns.client import _parse, query_for
from probe.dns.message import MAX_ANSWERS
from probe.measure import measure
from probe.model import Observation
from probe.net import resolver as resolvers
from probe.recorder import StepContext
from probe.session import Session
from probe.steps import dns as step
from probe.target import parse
from schedules.demo import resolver as zone
from schedules.demo.listener import Address, Listeners, ServerStream, udp_socket
from tests.lab import dns_behaviours
from tests.lab.network import LabNetwork
from tests.probe.loopback import (
    LOOPBACK,
    NAME,
    QUICK_S,
    at_most,
    forever,
    new_log,
    server,
    session_in,
    settings,
)

ONE = zone.addresses("192.0.2.1", "2001:db8::1")
TRANSPORTS = ["udp", "tcp", "tls", "https"]


async def ask(net: LabNetwork, transport: str, behaviour: zone.Behaviour, **changed: object) -> Observation:
    """One A question for NAME to the resolver of that transport, which behaves so."""
    net.honest_zone[NAME] = behaviour
    host, port = {"tls": net.dot, "https": net.doh}.get(transport, net.trusted_plain)
    wanted: dict[str, Any] = {"ca_file": str(net.authority.ca_file)} | changed
    return await ask_at(f"{transport}://{host}:{port}", **wanted)


async def ask_at(text: str, query_type: str = "A", **changed: object) -> Observation:
    (resolver,) = resolvers.parse(text)
    log = new_log()
    try:
        seen = await step.ask(
            log, StepContext(role="main", hop=0, host=NAME), resolver, query_type, settings(**changed)
        )
    finally:
        log.close()
    assert log.observations == [seen]
    return seen


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_honest_answer(net: LabNetwork, transport: str) -> None:
    seen = await ask(net, transport, ONE)
    assert seen.failure is None
    assert (seen.detail.addresses, seen.detail.rcode, seen.detail.truncated) == (("192.0.2.1",), 0, False)
    assert seen.detail.query_type == "A"


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("behaviour", "failure", "rcode"),
    [
        (zone.nxdomain, "dns_nxdomain_error", 3), (dns_behaviours.servfail, "dns_servfail_error", 2),
        (dns_behaviours.refused, "dns_refused_error", 5), (dns_behaviours.empty, "dns_no_answer", 0),
        (zone.code(dns.rcode.NOTIMP), "dns_server_misbehaving", 4),
        (zone.code(dns.rcode.FORMERR), "dns_server_misbehaving", 1),
    ],
)  # fmt: skip
async def test_a_reply_that_gives_no_address_has_a_name(
    net: LabNetwork, transport: str, behaviour: zone.Behaviour, failure: str, rcode: int
) -> None:
    seen = await ask(net, transport, behaviour)
    assert (seen.failure, seen.detail.rcode) == (failure, rcode)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_silence_is_a_timeout(net: LabNetwork, transport: str) -> None:
    seen = await ask(net, transport, dns_behaviours.silence, timeout_s=QUICK_S)
    assert (seen.failure, seen.detail.rcode, seen.detail.answers) == ("generic_timeout_error", None, ())


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_closed_port_is_a_refusal_of_the_connection(net: LabNetwork, transport: str) -> None:
    with socket.socket() as closed:
        closed.bind((LOOPBACK, 0))
        port = closed.getsockname()[1]
        seen = await ask_at(f"{transport}://{LOOPBACK}:{port}", timeout_s=QUICK_S)
    assert (seen.failure, seen.detail.rcode) == ("connection_refused", None)


async def test_the_whole_chain_of_aliases_is_kept(net: LabNetwork) -> None:
    seen = await ask(net, "udp", dns_behaviours.cname("edge.x.test", "Far.X.test", to=["192.0.2.1", "192.0.2.2"]))
    aliases, literals = seen.detail.answers[:2], seen.detail.answers[2:]
    assert [(a.type, a.value) for a in aliases] == [("CNAME", "edge.x.test"), ("CNAME", "far.x.test")]
    assert {(a.type, a.value) for a in literals} == {("A", "192.0.2.1"), ("A", "192.0.2.2")}
    assert all(a.ttl == zone.TTL for a in seen.detail.answers)


async def test_an_alias_that_leads_nowhere_is_no_answer(net: LabNetwork) -> None:
    seen = await ask(net, "udp", dns_behaviours.cname("edge.x.test"))
    assert (seen.failure, len(seen.detail.answers)) == ("dns_no_answer", 1)


async def test_a_private_answer_is_a_bogon_unless_it_is_allowed(net: LabNetwork) -> None:
    behaviour = zone.addresses("10.0.0.1")
    seen = await ask(net, "udp", behaviour, allow_private=False)
    assert (seen.failure, seen.detail.addresses, seen.error_code) == ("dns_bogon_error", ("10.0.0.1",), 0)
    assert (await ask(net, "udp", behaviour)).failure is None


async def test_one_public_address_among_private_ones_is_enough(net: LabNetwork) -> None:
    seen = await ask(net, "udp", zone.addresses("10.0.0.1", "9.9.9.9"), allow_private=False)
    assert seen.failure is None


async def test_an_answer_cut_short_over_udp_is_asked_for_again_over_tcp(net: LabNetwork) -> None:
    seen = await ask(net, "udp", dns_behaviours.truncated(ONE))
    assert (seen.failure, seen.detail.addresses, seen.detail.truncated) == (None, ("192.0.2.1",), False)


async def test_an_answer_with_another_id_is_not_believed(net: LabNetwork) -> None:
    seen = await ask(net, "udp", dns_behaviours.wrong_id_first(zone.addresses("198.51.100.1"), ONE))
    assert seen.detail.addresses == ("192.0.2.1",)


def for_another_name(query: dns.message.Message, transport: str) -> zone.Packets:
    other = dns.message.make_query("other.x.test", "A")
    other.id = query.id
    return zone.addresses("198.51.100.1")(other, transport)


async def test_an_answer_to_another_question_is_not_believed(net: LabNetwork) -> None:
    seen = await ask(net, "udp", dns_behaviours.injected(for_another_name, ONE))
    assert seen.detail.addresses == ("192.0.2.1",)
    seen = await ask(net, "udp", for_another_name, timeout_s=QUICK_S)
    assert (seen.failure, seen.detail.answers) == ("dns_server_misbehaving", ())


@pytest.mark.parametrize("transport", ["tcp", "tls", "https"])
async def test_an_answer_to_another_question_in_a_stream_has_a_name(net: LabNetwork, transport: str) -> None:
    seen = await ask(net, transport, for_another_name)
    assert (seen.failure, seen.detail.answers) == ("dns_reply_with_wrong_query_id", ())


def many(count: int) -> zone.Behaviour:
    def answer(query: dns.message.Message, _: str) -> zone.Packets:
        response = dns.message.make_response(query)
        texts = [f"192.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(count)]
        response.answer.append(dns.rrset.from_text(query.question[0].name, 1, "IN", "A", *texts))
        return [response]

    return answer


async def test_of_four_thousand_records_a_bounded_number_is_kept(net: LabNetwork) -> None:
    seen = await ask(net, "tcp", many(4000))
    assert seen.failure is None
    assert len(seen.detail.answers) == MAX_ANSWERS


async def test_of_five_thousand_records_the_addresses_among_them_are_kept_bounded(net: LabNetwork) -> None:
    """As many as a message of 65,535 bytes can hold: 2,000 addresses, and 3,000 empty records of types unknown."""
    addresses = many(2000)

    def answer(query: dns.message.Message, name: str) -> zone.Packets:
        (response,) = addresses(query, name)
        assert isinstance(response, dns.message.Message)
        response.answer += [dns.rrset.from_text(".", 1, "IN", f"TYPE{20_000 + n}", r"\# 0") for n in range(3000)]
        return [response]

    seen = await at_most(20, ask(net, "tcp", answer))
    assert seen.failure is None
    assert len(seen.detail.answers) == MAX_ANSWERS


Answering = Callable[[bytes], list[bytes]]


def datagram_server(here: Listeners, answering: Answering) -> Address:
    sock = here.hold(udp_socket(LOOPBACK))

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        while True:
            data, client = await loop.sock_recvfrom(sock, 4096)
            for answer in answering(data):
                await loop.sock_sendto(sock, answer, client)

    here.run(serve())
    host, port = sock.getsockname()
    return host, port


LOOP = b"\xc0\x0c"  # a name that points at itself
HEAD = b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
HOSTILE = {
    "a name that points at itself": lambda q: q[:2] + HEAD + LOOP + b"\x00\x01\x00\x01",
    "a pointer forward": lambda q: q[:2] + HEAD + b"\xc0\xff\x00\x01\x00\x01",
    "an answer cut in the middle": lambda q: q[:2] + HEAD + q[12:20],
    "5,000 records promised, none sent": lambda q: q[:2] + b"\x81\x80\x00\x01\x13\x88\x00\x00\x00\x00" + q[12:],
    "only an id": lambda q: q[:2],
    "an address of three octets": lambda q: (
        q[:2] + HEAD + q[12:29] + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x03abc"
    ),
    "our own question": lambda q: q,
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_garbled_answer_has_a_name_over_udp_and_tcp(here: Listeners, hostile: Callable[[bytes], bytes]) -> None:
    host, port = datagram_server(here, lambda query: [hostile(query)])
    seen = await ask_at(f"udp://{host}:{port}", timeout_s=QUICK_S)
    assert (seen.failure, seen.detail.rcode) == ("dns_server_misbehaving", None)

    async def framed(stream: ServerStream) -> None:
        answer = hostile(await stream.reader.readexactly(int.from_bytes(await stream.reader.readexactly(2), "big")))
        await stream.send(len(answer).to_bytes(2, "big") + answer)

    host, port = server(here, framed)
    seen = await ask_at(f"tcp://{host}:{port}")
    assert seen.failure in ("dns_server_misbehaving", "dns_reply_with_wrong_query_id")
    assert seen.detail.rcode is None


async def test_a_flood_of_strays_holds_up_nobody(here: Listeners) -> None:
    loud = True

    def flood(query: bytes) -> list[bytes]:
        return [bytes(2) + query[2:]] * 2000 if loud else []

    host, port = datagram_server(here, flood)
    seen = await at_most(30, ask_at(f"udp://{host}:{port}", timeout_s=QUICK_S))
    assert seen.failure in ("generic_timeout_error", "dns_server_misbehaving")


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"", "eof_error"), (b"\x00", "eof_error"), (b"\x00\x00", "dns_server_misbehaving"),
        (b"\xff\xff" + bytes(100), "eof_error"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "eof_error"),
    ],
)  # fmt: skip
async def test_a_stream_that_is_no_dns_has_a_name(here: Listeners, answer: bytes, failure: str) -> None:
    async def send(stream: ServerStream) -> None:
        await stream.reader.read(100)
        await stream.send(answer)

    host, port = server(here, send)
    assert (await ask_at(f"tcp://{host}:{port}")).failure == failure


@pytest.mark.parametrize("code", [15, 16, 17, 18])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_extended_error_is_recorded_over_every_transport(net: LabNetwork, transport: str, code: int) -> None:
    seen = await ask(net, transport, dns_behaviours.with_error(code, zone.nxdomain))
    assert [error.code for error in seen.detail.extended_errors] == [code]


@pytest.mark.parametrize("transport", ["tls", "https"])
async def test_a_trusted_resolver_without_a_valid_certificate_is_none(net: LabNetwork, transport: str) -> None:
    seen = await ask(net, transport, ONE, ca_file=None)
    assert (seen.failure, seen.error_code, seen.detail.answers) == ("ssl_unknown_authority", 20, ())


@pytest.mark.parametrize("transport", ["tls", "https"])
async def test_a_resolver_that_is_silent_before_tls_is_a_timeout(here: Listeners, transport: str) -> None:
    host, port = server(here, forever)
    assert (await ask_at(f"{transport}://{host}:{port}", timeout_s=QUICK_S)).failure == "generic_timeout_error"


async def test_doh_that_answers_with_a_page_is_misbehaving(net: LabNetwork) -> None:
    page = net.add_site("doh.x.test", at=(net.host("127.77.0.60"),))
    text = f"https://doh.x.test:{page.port}/dns-query#{page.address}"
    seen = await ask_at(text, ca_file=str(net.authority.ca_file))
    assert seen.failure == "dns_server_misbehaving"


@given(st.binary(max_size=200))
def test_no_datagram_at_all_is_more_than_an_answer_or_none(data: bytes) -> None:
    query = query_for(NAME, "A", 4711)
    answer = _parse(query.wire[:2] + data, query)
    sent = dns.message.from_wire(query.wire)
    assert answer is None or sent.is_response(dns.message.from_wire(query.wire[:2] + data, ignore_trailing=True))


@given(
    st.sampled_from(["A", "AAAA"]),
    st.integers(0, 65535),
    st.lists(st.from_regex(r"[a-z0-9_-]{1,63}", fullmatch=True), min_size=1, max_size=3),
)
def test_a_query_is_what_dnspython_would_write(query_type: str, identifier: int, labels: list[str]) -> None:
    host = ".".join(labels)
    query = query_for(host, query_type, identifier)
    same = dns.message.make_query(host, query_type, use_edns=0, payload=1232, id=identifier)
    assert query.wire == same.to_wire()
    response = dns.message.make_response(same)
    assert query.is_answered_by(response.to_wire())
    assert not query.is_answered_by(query.wire)
    assert not query_for(host, query_type, identifier ^ 1).is_answered_by(response.to_wire())
    assert not query_for("x" + host[1:] + "y", query_type, identifier).is_answered_by(response.to_wire())


async def test_getaddrinfo_is_asked_for_a_name_without_a_dot(net: LabNetwork) -> None:
    measured = await measure(parse("tcp://localhost:9"), session_in(net))
    first = measured.observations[0]
    assert (first.detail.resolver, first.detail.query_type, first.failure) == ("getaddrinfo", "ANY", None)
    assert "127.0.0.1" in first.detail.addresses


@pytest.fixture
def two_nameservers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, int], Awaitable[None]]:
    """Makes `system` two nameservers on one port."""

    async def use(first: str, second: str, port: int) -> None:
        def both(text: str) -> tuple[resolvers.DnsResolver, ...]:
            return tuple(
                resolvers.DnsResolver(text="system", transport="udp", address=a, port=port) for a in (first, second)
            )

        monkeypatch.setattr(resolvers, "parse", both)

    return use


def silent_or_dead(net: LabNetwork, kind: str) -> str:
    port = net.trusted_plain[1]
    address = net.host("127.77.0.61")
    if kind == "silent":
        net.listeners.hold(udp_socket(address, port))
    return address


@pytest.mark.parametrize("kind", ["silent", "dead"])
async def test_the_next_nameserver_is_asked_where_one_gives_no_answer(
    net: LabNetwork, kind: str, two_nameservers: Callable[[str, str, int], Awaitable[None]]
) -> None:
    net.honest_zone[NAME] = zone.addresses(LOOPBACK)
    host, port = net.trusted_plain
    await two_nameservers(silent_or_dead(net, kind), host, port)
    session: Session = session_in(net, resolvers=("system",), timeout_s=QUICK_S)
    measured = await measure(parse(f"tcp://{NAME}:9"), session)
    first, second = [o for o in measured.observations if o.step == "dns"]
    assert first.failure == {"silent": "generic_timeout_error", "dead": "connection_refused"}[kind]
    assert second.failure is None
    assert {o.address for o in (first, second)} == {None}, "the volunteer's own resolver is not in the record"


async def test_the_next_nameserver_is_not_asked_where_one_says_no(
    net: LabNetwork, two_nameservers: Callable[[str, str, int], Awaitable[None]]
) -> None:
    host, port = net.trusted_plain
    await two_nameservers(host, host, port)
    measured = await measure(parse(f"tcp://{NAME}:9"), session_in(net, resolvers=("system",)))
    assert [o.failure for o in measured.observations] == ["dns_nxdomain_error"]
