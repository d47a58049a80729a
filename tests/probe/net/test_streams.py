"""Streams under whatever bytes: a deadline is always noticed, and an answer is an answer or a named failure."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from probe.failure import Malformed
from probe.http.exchange import HttpRequest, exchange
from probe.http.wire import HttpResponse
from probe.net.streams import BadTrust, ByteStream, TlsStream, client_context, receive_exactly, receive_until
from schedules.demo.listener import Listeners
from schedules.demo.listener import ServerStream as ServerStream
from tests.probe.loopback import about, at_most, new_log, server


class Script:
    """A stream that gives these pieces, then ends."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = list(pieces)
        self.sent = b""

    async def send(self, data: bytes) -> None:
        self.sent += data

    async def receive(self, limit: int = 65536) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > limit:
            self._pieces.insert(0, piece[limit:])
        return piece[:limit]

    def close(self) -> None:
        self._pieces = []


async def test_exactly_and_until_take_no_byte_more() -> None:
    stream: ByteStream = Script([b"ab", b"cd", b"HTTP\r\n", b"\r\nrest"])
    assert await receive_exactly(stream, 3) == b"abc"
    assert await receive_until(stream, b"\r\n\r\n", 100) == b"dHTTP\r\n\r\n"
    assert await stream.receive() == b"rest"


async def test_an_end_before_the_end_is_one() -> None:
    with pytest.raises(EOFError):
        await receive_exactly(Script([b"ab"]), 3)
    with pytest.raises(EOFError):
        await receive_until(Script([b"ab"]), b"c", 100)
    with pytest.raises(EOFError):
        await receive_until(Script([b"a" * 1000]), b"c", 100)


class Blocked(Exception):
    """Nothing more comes."""


