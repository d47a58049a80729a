"""HTTP over a stream we already hold: HTTP/1.1, HTTP/2 and HTTP/3."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol

import h11
import msgspec

from probe.failure import Malformed
from probe.http.http1 import Headers, Http1Connection
from probe.http.wire import GoawayFilter, HttpResponse, StreamCarrier
from probe.net.deadline import Deadline
from probe.net.streams import ByteStream

if TYPE_CHECKING:
    from aioquic.h3.events import H3Event
    from aioquic.quic.connection import QuicConnection
    from aioquic.quic.events import QuicEvent


MAX_REASON_CHARACTERS = 200
GZIP_MAGIC = 0x1F
END_OF_PAGE = re.compile(rb"</html>\s*\Z", re.IGNORECASE)
"""A page without a length that ends so is complete, though a reset or silence follows."""
REDIRECTS = (301, 302, 303, 307, 308)
WIRE_SLACK_BYTES = 256 * 1024
WIRE_FACTOR = 8
"""Limits of the bytes on the wire, against tiny chunks, compression bombs and frames without a body."""


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request; `authority` goes out as Host or :authority, wherever the stream leads."""

    scheme: str
    authority: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    content: bytes = b""


async def exchange(
    stream: ByteStream,
    request: HttpRequest,
    into: HttpResponse,
    *,
    http2: bool,
    idle_timeout_s: float,
    max_body_bytes: int,
) -> None:
    """Send one request over `stream` and read the response into `into`.

    The body is decoded (gzip, deflate); one that is cut at `max_body_bytes` is no failure (`into.truncated`).
    Raises OSError, TimeoutError (no bytes for `idle_timeout_s`), EOFError (closed before the end), or Malformed.
    """
    carrier = StreamCarrier(stream, idle_timeout_s, into, WIRE_FACTOR * max_body_bytes + WIRE_SLACK_BYTES)
    speaks = _Http2(carrier, request) if http2 else Http1Connection(carrier.send, carrier.receive)
    headers = [(b"Host", request.authority.encode())]
    headers += [(key.encode(), value.encode()) for key, value in request.headers]
    if request.content:
        headers.append((b"Content-Length", str(len(request.content)).encode()))
    try:
        async with Deadline(idle_timeout_s) as carrier.deadline:
            status, version, found = await speaks.head(
                request.method.encode(), request.path.encode(), headers, request.content
            )
            into.status, into.version = status, _text(version)
            into.headers = tuple([(_text(key), _text(value)) for key, value in found])
            try:
                await _read_body(speaks, into, max_body_bytes)
            finally:
                into.quirks += speaks.quirks
    except Malformed:
        if into.status is None and isinstance(speaks, Http1Connection):
            into.body = speaks.kept[:max_body_bytes]
        raise
    except (ConnectionError, TimeoutError) as error:
        if isinstance(speaks, Http1Connection) and speaks.kept:
            into.body = speaks.kept[:max_body_bytes]
            raise Malformed("http_request_failed", "not HTTP, and without an end") from error
        if not (isinstance(speaks, Http1Connection) and speaks.until_close and END_OF_PAGE.search(into.body[-64:])):
            raise
        into.quirks += ("an end that only the page itself shows",)
    except _not_http(http2) as error:
        if carrier.ended:
            raise EOFError("closed before the end of the answer") from error
        if http2 and not isinstance(error, _server_refusals()):
            into.quirks += ("HTTP/2 that our library refuses",)
        raise Malformed("http_request_failed", f"not HTTP: {error!r}"[:MAX_REASON_CHARACTERS]) from error


async def _read_body(speaks: Http1Connection | _Http2, into: HttpResponse, max_body_bytes: int) -> None:
    inflate = _inflater((into.header("content-encoding") or "").strip().lower(), into)
    into.truncated = False
    body = bytearray()
    try:
        while (chunk := await speaks.chunk()) is not None:
            body += inflate(chunk, max_body_bytes - len(body) + 1) if inflate else chunk
            if len(body) > max_body_bytes:
                into.truncated = True
                return
    finally:
        into.body = bytes(memoryview(body)[:max_body_bytes])
        await speaks.close()


def _inflater(encoding: str, into: HttpResponse) -> Callable[[bytes | bytearray, int], bytes | bytearray] | None:
    """A function (chunk, limit) -> decoded bytes, at most `limit` of them; None where the body comes as it is.

    A body that is not encoded as it says is taken as it comes (`into.quirks`).
    """
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return None
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    begun = as_it_comes = False

    def inflate(chunk: bytes | bytearray, limit: int) -> bytes | bytearray:
        nonlocal decoder, begun, as_it_comes
        if as_it_comes:
            return chunk
        if decoder.eof:
            return b""  # trailing bytes are no part of the page, and zlib would keep them all
        if not begun:
            begun = True
            if encoding != "deflate" and chunk[0] != GZIP_MAGIC:
                as_it_comes = True
                into.quirks += (f"not {encoding}, though it says so",)
                return chunk
            if encoding == "deflate" and chunk[0] & 0x0F != zlib.DEFLATED:
                decoder = zlib.decompressobj(-zlib.MAX_WBITS)  # raw deflate, which browsers accept too
        try:
            return decoder.decompress(chunk, limit)
        except zlib.error as error:
            raise Malformed("http_request_failed", f"not {encoding}: {error}") from error

    return inflate


