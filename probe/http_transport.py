"""HTTP over a stream we already hold, and fetch(), the bounded download. The only importer of httpx and httpcore."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import h2.exceptions
import httpcore
import msgspec

from probe.failure import Malformed
from probe.http2_goodbye import WithoutGoodbye
from probe.partial_download import NOT_MODIFIED, BadPart, PartialDownload
from probe.stream import Stream, TlsStream

NOT_HTTP = (
    httpcore.RemoteProtocolError,
    httpcore.LocalProtocolError,
    httpcore.ConnectionNotAvailable,
    h2.exceptions.H2Error,
)
"""What the other end can make httpcore raise; of h2's own errors it lets some through, as of a malformed number."""
MAX_REASON = 200
HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
REDIRECTS = (301, 302, 303, 307, 308)
MAX_FETCH_BYTES = 512 * 1024 * 1024
WIRE_SLACK_BYTES = 256 * 1024
WIRE_FACTOR = 8
"""What may come over the wire is bounded too: chunks of one byte, compressed nothing, and frames that carry no body."""


class Exchange:
    """What one request got so far: it keeps its worth when the exchange fails half way."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.version: str | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.body = b""
        self.truncated: bool | None = None
        self.received = 0
        """Bytes of the answer as they came, head and encoding included."""
        self.curve: list[tuple[float, int]] = []
        """Seconds since the request, bytes received: at the first bytes and each time they have doubled."""
        self.last: tuple[float, int] | None = None
        """The same at the latest bytes."""

    def whole_curve(self) -> tuple[tuple[float, int], ...]:
        """The curve up to the latest bytes."""
        more = [self.last] if self.last and self.last not in self.curve[-1:] else []
        return (*self.curve, *more)

    def header(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request; `authority` goes out as Host or :authority, wherever the stream leads."""

    scheme: str
    authority: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    content: bytes = b""


async def exchange(
    stream: Stream, request: Request, into: Exchange, *, http2: bool, idle_timeout_s: float, max_body_bytes: int
) -> None:
    """Send one request over `stream` and read the answer into `into`.

    The body is decoded (gzip, deflate) and cut at `max_body_bytes`, which is no failure (`into.truncated`).
    Raises OSError, TimeoutError (nothing came for `idle_timeout_s`), EOFError (closed before the end), or Malformed.
    """
    carrier = _Carrier(stream, idle_timeout_s, into, WIRE_FACTOR * max_body_bytes + WIRE_SLACK_BYTES)
    if http2:
        carrier.sieve = WithoutGoodbye()
    asked = _core_request(request)
    speaks = httpcore.AsyncHTTP2Connection if http2 else httpcore.AsyncHTTP11Connection
    connection: Any = speaks(asked.url.origin, carrier)
    try:
        response = await connection.handle_async_request(asked)
        into.status = response.status
        into.version = _text(response.extensions.get("http_version", b"HTTP/1.1"))
        into.headers = tuple((_text(key), _text(value)) for key, value in response.headers)
        await _read_body(response, into, max_body_bytes)
    except Malformed:
        raise
    except (*NOT_HTTP, ValueError) as error:
        if carrier.ended:
            raise EOFError("closed before the end of the answer") from error
        raise Malformed("http_request_failed", f"not HTTP: {error!r}"[:MAX_REASON]) from error


def _core_request(request: Request) -> httpcore.Request:
    headers = [(b"Host", request.authority.encode())]
    headers += [(key.encode(), value.encode()) for key, value in request.headers]
    if request.content:
        headers.append((b"Content-Length", str(len(request.content)).encode()))
    url = httpcore.URL(
        scheme=request.scheme.encode(), host=request.authority.encode(), port=None, target=request.path.encode()
    )
    return httpcore.Request(request.method.encode(), url, headers=headers, content=request.content)


async def _read_body(response: httpcore.Response, into: Exchange, max_body_bytes: int) -> None:
    inflate = _inflater((into.header("content-encoding") or "").strip().lower())
    into.truncated = False
    stream = response.aiter_stream()
    body = bytearray()
    try:
        async for chunk in stream:
            body += inflate(chunk, max_body_bytes - len(body) + 1) if inflate else chunk
            if len(body) > max_body_bytes:
                into.truncated = True
                return
    finally:
        into.body = bytes(memoryview(body)[:max_body_bytes])
        await stream.aclose()  # type: ignore[attr-defined]


def _inflater(encoding: str) -> Callable[[bytes, int], bytes] | None:
    """A function (chunk, limit) -> decoded bytes, at most `limit` of them; None where the body comes as it is."""
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return None
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    begun = False

    def inflate(chunk: bytes, limit: int) -> bytes:
        nonlocal decoder, begun
        if decoder.eof:
            return b""  # what stands behind the end is not part of the page, and zlib would keep all of it
        if not begun:
            begun = True
            if encoding == "deflate" and chunk[0] & 0x0F != zlib.DEFLATED:
                decoder = zlib.decompressobj(-zlib.MAX_WBITS)  # without zlib's frame, as browsers take it too
        try:
            return decoder.decompress(chunk, limit)
        except zlib.error as error:
            raise Malformed("http_request_failed", f"not {encoding}: {error}") from error

    return inflate


