"""The origin servers: what a site answers over HTTP, with or without TLS. A responder is one answer.

One request a connection: every answer says `Connection: close`, so that each behaviour is seen alone.
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from schedules.demo.listener import Address, Listeners, Stream, tcp_socket

MAX_HEAD = 65536
SETTLE_S = 0.05
"""A reset overtakes what is still on its way; this long before it, the bytes have arrived."""
FOREVER = 100_000
"""The most pieces an 'endless' answer sends: far above any client's patience, but bounded."""


@dataclass(frozen=True)
class Request:
    """What was asked: method, path with query, header fields by lower-case name."""

    method: str
    path: str
    fields: Mapping[str, str]

    @property
    def host(self) -> str:
        """The Host without its port, in lower case."""
        return self.fields.get("host", "").rsplit(":", 1)[0].lower()


Responder = Callable[[Request, Stream], Awaitable[None]]


def parse_request(head: bytes) -> Request | None:
    """The request line and fields of `head`, or None if it is no HTTP request."""
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return None
    fields = {name.strip().lower(): value.strip() for name, colon, value in (x.partition(":") for x in lines) if colon}
    return Request(parts[0], parts[1], fields)


def response(status: int, body: bytes = b"", content_type: str = "text/html; charset=utf-8", **fields: str) -> bytes:
    """The bytes of a whole answer. Field names are given with `_` for `-`."""
    extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    head = f"HTTP/1.1 {status} {_REASONS.get(status, 'Answer')}\r\nContent-Type: {content_type}\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


_REASONS = {200: "OK", 204: "No Content", 302: "Found", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}
_REASONS |= {451: "Unavailable For Legal Reasons", 503: "Service Unavailable"}


def html(title: str, text: str = "", kib: int = 0) -> bytes:
    """A page with this title, padded to `kib` KiB."""
    head = f"<!doctype html><html><head><meta charset=utf-8><title>{title}</title></head><body><h1>{title}</h1>{text}"
    body = head.encode()
    return body + b"x" * max(0, kib * 1024 - len(body) - 14) + b"</body></html>"


def answers(data: bytes) -> Responder:
    """Send exactly these bytes and close."""

    async def respond(_: Request, stream: Stream) -> None:
        await stream.send(data)

    return respond


def page(title: str, kib: int = 1) -> Responder:
    """An ordinary page of `kib` KiB."""
    return answers(response(200, html(title, kib=kib), Server="honest"))


def no_content() -> Responder:
    """What a canary answers: 204 and nothing."""
    return answers(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


def redirect(location: str, status: int = 302) -> Responder:
    """A redirect to `location`, which may be anything, also this very page or nonsense."""
    return answers(response(status, Location=location))


def challenge(status: int = 403) -> Responder:
    """A CDN's challenge page: the service itself does not trust this visitor."""
    text = '<form id="challenge-form" action="/cdn-cgi/challenge-platform/h/b/orchestrate/jsch/v1"></form>'
    body = html("Just a moment...", text + "<noscript>Enable JavaScript and cookies to continue</noscript>")
    return answers(response(status, body, Server="cloudflare", cf_mitigated="challenge", CF_RAY="8f00demo-DME"))


def geoblock(status: int = 451) -> Responder:
    """The service keeps out visitors from this country."""
    text = "This content is not available in your region."
    return answers(response(status, html("Unavailable For Legal Reasons", text)))


def login_page() -> Responder:
    """A captive portal that answers in the canary's place: 200 with a page."""
    return page("Sign in to the hotel's network")


def stalls_after(size: int, total: int = 65536) -> Responder:
    """Promise `total` bytes of body, send `size`, then nothing until the client leaves."""

    async def respond(_: Request, stream: Stream) -> None:
        await stream.send(_partial(size, total))
        await stream.gone()

    return respond


def resets_after(size: int, total: int = 65536) -> Responder:
    """Promise `total` bytes of body, send `size`, then reset the connection."""

    async def respond(_: Request, stream: Stream) -> None:
        await stream.send(_partial(size, total))
        await asyncio.sleep(SETTLE_S)
        stream.reset()

    return respond


def ends_after(size: int, total: int = 65536) -> Responder:
    """Promise `total` bytes of body, send `size`, then close."""
    return answers(_partial(size, total))


def _partial(size: int, total: int) -> bytes:
    whole = response(200, html("Unfinished", kib=0).ljust(total, b"x"))
    return whole[: whole.index(b"\r\n\r\n") + 4 + size]


async def no_answer(_: Request, stream: Stream) -> None:
    """Read the request, say nothing, wait for the client to give up."""
    await stream.gone()


async def closes(_: Request, stream: Stream) -> None:
    """Read the request and close without a byte of answer."""


async def resets(_: Request, stream: Stream) -> None:
    """Read the request and reset the connection."""
    stream.reset()


async def endless_headers(_: Request, stream: Stream) -> None:
    """Header fields without end."""
    await stream.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(FOREVER):
        await stream.send(f"X-Endless-{number}: {'x' * 1000}\r\n".encode() * 16)


async def endless_body(_: Request, stream: Stream) -> None:
    """A body without length and without end."""
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n")
    for _turn in range(FOREVER):
        await stream.send(b"x" * 65536)


async def not_http(_: Request, stream: Stream) -> None:
    """Bytes that are no HTTP."""
    await stream.send(b"\x00\x01 this is not HTTP\r\n\r\n")


def gzip_bomb(mib: int = 64) -> Responder:
    """A body of some KiB that unpacks to `mib` MiB."""
    return answers(response(200, gzip.compress(bytes(mib * 1024 * 1024), mtime=0), Content_Encoding="gzip"))


def trickle(size: int, every_s: float, piece: int = 1) -> Responder:
    """A whole page of `size` bytes, `piece` bytes every `every_s` seconds: slow, but honest."""
    whole = response(200, html("Slow", kib=0).ljust(size, b"x"))

    async def respond(_: Request, stream: Stream) -> None:
        for start in range(0, len(whole), piece):
            await stream.send(whole[start : start + piece])
            await asyncio.sleep(every_s)

    return respond


def by_path(pages: Mapping[str, Responder], otherwise: Responder | None = None) -> Responder:
    """Another answer for each path, 404 or `otherwise` for the rest."""
    fallback = otherwise or answers(response(404, html("Not Found")))

    async def respond(request: Request, stream: Stream) -> None:
        await pages.get(request.path.split("?", 1)[0], fallback)(request, stream)

    return respond


def serve_site(
    here: Listeners, host: str, responder: Responder, context: ssl.SSLContext | None = None, port: int = 0
) -> Address:
    """A site at `host`: over TLS if `context` is given. Returns where it listens."""

    async def converse(stream: Stream) -> None:
        head = await stream.reader.readuntil(b"\r\n\r\n")
        if (request := parse_request(head[:MAX_HEAD])) is None:
            await stream.send(response(400, b""))
            return
        await responder(request, stream)

    return here.serve_stream(tcp_socket(host, port), converse, context)
