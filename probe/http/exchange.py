"""HTTP over a stream we already hold, and fetch(), the bounded download. The only importer of httpx and httpcore."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from contextlib import aclosing, suppress
from functools import cache, partial
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import urlsplit

import h11
import msgspec

from probe.failure import Malformed, PrivateAddress
from probe.http.download import NOT_MODIFIED, BadPart, PartialDownload
from probe.http.http1 import Headers, Http1Connection
from probe.http.wire import GoawayFilter, HttpResponse, StreamCarrier
from probe.net.address_policy import Gate
from probe.net.deadline import Deadline
from probe.net.resolver import SystemResolver
from probe.net.streams import ByteStream

MAX_REASON_CHARACTERS = 200
Validators = tuple[str | None, str | None]
"""The ETag and Last-Modified of a stored version."""
FETCH_TIMEOUT_S = 60
GZIP_MAGIC = 0x1F
HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
END_OF_PAGE = re.compile(rb"</html>\s*\Z", re.IGNORECASE)
"""A page without a length that ends so is complete, though a reset or silence follows."""
REDIRECTS = (301, 302, 303, 307, 308)
MAX_FETCH_ADDRESSES, CONNECT_TIMEOUT_S = 4, 10.0
MAX_FETCH_BYTES = 512 * 1024 * 1024
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


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A finished download; `status` 304 means that the server has no newer version."""

    status: int
    etag: str | None
    modified: str | None
    length: int


class FetchFailed(OSError):
    """A download failed; the message is one line that names the URL."""


class FetchPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Which certificates a download trusts beside the usual ones, and where it and its redirects may lead."""

    ca_file: str | None = None
    gate: Gate = Gate()


async def fetch(
    url: str,
    into: FilePath,
    *,
    validators: Validators = (None, None),
    max_bytes: int = MAX_FETCH_BYTES,
    policy: FetchPolicy | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Download:
    """Download `url` into the file `into`, unless `validators` match the server's version (RFC 9110 section 13).

    The file appears when it is complete; an interrupted download is resumed by the next call if the server allows it.
    `progress` gets the bytes so far and in total, None if unknown. FetchFailed on any error, also for more than
    `max_bytes`, for a redirect from https to http, and where `policy.gate` stops it.
    """
    import httpx

    etag, modified = validators
    headers = {"If-None-Match": etag} if etag else {}
    headers |= {"If-Modified-Since": modified} if modified else {}
    try:
        with PartialDownload(url, into) as part:
            headers |= part.resume_headers()
            async with (
                httpx.AsyncClient(
                    transport=_gated_transport(policy or FetchPolicy(), url),
                    trust_env=False,
                    follow_redirects=True,
                    timeout=FETCH_TIMEOUT_S,
                    event_hooks={"request": [_RedirectPolicy()]},
                ) as client,
                client.stream("GET", url, headers=headers) as response,
            ):
                return await _take(response, part, max_bytes, progress)
    except (FetchFailed, BadPart, PrivateAddress) as error:
        raise FetchFailed(f"{url}: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchFailed(f"{url}: {type(error).__name__}: {error}") from error


def _gated_transport(policy: FetchPolicy, url: str) -> Any:
    """httpx's transport, each connection of which goes to an address that the gate let through."""
    import httpcore
    import httpx

    from probe.net.streams import client_context

    context = client_context(policy.ca_file, verify=True, alpn=("http/1.1",))
    backend: Any = _GatedBackend(policy.gate.opened_for(urlsplit(url).hostname or ""))
    transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
    transport._pool = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=backend)
    return transport


class _GatedBackend:
    """httpcore's network backend: it looks names up itself, and connects to the very address that was checked."""

    def __init__(self, gate: Gate) -> None:
        import httpcore

        self._gate, self._inner = gate, httpcore.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> Any:
        import httpcore

        try:
            found = await SystemResolver().addresses(host)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} has no address") from error
        *others, last = self._gate.passed(host, found)[:MAX_FETCH_ADDRESSES]
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._inner.connect_tcp(address, port, CONNECT_TIMEOUT_S, **more)
        return await self._inner.connect_tcp(last, port, timeout, **more)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _RedirectPolicy:
    """Refuses hops of a download to an invalid host, or from https to http."""

    def __init__(self) -> None:
        self._secured_by = ""

    async def __call__(self, request: Any) -> None:
        if not HOST.fullmatch(request.url.raw_host):  # httpx would ask the resolver for `%5B` too
            raise FetchFailed(f"{request.url.host!r} is no host")
        if self._secured_by and request.url.scheme != "https":
            raise FetchFailed(
                f"{self._secured_by} redirects to {request.url.scheme}://{request.url.host}, where anyone on the way"
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
