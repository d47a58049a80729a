"""STUN binding requests against an honest server, and against every answer that is none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from aioice.stun import Class, Message
from hypothesis import given
from hypothesis import strategies as st

from probe import target as targets
from probe.measure import MAX_LEARNED_ADDRESSES, measure
from probe.model import Attempt, Measurement, Observation
from probe.net.network import RealNetwork
from probe.net.path import Path
from probe.recorder import Log
from probe.steps import stun
from schedules.demo.listener import Address, Listeners, address_of, udp_socket
from tests.lab.stun_server import Respond, mapped, serve_stun, signed, silent
from tests.probe.loopback import LOOPBACK, NAME, about, at_most, only, session, settings

VISITOR = "203.0.113.77"
"""The address that the server says the request came from."""


async def ask(where: Address, timeout_s: float = 5.0, address: str | None = LOOPBACK) -> tuple[Observation, Log]:
    log = Log("m", RealNetwork(Path()))
    wanted = Attempt(role="main", hop=0, scheme="stun", host=NAME, server_name=NAME, address=address, port=where[1])
    return await stun.attempt(log, about((address, where[1])), wanted, settings(timeout_s=timeout_s)), log  # type: ignore[arg-type]


async def answered(here: Listeners, respond: Respond, timeout_s: float = 5.0) -> Observation:
    observation, _ = await ask(serve_stun(here, LOOPBACK, respond), timeout_s)
    return observation


async def test_an_answer_is_recorded_without_the_mapped_address(here: Listeners) -> None:
    observation, log = await ask(serve_stun(here, LOOPBACK, mapped(VISITOR)))
    assert observation.failure is None
    assert observation.detail == stun.Stun(family="ipv4", mapped_family="ipv4", software="lab", sendings=1, ignored=0)
    assert VISITOR not in str(observation)
    assert log.own_addresses == {VISITOR}


async def measured(here: Listeners, respond: Respond) -> Measurement:
    host, port = serve_stun(here, LOOPBACK, respond)
    return await measure(targets.parse(f"stun://{host}:{port}", allow_private=True), session())


async def test_the_mapped_address_is_removed_from_the_whole_measurement(here: Listeners) -> None:
    measurement = await measured(here, mapped(VISITOR, software=f"hello {VISITOR} and 203-0-113-77"))
    assert only(measurement, "stun").failure is None
    assert only(measurement, "stun").detail.software == "hello [scrubbed] and [scrubbed]"
    assert VISITOR not in str(measurement)


async def test_a_server_cannot_remove_the_address_that_was_asked(here: Listeners) -> None:
    measurement = await measured(here, mapped(LOOPBACK))
    assert only(measurement, "stun").address == LOOPBACK


async def test_an_ipv6_mapped_address_is_removed_too(here: Listeners) -> None:
    measurement = await measured(here, mapped("2001:db8::77", software="you are 2001:DB8:0:0:0:0:0:77"))
    assert only(measurement, "stun").detail.mapped_family == "ipv6"
    assert "77" not in only(measurement, "stun").detail.software


async def test_a_mapped_address_is_removed_from_what_is_measured_later_in_the_round(here: Listeners) -> None:
    shared = session()
    host, port = serve_stun(here, LOOPBACK, mapped(VISITOR))
    await measure(targets.parse(f"stun://{host}:{port}", allow_private=True), shared)
    host, port = serve_stun(here, LOOPBACK, mapped("203.0.113.78", software=f"we saw 77-113-0-203, {VISITOR}"))
    later = await measure(targets.parse(f"stun://{host}:{port}", allow_private=True), shared)
    assert only(later, "stun").detail.software == "we saw [scrubbed], [scrubbed]"


async def test_addresses_without_end_are_not_remembered(here: Listeners) -> None:
    shared = session()
    for number in range(2 * MAX_LEARNED_ADDRESSES):
        host, port = serve_stun(here, LOOPBACK, mapped(f"203.0.113.{number}"))
        await measure(targets.parse(f"stun://{host}:{port}", allow_private=True), shared)
    assert len(shared.learned_addresses) == MAX_LEARNED_ADDRESSES


async def test_an_error_response_is_an_answer(here: Listeners) -> None:
    def refuses(request: Message) -> Iterable[bytes]:
        yield signed(request, Class.ERROR, {"ERROR-CODE": (420, "Unknown Attribute")})

    observation = await answered(here, refuses)
    assert (observation.failure, observation.detail.error_response) == (None, 420)
    assert observation.detail.mapped_family is None


def wrong(request: Message, kind: str) -> bytes:
    good = {"XOR-MAPPED-ADDRESS": (VISITOR, 40000)}
    answer = signed(request, Class.RESPONSE, dict(good))
    return {
        "transaction": signed(request, Class.RESPONSE, dict(good), bytes(12)),
        "fingerprint": answer[:-1] + bytes([answer[-1] ^ 1]),
        "length": answer + bytes(4),
        "cut": answer[:30],
        "class": signed(request, Class.INDICATION, dict(good)),
        "unmapped": signed(request, Class.RESPONSE, {"SOFTWARE": "nothing else"}),
        "address": bytes(answer).replace(b"\x00\x20\x00\x08\x00\x01", b"\x00\x20\x00\x08\x00\x09"),
        "empty": b"",
        "long": bytes(60_000),
        "foreign": b"HTTP/1.1 200 OK\r\n\r\n",
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["transaction", "fingerprint", "length", "cut", "class", "unmapped", "address", "empty", "long", "foreign"],
)
async def test_a_datagram_that_is_no_valid_answer_is_ignored(here: Listeners, kind: str) -> None:
    def respond(request: Message) -> Iterable[bytes]:
        yield wrong(request, kind)
        yield from mapped(VISITOR)(request)

    observation = await answered(here, respond)
    assert (observation.failure, observation.detail.ignored) == (None, 1)
    invalid_alone = await answered(here, lambda request: [wrong(request, kind)], timeout_s=0.3)
    assert invalid_alone.failure == "generic_timeout_error"
    assert invalid_alone.detail.mapped_family is None


async def test_silence_is_a_timeout_after_several_requests(here: Listeners) -> None:
    observation = await answered(here, silent, timeout_s=0.8)
    assert (observation.failure, observation.detail.sendings) == ("generic_timeout_error", 2)


async def test_a_lost_request_is_sent_again_with_the_same_transaction(here: Listeners) -> None:
    seen: list[bytes] = []

    def respond(request: Message) -> Iterable[bytes]:
        seen.append(request.transaction_id)
        return mapped(VISITOR)(request) if len(seen) == 2 else ()

    observation = await answered(here, respond)
    assert (observation.failure, observation.detail.sendings) == (None, 2)
    assert seen[0] == seen[1]


async def test_a_flood_of_invalid_datagrams_ends_with_the_timeout(here: Listeners) -> None:
    sock = udp_socket(LOOPBACK)

    async def flood() -> None:
        loop = asyncio.get_running_loop()
        with sock:
            _, peer = await loop.sock_recvfrom(sock, 2048)
            while True:
                await loop.sock_sendto(sock, b"garbage", peer)
                await asyncio.sleep(0)

    where = address_of(sock)
    here.run(flood())
    observation, _ = await at_most(30, ask(where, timeout_s=0.3))
    assert observation.failure == "generic_timeout_error"
    assert observation.detail.ignored


async def test_a_closed_port_refuses() -> None:
    with udp_socket(LOOPBACK) as sock:
        where = address_of(sock)
    observation, _ = await ask(where)
    assert observation.failure == "connection_refused"


async def test_a_path_through_a_proxy_carries_no_datagrams() -> None:
    observation, _ = await ask((LOOPBACK, 3478), address=None)
    assert observation.failure is not None
    assert observation.failure.startswith("unknown_failure")


def test_the_port_may_be_left_out() -> None:
    assert targets.parse("stun://stun.example.org").port == 3478


@given(st.binary(max_size=200))
def test_no_datagram_raises(data: bytes) -> None:
    client = stun._Client()
    assert client._read(data) is None
    answer = signed(client._request, Class.RESPONSE, {"XOR-MAPPED-ADDRESS": (VISITOR, 1)})
    client._read(answer[: len(data)] + data)
