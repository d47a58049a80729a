"""fetch(), the bounded and resumable download: the part is stored beside the file until it is complete.

It is resumed only under a strong validator (RFC 9110 sections 13.1.5 and 14.2), so two versions are never joined.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from gettext import gettext as _
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import msgspec

from probe.failure import PrivateAddress
from probe.net.address_policy import Gate
from probe.net.resolver import SystemResolver
from probe.net.streams import client_context
from probe.timestamps import http_date

Validators = tuple[str | None, str | None]
"""The ETag and Last-Modified of a stored version."""
FETCH_TIMEOUT_S = 60
HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
MAX_FETCH_ADDRESSES, CONNECT_TIMEOUT_S = 4, 10.0
MAX_FETCH_BYTES = 512 * 1024 * 1024

_RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)\Z")
PARTIAL_CONTENT, NOT_MODIFIED, NOT_THAT_RANGE = 206, 304, 416


class BadPart(OSError):
    """The response cannot be used, or another process downloads the same; in one line."""


class PartNote(msgspec.Struct, frozen=True):
    """The URL of a part, and its validator."""

    url: str
    validator: str


class PartialDownload:
    """The part of one download, a context manager: a part that can be resumed stays, any other is deleted."""

    def __init__(self, url: str, into: Path) -> None:
        self._url, self._into = url, into
        self._part = into.with_name(into.name + ".part")
        self._note = into.with_name(into.name + ".part.json")
        self._file: IO[bytes] | None = None
        self.length = 0
        self.total: int | None = None
        self.keep = False
        self._max_bytes = 0

    def __enter__(self) -> PartialDownload:
        self._file = self._part.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise BadPart(_("another process is downloading it")) from error
        self.length = self._file.tell()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self.keep:
            self._part.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)
        if self._file:
            self._file.close()

    def resume_headers(self) -> dict[str, str]:
        """The headers that ask for the rest; none if there is nothing to resume."""
        came = self._note_of_part()
        if not self.length or came is None or came.url != self._url:
            return {}
        self.keep = True  # also when the server cannot be reached now
        return {"Range": f"bytes={self.length}-", "If-Range": came.validator}

    def _note_of_part(self) -> PartNote | None:
        try:
            return msgspec.json.decode(self._note.read_bytes(), type=PartNote)
        except (OSError, msgspec.DecodeError):
            return None

    def begin(self, status: int, headers: Mapping[str, str], max_bytes: int) -> None:
        """Read the response's head: the rest (206), everything (200), or nothing. Raises BadPart."""
        assert self._file
        if status == PARTIAL_CONTENT:
            content_range = _RANGE.match(headers.get("content-range", ""))
            if content_range is None or int(content_range[1]) != self.length or not self.keep:
                self.keep = False
                raise BadPart(_("the server sent a different part than requested; try again"))
            self.total = None if content_range[2] == "*" else int(content_range[2])
        elif status == 200:
            self._begin_anew(headers)
        elif status in (NOT_MODIFIED, NOT_THAT_RANGE):
            self.keep = False
        if status not in (200, PARTIAL_CONTENT, NOT_MODIFIED):
            raise BadPart(_("the server answered {status}").format(status=status))
        self._max_bytes = max_bytes
        self._bound(self.total or 0)

    def _begin_anew(self, headers: Mapping[str, str]) -> None:
        assert self._file
        self._file.truncate(0)
        self.length = 0
        size = headers.get("content-length", "")
        self.total = int(size) if re.fullmatch(r"[0-9]{1,15}", size) else None
        validator = strong_validator(headers)
        self.keep = validator is not None
        if validator is not None:
            self._note.write_bytes(msgspec.json.encode(PartNote(self._url, validator)))

    def _bound(self, length: int) -> None:
        if length > self._max_bytes:
            self.keep = False
            raise BadPart(_("more than {limit} bytes").format(limit=self._max_bytes))

    def add(self, chunk: bytes) -> None:
        """Append a chunk; BadPart if the size limit is exceeded."""
        assert self._file
        self.length += len(chunk)
        self._bound(self.length)
        self._file.write(chunk)

    def finish(self) -> None:
        """Move the complete file to its place."""
        assert self._file
        self._file.flush()
        self._part.replace(self._into)
        self.keep = False


def strong_validator(headers: Mapping[str, str]) -> str | None:
    """A strong ETag, or a Last-Modified before the response's Date (RFC 9110 section 8.8.2.2)."""
    if etag := headers.get("etag"):
        return etag if etag.startswith('"') else None
    changed = headers.get("last-modified", "")
    modified, sent = http_date(changed), http_date(headers.get("date", ""))
    return changed if modified is not None and sent is not None and modified < sent else None


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
    into: Path,
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
            raise FetchFailed(_("{host!r} is not a valid host name").format(host=request.url.host))
        if self._secured_by and request.url.scheme != "https":
            raise FetchFailed(
                _("{first} redirects to {scheme}://{host}, which is not encrypted; not followed").format(
                    first=self._secured_by, scheme=request.url.scheme, host=request.url.host
                )
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