class Server:
    """The other end of a TLS stream, in memory: what it says comes in pieces, and then nothing more does."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.pieces: list[bytes] = []
        self.pause_s = 0.0
        self._greeted = False

    def says(self, data: bytes) -> bytes:
        """The record with these bytes, behind what else it had to say."""
        self._tls.write(data)
        return self._outgoing.read()

    async def send(self, data: bytes) -> None:
        self._incoming.write(data)
        if not self._greeted:
            with suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
                self._greeted = True

    async def receive(self, limit: int = 65536) -> bytes:
        if not self._greeted:
            return self._outgoing.read()
        if not self.pieces:
            raise Blocked
        await asyncio.sleep(self.pause_s)
        return self.pieces.pop(0)

    def close(self) -> None:
        self.pieces = []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@given(part=st.integers(1, 16_000), cuts=st.lists(st.integers(1, 20_000), max_size=4))
def test_all_that_came_of_a_cut_record_is_counted_however_it_came(
    authority: trustme.CA, part: int, cuts: list[int]
) -> None:
    served, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("site.x.test").configure_cert(served)
    authority.configure_trust(trusting)

    async def run() -> int:
        server = Server(served)
        stream = TlsStream(server, trusting, "site.x.test")
        await stream.handshake()
        wire = server.says(b"a head") + server.says(b"x" * 16_384)[:part]
        places = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
        server.pieces = [wire[here:there] for here, there in pairwise(places) if there > here]
        assert await stream.receive() == b"a head"
        with pytest.raises(Blocked):
            await stream.receive()
        return stream.undelivered

    assert asyncio.run(run()) == part


async def test_one_record_that_trickles_for_longer_than_a_silence_may_last_is_no_silence(authority: trustme.CA) -> None:
    served, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("site.x.test").configure_cert(served)
    authority.configure_trust(trusting)
    server, got = Server(served), HttpResponse()
    stream = TlsStream(server, trusting, "site.x.test")
    await stream.handshake()
    wire = server.says(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000)
    server.pieces, server.pause_s = [wire[at : at + 1000] for at in range(0, len(wire), 1000)], 0.1
    request = HttpRequest(scheme="https", authority="site.x.test", path="/")
    await exchange(stream, request, got, http2=False, idle_timeout_s=0.5, max_body_bytes=10_000)
    assert (got.status, len(got.body)) == (200, 9000)
    assert got.last is not None
    assert got.last[0] > 0.5


async def test_a_deadline_is_noticed_while_bytes_never_stop(here: Listeners) -> None:
    async def pour(stream: ServerStream) -> None:
        for _ in range(100_000):
            await stream.send(bytes(65536))

    log, where = new_log(), about(server(here, pour))
    stream = await log.network.connect(where.address or "", where.port or 0)

    async def swallow() -> None:
        while await stream.receive():
            pass

    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await at_most(30, swallow())
    finally:
        stream.close()


REQUEST = HttpRequest(scheme="https", authority="a.example", path="/")
FRAGMENTS = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/2 200\r\n",
    b"Content-Length: 5\r\n",
    b"\r\n",
    b"hello",
    b"Transfer-Encoding: chunked\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffffffff\r\n",
    b"Content-Encoding: gzip\r\n",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    b"Content-Length: -1\r\n",
    b"X: \xff\xfe\x00\r\n",
    b"Location: //[\r\n",
    b"\x00" * 20,
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.1 999 \r\n",
    b"HTTP/1.1 204 No\r\n\r\n",
    b" folded\r\n",
]


def asked(pieces: Sequence[bytes], *, http2: bool) -> HttpResponse:
    """What an exchange makes of these bytes; only failures that have a name may come of it."""

    async def ask() -> HttpResponse:
        got = HttpResponse()
        try:
            await exchange(Script(pieces), REQUEST, got, http2=http2, idle_timeout_s=5, max_body_bytes=4096)
        except (EOFError, Malformed):
            pass
        return got

    return asyncio.run(ask())


@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=40)), max_size=12))
def test_any_bytes_at_all_are_an_answer_or_a_named_failure(pieces: list[bytes]) -> None:
    got = asked(pieces, http2=False)
    assert len(got.body) <= 4096
    assert got.status is None or 100 <= got.status <= 999


def frame(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", number) + payload


HEADERS_200 = b"\x88"
FRAMES = [
    frame(4, 0, 0, b""),
    frame(4, 1, 0, b""),
    frame(4, 0, 0, b"\x00\x03\x00\x00\x00\x00"),
    frame(4, 0, 0, b"\x00\x04\xff\xff\xff\xff"),
    frame(1, 4, 1, HEADERS_200),
    frame(1, 5, 1, HEADERS_200),
    frame(1, 0, 1, HEADERS_200),
    frame(9, 4, 1, b""),
    frame(0, 0, 1, b"hello"),
    frame(0, 1, 1, b"hello"),
    frame(0, 8, 1, b"\xff"),
    frame(0, 0, 3, b"x"),
    frame(0, 0, 0, b"x"),
    frame(3, 0, 1, bytes(4)),
    frame(3, 0, 1, b""),
    frame(6, 0, 0, bytes(8)),
    frame(6, 0, 0, b"x"),
    frame(7, 0, 0, bytes(8)),
    frame(7, 0, 0, b"\x00\x00\x00\x01" + bytes(4)),
    frame(8, 0, 0, bytes(4)),
    frame(8, 0, 1, b"\x7f\xff\xff\xff"),
    frame(5, 4, 1, b"\x00\x00\x00\x02" + HEADERS_200),
    frame(2, 0, 1, bytes(5)),
    frame(99, 0, 1, b"x"),
    frame(1, 4, 1, b"\xff" * 9),
    frame(1, 4, 1, b"\x88\x00\x01\x00\x01\x00"),
    b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
]


@given(st.lists(st.one_of(st.sampled_from(FRAMES), st.binary(max_size=20)), max_size=10))
def test_any_frames_at_all_are_an_answer_or_a_named_failure(pieces: list[bytes]) -> None:
    got = asked(pieces, http2=True)
    assert len(got.body) <= 4096
    assert got.status is None or isinstance(got.status, int)


def test_a_context_is_made_once_for_each_trust_setting() -> None:
    one = client_context(None, verify=True, alpn=("h2",))
    assert client_context(None, verify=True, alpn=("h2",)) is one
    assert client_context(None, verify=False, alpn=("h2",)) is not one
    assert not client_context(None, verify=False, alpn=("h2",)).check_hostname


@pytest.mark.parametrize("content", [None, b"", b"no certificate", bytes(100)])
def test_a_ca_file_that_cannot_be_used_is_named(
    content: bytes | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadTrust, match=r"ca\.pem"):
        client_context(str(file), verify=True, alpn=("h2",))


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=3))
def test_whatever_the_records_hold_a_request_for_a_certificate_is_looked_for_in_bounds(
    data: bytes, cuts: list[int]
) -> None:
    """Also a message that is cut into records, as RFC 5246 section 6.2.1 allows."""
    stream = TlsStream(Script([]), client_context(None, verify=False, alpn=("http/1.1",)), "a.example")
    request = b"\x0b\x00\x00\x01x\x0d\x00\x00\x02ab"
    at = [0, *sorted(min(cut, len(request)) for cut in cuts), len(request)]
    records = b"".join(
        b"\x16\x03\x03" + (end - start).to_bytes(2, "big") + request[start:end] for start, end in pairwise(at)
    )
    stream._note_alert(records)
    assert stream.asks_certificate()
    stream._records = bytearray(data)
    assert stream.asks_certificate() in (True, False)
