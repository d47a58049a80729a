"""A page over QUIC, from a real server: whole, cut at the cap, and broken off in every way a server can."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

from probe.endpoint import attempt_all
from probe.model import Attempt, Observation
from probe.recorder import Log
from tests.probe.loopback import LOOPBACK, NAME, session

Responder = Callable[[H3Connection, int], None]
OK = [(b":status", b"200"), (b"server", b"three"), (b"content-type", b"text/html")]


def page(size: int) -> Responder:
    def respond(http: H3Connection, stream: int) -> None:
        http.send_headers(stream, OK)
        http.send_data(stream, b"<title>Three</title>".ljust(size, b"x"), end_stream=True)

    return respond


def stops(http: H3Connection, stream: int) -> None:
    http.send_headers(stream, OK)
    http.send_data(stream, b"half", end_stream=False)


def silent(http: H3Connection, stream: int) -> None:
    return None


def resets(http: H3Connection, stream: int) -> None:
    http.send_headers(stream, OK)
    http._quic.reset_stream(stream, 0x102)


def closes(http: H3Connection, stream: int) -> None:
    http._quic.close(error_code=0x102)


def interim(http: H3Connection, stream: int) -> None:
    http.send_headers(stream, [(b":status", b"103")])
    page(30)(http, stream)


@asynccontextmanager
async def serving(folder: Path, respond: Responder) -> AsyncIterator[tuple[int, str]]:
    """A server on loopback; gives its port and the file of its authority."""
    authority = trustme.CA()
    leaf = authority.issue_cert(NAME)
    chain, key, trust = folder / "chain.pem", folder / "key.pem", folder / "ca.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    authority.cert_pem.write_to_path(trust)

    class Answering(QuicConnectionProtocol):
        http: H3Connection | None = None

        def quic_event_received(self, event: QuicEvent) -> None:
            self.http = self.http or H3Connection(self._quic)
            for one in self.http.handle_event(event):
                if isinstance(one, HeadersReceived):
                    respond(self.http, one.stream_id)
                    self.transmit()

    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    configuration.load_cert_chain(chain, key)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        port = sock.getsockname()[1]
    server = await serve(LOOPBACK, port, configuration=configuration, create_protocol=Answering)
    try:
        yield port, str(trust)
    finally:
        server.close()
        await asyncio.sleep(0)


async def fetched(folder: Path, respond: Responder, **changed: Any) -> list[Observation]:
    async with serving(folder, respond) as (port, ca_file):
        how = session(ca_file=ca_file, **changed)
        log = Log("m", how.network)
        attempt = Attempt(
            role="offered",
            hop=0,
            scheme="quic",
            host=NAME,
            server_name=NAME,
            address=LOOPBACK,
            port=port,
            request_path="/page",
        )
        await attempt_all([attempt], log, how)
        return [msgspec.structs.replace(o, port=0) for o in log.observations]


async def test_a_page_over_quic_is_two_steps(tmp_path: Path) -> None:
    handshake, answer = await fetched(tmp_path, page(70_000))
    assert (handshake.step, handshake.failure) == ("quic", None)
    assert (answer.step, answer.failure, answer.role) == ("http", None, "offered")
    assert (answer.detail.status, answer.detail.version, answer.detail.length) == (200, "HTTP/3", 70_000)
    assert answer.detail.title == "Three"
    assert ("server", "three") in answer.detail.headers
    assert answer.detail.url.startswith(f"https://{NAME}:")


async def test_the_cap_ends_the_reading(tmp_path: Path) -> None:
    _, answer = await fetched(tmp_path, page(70_000), max_body_bytes=2048)
    assert (answer.failure, answer.detail.length, answer.detail.truncated) == (None, 2048, True)


async def test_an_interim_answer_is_not_the_answer(tmp_path: Path) -> None:
    _, answer = await fetched(tmp_path, interim)
    assert (answer.failure, answer.detail.status, answer.detail.length) == (None, 200, 30)


@pytest.mark.parametrize(
    ("respond", "failure"),
    [
        (stops, "generic_timeout_error"),
        (silent, "generic_timeout_error"),
        (resets, "eof_error"),
        (closes, "eof_error"),
    ],
)
async def test_an_answer_that_breaks_off_is_a_failure_of_the_page_and_not_of_the_handshake(
    tmp_path: Path, respond: Responder, failure: str
) -> None:
    handshake, answer = await fetched(tmp_path, respond, timeout_s=1.0)
    assert (handshake.failure, answer.failure) == (None, failure)