def _text(value: bytes) -> str:
    """A header's bytes: UTF-8 where they are that, as browsers read Location, else one character a byte."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _Carrier(httpcore.AsyncNetworkStream):
    """Our stream as httpcore wants it. `ended` tells a close from a protocol error, which httpcore does not."""

    def __init__(self, stream: Stream, idle_timeout_s: float, into: Exchange, limit: int) -> None:
        self._stream = stream
        self._idle_timeout_s = idle_timeout_s
        self._into = into
        self._limit = limit
        self._clock = asyncio.get_running_loop().time
        self._zero = self._clock()
        self._next_mark = 1
        self.ended = False
        self.sieve: Callable[[bytes], bytes] = bytes
        self._patience: asyncio.Timeout | None = None
        if isinstance(stream, TlsStream):
            stream.heard = partial(self._heard, stream)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while not (data := self.sieve(await self._receive(max_bytes))) and not self.ended:
            pass  # all of it was held back
        return data

    async def _receive(self, max_bytes: int) -> bytes:
        async with asyncio.timeout(self._idle_timeout_s) as self._patience:
            data = await self._stream.receive(max_bytes)
        self.ended = not data
        self._into.received += len(data)
        if self._into.received > self._limit:
            raise Malformed("http_request_failed", f"more than {self._limit} bytes for one answer")
        if data:
            self._into.last = (round(self._clock() - self._zero, 4), self._into.received)
        if self._into.last and self._into.received >= self._next_mark:
            self._into.curve.append(self._into.last)
            self._next_mark = 2 * self._into.received
        return data

    def _heard(self, stream: TlsStream) -> None:
        """Bytes came of a record that is not whole: no silence, though there is nothing to read yet."""
        now = self._clock()
        self._into.last = (round(now - self._zero, 4), self._into.received + stream.undelivered)
        if self._patience is not None:
            self._patience.reschedule(now + self._idle_timeout_s)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:  # httpcore writes a GET's empty body, twice
            return
        async with asyncio.timeout(self._idle_timeout_s):
            await self._stream.send(buffer)

    async def aclose(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return None


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A finished fetch: `status` 304 means that nothing is newer than what `etag` and `modified` stood for."""

    status: int
    etag: str | None
    modified: str | None
    length: int


class FetchFailed(OSError):
    """A download that did not work, in one line that names the URL."""


async def fetch(
    url: str,
    into: FilePath,
    *,
    etag: str | None = None,
    modified: str | None = None,
    max_bytes: int = MAX_FETCH_BYTES,
    timeout_s: float = 60,
    ca_file: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Download:
    """Download `url` into the file `into`, conditional on `etag` and `modified` where given (RFC 9110 section 13).

    The file appears when it is whole. What came of it before an error stays beside it, where the server's answer can be
    continued, and the next fetch of the same goes on from there. `progress(done, total)` is told in bytes, `total` is
    None where the server does not say. Raises FetchFailed on any error, also where more than `max_bytes` come, and
    where a redirect leads from https to http.
    """
    import httpx

    from probe.tls_context import client_context

    headers = {"If-None-Match": etag} if etag else {}
    headers |= {"If-Modified-Since": modified} if modified else {}
    try:
        with PartialDownload(url, into) as part:
            headers |= part.asks()
            async with (
                httpx.AsyncClient(
                    verify=client_context(ca_file, verify=True, alpn=("http/1.1",)),
                    trust_env=False,
                    follow_redirects=True,
                    timeout=timeout_s,
                    event_hooks={"request": [_Leads()]},
                ) as client,
                client.stream("GET", url, headers=headers) as response,
            ):
                return await _take(response, part, max_bytes, progress)
    except FetchFailed as error:
        raise FetchFailed(f"{url}: {error}") from error
    except BadPart as error:
        raise FetchFailed(f"{url}: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchFailed(f"{url}: {type(error).__name__}: {error}") from error


class _Leads:
    """Looks at every hop of a download before it is made: to a host, and never from https down to http."""

    def __init__(self) -> None:
        self._secured_by = ""

    async def __call__(self, request: Any) -> None:
        if not HOST.fullmatch(request.url.raw_host):  # httpx would ask the resolver for `%5B` too
            raise FetchFailed(f"{request.url.host!r} is no host")
        if self._secured_by and request.url.scheme != "https":
            raise FetchFailed(
                f"{self._secured_by} redirects to {request.url.scheme}://{request.url.host}, where anybody on the way"
                " could change what comes; not followed"
            )
        if request.url.scheme == "https":
            self._secured_by = request.url.host


async def _take(
    response: Any, part: PartialDownload, max_bytes: int, progress: Callable[[int, int | None], None] | None
) -> Download:
    status = response.status_code
    part.begin(status, response.headers, max_bytes)
    if status != NOT_MODIFIED:
        async with aclosing(response.aiter_raw()) as chunks:
            async for chunk in chunks:
                part.add(chunk)
                if progress:
                    progress(part.length, part.total)
        part.finish()
    return Download(
        status=NOT_MODIFIED if status == NOT_MODIFIED else 200,
        etag=response.headers.get("etag"),
        modified=response.headers.get("last-modified"),
        length=0 if status == NOT_MODIFIED else part.length,
    )
