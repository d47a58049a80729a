"""HTTP/2 over a stream we hold."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest

from probe.http.wire import HttpResponse, StreamCarrier
from probe.measure import measure
from probe.model import Measurement, Observation
from probe.net import resolver as resolvers
from probe.recorder import StepContext
from probe.steps import dns as dns_step
from probe.target import parse
from schedules.demo import sites
from schedules.demo.authority import Authority
from schedules.demo.listener import Listeners, ServerStream, tcp_socket
from tests.probe.loopback import LOOPBACK, NAME, QUICK_S, at_most, new_log, session, settings

Act = Callable[[h2.connection.H2Connection, int, ServerStream], Awaitable[None]]
CAP = 64 * 1024
OK = [(":status", "200"), ("content-type", "text/html"), ("x-mixed", "Case")]
PAGE = sites.html("Over two")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def speaking_h2(act: Act) -> Callable[[ServerStream], Awaitable[None]]:
    """A server that does `act` with the first request of each connection, then waits for the client to leave."""

    async def serve(stream: ServerStream) -> None:
        lax = h2.config.H2Configuration(client_side=False, validate_outbound_headers=False, header_encoding="utf-8")
        connection = h2.connection.H2Connection(lax)
        connection.initiate_connection()
        await stream.send(connection.data_to_send())
        events: list[h2.events.Event] = []
        while data := await stream.reader.read(65536):
            with suppress(h2.exceptions.ProtocolError):  # what a client still says to a server that has gone away
                events = connection.receive_data(data)
            for event in events:
                if isinstance(event, h2.events.RequestReceived):
                    assert event.stream_id is not None
                    await act(connection, event.stream_id, stream)
            events = []
            await stream.send(connection.data_to_send())

    return serve


async def answered(here: Listeners, authority: Authority, act: Act, **changed: object) -> Measurement:
    context: ssl.SSLContext = authority.context(LOOPBACK)
    context.set_alpn_protocols(["h2"])
    _, port = here.serve_stream(tcp_socket(LOOPBACK), speaking_h2(act), context)
    wanted: dict[str, Any] = {"ca_file": str(authority.ca_file), "max_body_bytes": CAP} | changed
    return await at_most(60, measure(parse(f"https://{LOOPBACK}:{port}/a?b", allow_private=True), session(**wanted)))


def exchange_of(measured: Measurement) -> Observation:
    assert [o.failure for o in measured.observations[:2]] == [None, None]
    assert measured.observations[1].detail.alpn == "h2"
    return measured.observations[2]


async def test_a_page_over_http_2(here: Listeners, authority: Authority) -> None:
    async def act(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
        connection.send_headers(number, OK)
        connection.send_data(number, PAGE, end_stream=True)

    seen = exchange_of(await answered(here, authority, act))
    page = seen.detail
    assert (seen.failure, page.status, page.version, page.body, page.title) == (None, 200, "HTTP/2", PAGE, "Over two")
    assert ("x-mixed", "Case") in page.headers


async def test_a_packed_page_over_http_2(here: Listeners, authority: Authority) -> None:
    async def act(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
        connection.send_headers(number, [*OK, ("content-encoding", "gzip")])
        connection.send_data(number, gzip.compress(PAGE), end_stream=True)

    assert exchange_of(await answered(here, authority, act)).detail.body == PAGE


async def test_the_size_cap_holds_over_http_2(here: Listeners, authority: Authority) -> None:
    async def act(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
        connection.send_headers(number, OK)
        for _ in range(2000):
            connection.send_data(number, bytes(16000))
            await stream.send(connection.data_to_send())

    seen = exchange_of(await answered(here, authority, act))
    assert (seen.failure, seen.detail.length, seen.detail.truncated) == (None, CAP, True)


async def headers_then_stall(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    connection.send_headers(number, OK)


async def says_nothing(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    pass


async def goes_away(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    connection.close_connection(error_code=11, last_stream_id=0)


async def goes_away_after_headers(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    connection.send_headers(number, OK)
    connection.close_connection(error_code=2)


async def resets_the_stream(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    connection.reset_stream(number, error_code=8)


async def resets_the_stream_in_the_body(
    connection: h2.connection.H2Connection, number: int, stream: ServerStream
) -> None:
    connection.send_headers(number, OK)
    connection.send_data(number, b"abc")
    connection.reset_stream(number)


async def garbles_the_headers(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    await stream.send(b"\x00\x00\x04\x01\x04" + number.to_bytes(4, "big") + b"\xff\xff\xff\xff")


async def garbles_the_body(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    connection.send_headers(number, OK)
    await stream.send(connection.data_to_send())
    await asyncio.sleep(0.02)  # so that the body's garbage comes to a client that is reading the body
    await stream.send(b"\x00\x00\x08\x04\x00\x00\x00\x00\x09garbaged" + bytes(50))


async def speaks_of_another_stream(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    connection.send_headers(number, OK)
    await stream.send(connection.data_to_send())
    await asyncio.sleep(0.02)
    await stream.send(b"\x00\x00\x01\x00\x00" + (number + 2).to_bytes(4, "big") + b"x")


async def gives_no_number(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    connection.send_headers(number, [(":status", "abc")], end_stream=True)


async def answers_in_http_1(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    await stream.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


async def promises_another_length(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    connection.send_headers(number, [*OK, ("content-length", "5")])
    connection.send_data(number, b"abc", end_stream=True)


async def pings_without_end(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    for _ in range(100_000):
        await stream.send((b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + bytes(8)) * 100)


async def continues_headers_without_end(
    connection: h2.connection.H2Connection, number: int, stream: ServerStream
) -> None:
    await stream.send(b"\x00\x00\x01\x01\x00" + number.to_bytes(4, "big") + b"\x88")
    for _ in range(100_000):
        await stream.send(b"\x00\x10\x00\x09\x00" + number.to_bytes(4, "big") + bytes(4096))


async def hangs_up(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    stream.writer.close()


async def hangs_up_in_the_body(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
    connection.send_headers(number, OK)
    connection.send_data(number, b"abc")
    await stream.send(connection.data_to_send())
    stream.writer.close()


@pytest.mark.parametrize(
    ("act", "failure", "status"),
    [
        (headers_then_stall, "generic_timeout_error", 200), (says_nothing, "generic_timeout_error", None),
        (goes_away, "http_request_failed", None), (goes_away_after_headers, "http_request_failed", 200),
        (resets_the_stream, "http_request_failed", None), (resets_the_stream_in_the_body, "http_request_failed", 200),
        (garbles_the_headers, "http_request_failed", None), (garbles_the_body, "http_request_failed", 200),
        (speaks_of_another_stream, "http_request_failed", 200), (gives_no_number, "http_request_failed", None),
        (answers_in_http_1, "generic_timeout_error", None),  # its first bytes promise a frame of four megabytes
        (promises_another_length, "http_request_failed", None),
        (hangs_up, "eof_error", None),
        (hangs_up_in_the_body, "eof_error", 200),
    ],
)  # fmt: skip
async def test_what_goes_wrong_over_http_2_has_a_name(
    here: Listeners, authority: Authority, act: Act, failure: str, status: int | None
) -> None:
    seen = exchange_of(await answered(here, authority, act, timeout_s=QUICK_S))
    assert (seen.failure, seen.detail.status) == (failure, status)
    refused_by_us = act in (garbles_the_headers, gives_no_number, promises_another_length)
    assert bool(seen.detail.quirks) == refused_by_us or status is not None


async def test_a_trusted_resolver_may_speak_http_2(here: Listeners, authority: Authority) -> None:
    async def act(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
        response = dns.message.make_response(dns.message.make_query(NAME, "A", id=0))
        response.answer.append(dns.rrset.from_text(NAME + ".", 60, "IN", "A", "192.0.2.1"))
        connection.send_headers(number, [(":status", "200"), ("content-type", "application/dns-message")])
        connection.send_data(number, response.to_wire(), end_stream=True)

    context = authority.context(LOOPBACK)
    context.set_alpn_protocols(["h2"])
    _, port = here.serve_stream(tcp_socket(LOOPBACK), speaking_h2(act), context)
    (resolver,) = resolvers.parse(f"https://{LOOPBACK}:{port}/dns-query")
    asked = StepContext(role="trusted", hop=0, host=NAME)
    seen = await dns_step.ask(new_log(), asked, resolver, "A", settings(ca_file=str(authority.ca_file)))
    assert (seen.failure, seen.detail.addresses) == (None, ("192.0.2.1",))


async def test_bytes_that_are_no_tls_in_the_middle_of_a_page_end_it(here: Listeners, authority: Authority) -> None:
    async def injected(stream: ServerStream) -> None:
        await stream.reader.readuntil(b"\r\n\r\n")
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        stream.sock.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        await stream.gone()

    _, port = here.serve_stream(tcp_socket(LOOPBACK), injected, authority.context(LOOPBACK))
    wanted = session(ca_file=str(authority.ca_file))
    measured = await measure(parse(f"https://{LOOPBACK}:{port}/", allow_private=True), wanted)
    seen = measured.observations[-1]
    assert (seen.step, seen.failure, seen.detail.status, seen.detail.body) == (
        "http",
        "ssl_failed_handshake",
        200,
        b"abc",
    )


@pytest.mark.parametrize("act", [pings_without_end, continues_headers_without_end])
async def test_frames_without_end_are_ended(here: Listeners, authority: Authority, act: Act) -> None:
    seen = exchange_of(await answered(here, authority, act, timeout_s=20))
    assert (seen.failure, seen.detail.status) == ("http_request_failed", None)


async def test_a_measurement_over_http_2_can_be_cancelled(here: Listeners, authority: Authority) -> None:
    started = asyncio.Event()

    async def act(connection: h2.connection.H2Connection, number: int, stream: ServerStream) -> None:
        connection.send_headers(number, OK)
        started.set()

    task = asyncio.create_task(answered(here, authority, act))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Refusing:
    """A server that answered and closed before it read anything: sending fails."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = list(chunks)

    async def send(self, data: bytes) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    async def receive(self, limit: int = 65536) -> bytes:
        return self._chunks.pop(0) if self._chunks else b""

    def close(self) -> None:
        pass


async def test_an_answer_that_came_before_everything_was_sent_is_read() -> None:
    into = HttpResponse()
    carrier = StreamCarrier(Refusing(b"HTTP/1.1 413 Too Large\r\n\r\n"), 1.0, into, 1000)
    await carrier.send(b"a request")
    assert await carrier.receive(1000) == b"HTTP/1.1 413 Too Large\r\n\r\n"


async def test_where_nothing_came_the_failure_to_send_is_the_failure() -> None:
    carrier = StreamCarrier(Refusing(), 1.0, HttpResponse(), 1000)
    await carrier.send(b"a request")
    with pytest.raises(BrokenPipeError):
        await carrier.receive(1000)