def _text(value: bytes) -> str:
    """A header as text: UTF-8 as browsers read Location, otherwise Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _Http2:
    """httpcore's HTTP/2 (RFC 9113), loaded at first use; also the network stream that it reads from."""

    quirks: tuple[str, ...] = ()

    def __init__(self, carrier: StreamCarrier, request: HttpRequest) -> None:
        import httpcore

        self._carrier, self._filter = carrier, GoawayFilter()
        url = httpcore.URL(
            scheme=request.scheme.encode(), host=request.authority.encode(), port=None, target=request.path.encode()
        )
        self._asked = partial(httpcore.Request, url=url)
        self._connection = httpcore.AsyncHTTP2Connection(url.origin, self)  # type: ignore[arg-type]
        self._chunks: Any = None

    async def head(self, method: bytes, target: bytes, headers: Headers, content: bytes) -> tuple[int, bytes, Headers]:
        answer = await self._connection.handle_async_request(
            self._asked(method=method, headers=headers, content=content)
        )
        self._chunks = answer.aiter_stream()
        return answer.status, answer.extensions.get("http_version", b"HTTP/2"), answer.headers

    async def chunk(self) -> bytes | None:
        return await anext(self._chunks, None)

    async def close(self) -> None:
        await self._chunks.aclose()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while not (data := self._filter(await self._carrier.receive(max_bytes))) and not self._carrier.ended:
            pass  # the filter holds all of it back
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            await self._carrier.send(buffer)

    async def aclose(self) -> None:
        self._carrier.close()

    def get_extra_info(self, info: str) -> Any:
        return None


@cache
def _server_refusals() -> tuple[type[Exception], ...]:
    """HTTP/2 errors by which the server itself ends a stream or the connection."""
    import httpcore

    return httpcore.RemoteProtocolError, httpcore.ConnectionNotAvailable


@cache
def _not_http(http2: bool) -> tuple[type[Exception], ...]:
    """The errors that a malformed response can raise, including those of h2 that httpcore does not map."""
    if not http2:
        return h11.ProtocolError, ValueError
    import h2.exceptions
    import httpcore

    theirs = (httpcore.RemoteProtocolError, httpcore.LocalProtocolError, httpcore.ConnectionNotAvailable)
    return *theirs, h2.exceptions.H2Error, ValueError


UNDECODED_OVER_QUIC = ("accept-encoding",)
"""Fields that are not sent: their effect on the answer is not undone here."""


class QuicTransport(Protocol):
    """A QUIC connection that has completed its handshake."""

    connection: QuicConnection

    async def run_until(self, done: Callable[[QuicEvent], bool]) -> None: ...


async def exchange_over_quic(
    over: QuicTransport, request: HttpRequest, into: HttpResponse, *, idle_timeout_s: float, max_body_bytes: int
) -> None:
    """Send `request` and read the answer into `into` as it comes; raises where it ends early or stays silent."""
    reading = _Http3Reading(over, request, into, max_body_bytes)
    async with Deadline(idle_timeout_s) as idle:
        loop = asyncio.get_running_loop()

        def on_event(event: QuicEvent) -> bool:
            done = reading.on_event(event)
            idle.reschedule(loop.time() + idle_timeout_s)
            return done

        await over.run_until(on_event)


class _Http3Reading:
    """One request on its stream, and the answer as far as it has come."""

    def __init__(self, over: QuicTransport, request: HttpRequest, into: HttpResponse, max_body_bytes: int) -> None:
        from aioquic.h3.connection import H3Connection

        self._http = H3Connection(over.connection)
        self._stream = over.connection.get_next_available_stream_id()
        self._into, self._max_body_bytes = into, max_body_bytes
        fields = [(name.lower(), value) for name, value in request.headers if name.lower() not in UNDECODED_OVER_QUIC]
        pseudo = [(":method", request.method), (":scheme", request.scheme), (":authority", request.authority)]
        head = [*pseudo, (":path", request.path), *fields]
        self._http.send_headers(
            self._stream, [(name.encode(), value.encode()) for name, value in head], end_stream=True
        )

    def on_event(self, event: QuicEvent) -> bool:
        """Whether the answer is complete with this event, or as long as is ever read."""
        from aioquic.quic.events import ConnectionTerminated, StreamReset

        if isinstance(event, ConnectionTerminated):
            raise EOFError(f"the connection was closed with {event.error_code:#x}")
        if isinstance(event, StreamReset) and event.stream_id == self._stream:
            raise EOFError(f"the stream was reset with {event.error_code:#x}")
        ended = [self._on_h3_event(part) for part in self._http.handle_event(event)]
        return any(ended)

    def _on_h3_event(self, event: H3Event) -> bool:
        from aioquic.h3.events import DataReceived, HeadersReceived

        into = self._into
        if not isinstance(event, HeadersReceived | DataReceived) or event.stream_id != self._stream:
            return False
        if isinstance(event, DataReceived):
            into.received += len(event.data)
            into.body = (into.body + event.data)[: self._max_body_bytes]
            into.truncated = into.received > self._max_body_bytes
        elif into.status is None:
            self._head({name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers})
        return event.stream_ended or bool(into.truncated)

    def _head(self, fields: dict[str, str]) -> None:
        status = fields.pop(":status", "")
        if not (len(status) == 3 and status.isascii() and status.isdigit()):
            raise Malformed("http_request_failed", "an answer without a status")
        if status[0] == "1":
            return  # an interim answer (RFC 9114 section 4.1)
        self._into.status, self._into.version, self._into.truncated = int(status), "HTTP/3", False
        self._into.headers = tuple(fields.items())
