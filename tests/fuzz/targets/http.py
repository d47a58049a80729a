"""HTTP answers over a stream, HTTP/1.1 and HTTP/2: a bounded record, or one of the errors that a step knows."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterable

import h2.connection
import h11
import httpcore

from probe.failure import Malformed
from probe.http.exchange import WIRE_FACTOR, WIRE_SLACK_BYTES, HttpRequest, exchange
from probe.http.http1 import MAX_HEAD_BYTES, READ_BYTES, head_in
from probe.http.wire import HttpResponse
from probe.model import Http
from probe.steps import http as http_step
from tests.fuzz.targets import can_be_stored

INSTRUMENT = ("probe.http", "probe.steps.http", "h11")
URL = "https://www.site.example/"
REQUEST = HttpRequest(scheme="https", authority="www.site.example", path="/", headers=(("Accept", "*/*"),))
MAX_BODY = 32 * 1024
HTTP2, RESET = 0x80, 0x40
"""In the first byte: which protocol, and whether the stream ends with a reset; the rest is the pieces' length."""
COMPARED = 4096
FRAMING = (b"transfer-encoding", b"content-length")
MAX_QUIRKS = 16
DAMAGED = ("not gzip", "not x-gzip", "not deflate")
LOOP = asyncio.new_event_loop()


class Script:
    """A stream that gives these pieces, and then ends."""

    def __init__(self, data: bytes, size: int, *, reset: bool) -> None:
        self._data, self._at, self._size, self._reset = data, 0, size, reset

    async def send(self, data: bytes) -> None:
        pass

    async def receive(self, limit: int = READ_BYTES) -> bytes:
        piece = self._data[self._at : self._at + min(self._size, limit)]
        self._at += len(piece)
        if not piece and self._reset:
            raise ConnectionResetError(104, "reset")
        return piece

    def close(self) -> None:
        pass


def answer_of(data: bytes, size: int, *, http2: bool, reset: bool) -> tuple[Http, BaseException | None]:
    """The record of what came, and the error that ended it."""
    got, error = HttpResponse(), None
    work = exchange(
        Script(data, size, reset=reset), REQUEST, got, http2=http2, idle_timeout_s=30, max_body_bytes=MAX_BODY
    )
    try:
        LOOP.run_until_complete(work)
    except (OSError, TimeoutError, EOFError, Malformed) as caught:
        error = caught
    assert got.received <= WIRE_FACTOR * MAX_BODY + WIRE_SLACK_BYTES + READ_BYTES
    return http_step.detail_of(URL, got), error


def check(data: bytes) -> None:
    if not data:
        return
    mode, data = data[0], data[1:]
    http2, reset, size = bool(mode & HTTP2), bool(mode & RESET), (mode & 0x3F) or READ_BYTES
    detail, error = answer_of(data, size if len(data) <= COMPARED else READ_BYTES, http2=http2, reset=reset)
    can_be_stored(detail)
    assert len(detail.body or b"") <= MAX_BODY
    assert len(detail.headers) <= http_step.MAX_HEADERS
    assert all(len(text) <= http_step.MAX_HEADER_VALUE for pair in detail.headers for text in pair)
    assert len(detail.location or "") <= http_step.MAX_HEADER_VALUE
    assert detail.title is None or (len(detail.title) <= 300 and detail.title.isprintable())
    assert len(detail.quirks) <= MAX_QUIRKS
    assert error is not None or detail.status is not None
    if http2:
        return
    if len(data) <= COMPARED:
        _is_the_same_in_one_piece(data, reset, detail, error)
    _is_read_as_strictly(data)


def _is_the_same_in_one_piece(data: bytes, reset: bool, detail: Http, error: BaseException | None) -> None:
    """How the network cuts an answer into pieces says nothing about it."""
    whole, its_error = answer_of(data, READ_BYTES, http2=False, reset=reset)
    if isinstance(error, Malformed) and str(error).startswith(DAMAGED):
        return  # zlib gives nothing of the piece in which the damage is
    assert (whole.status, whole.headers, whole.body, type(its_error)) == (
        detail.status, detail.headers, detail.body, type(error),
    ), (its_error, error)  # fmt: skip


def _is_read_as_strictly(data: bytes) -> None:
    """Where h11 accepts a head, the lenient reader reads the same."""
    strict = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    strict.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    strict.send(h11.EndOfMessage())
    try:
        strict.receive_data(data)
        while isinstance(event := strict.next_event(), h11.InformationalResponse) and event.status_code != 101:
            pass
    except h11.RemoteProtocolError:
        return
    if isinstance(event, h11.Response):
        end = 0
        while True:
            found = head_in(bytearray(data), end)
            assert isinstance(found, tuple), found
            end = found[1]
            if not found[0].is_interim:
                break
        assert found[0].status == event.status_code
        assert _fields(found[0].headers) == _fields(event.headers.raw_items())
        assert data[found[1] :].startswith(strict.trailing_data[0])


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Header fields without those of which h11 gives what it makes of them."""
    return [(name, value) for name, value in headers if name.lower() not in FRAMING]


def _http2_seed() -> bytes:
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    client = h2.connection.H2Connection()
    client.initiate_connection()
    client.send_headers(1, [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/")], True)
    server.initiate_connection()
    server.receive_data(client.data_to_send())
    server.send_headers(1, [(":status", "200"), ("content-type", "text/html")])
    server.send_data(1, b"<title>x</title>", end_stream=True)
    return bytes([HTTP2]) + server.data_to_send()


def _seed(head: str, body: bytes = b"", mode: int = 0) -> bytes:
    return bytes([mode]) + head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


PAGE = b"<html><head><meta charset=windows-1251><title>x &amp; \xe9</title></head></html>"
SEEDS = (
    _seed(f"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: {len(PAGE)}", PAGE),
    _seed("HTTP/1.0 403 Forbidden\nServer: x", PAGE, 7),
    _seed("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n", 3),
    _seed("HTTP/1.1 302 Found\nLocation: http://other.example/?ip=192.0.2.1\nContent-Length: 0", b"", 1),
    _seed("HTTP/1.1 200 OK\nContent-Encoding: gzip", gzip.compress(PAGE, mtime=0)),
    _seed("HTTP/1.1 200 OK\nContent-Encoding: deflate", zlib.compress(PAGE), RESET),
    _seed("HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: 2", b"ok"),
    _seed("HTTP/1.1 200 OK\nbad header\n folded: x\nX y: z\nContent-Length: +2, 2", b"ok", 2),
    b"\0ICY 200 OK\nContent-Length: 1\n\nx",
    b"\x05\xef\xbb\xbf\r\nhttp/1.1 404\n\nnot found",
    b"\0SSH-2.0-OpenSSH_9.2\r\nLocation: http://block.example/\r\n",
    _http2_seed(),
)
assert httpcore.AsyncHTTP2Connection
