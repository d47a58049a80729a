"""Site answers that only tests use; they extend schedules.demo.sites."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping

from schedules.demo.listener import ServerStream
from schedules.demo.sites import Responder, SiteRequest, answers, html, page, response

SETTLE_S = 0.05
"""A reset overtakes what is still on its way; this long before it, the bytes have arrived."""

FOREVER = 100_000
"""The most pieces an 'endless' answer sends: far above any client's patience, but bounded."""


def redirect(location: str, status: int = 302) -> Responder:
    """A redirect to `location`, which may be anything, also this very page or nonsense."""
    return answers(response(status, Location=location))


def geoblock(status: int = 451) -> Responder:
    """The service keeps out visitors from this country."""
    text = "This content is not available in your region."
    return answers(response(status, html("Unavailable For Legal Reasons", text)))


def login_page() -> Responder:
    """A captive portal that answers in the reference site's place: 200 with a page."""
    return page("Sign in to the hotel's network")


def stalls_after(size: int, total: int = 65536) -> Responder:
    """Promise `total` bytes of body, send `size`, then nothing until the client leaves."""

    async def respond(_: SiteRequest, stream: ServerStream) -> None:
        await stream.send(_partial(size, total))
        await stream.gone()

    return respond


def resets_after(size: int, total: int = 65536) -> Responder:
    """Promise `total` bytes of body, send `size`, then reset the connection."""

    async def respond(_: SiteRequest, stream: ServerStream) -> None:
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


def resets_behind(body: bytes) -> Responder:
    """A body without a length, all of it, and a reset in place of the close."""

    async def respond(_: SiteRequest, stream: ServerStream) -> None:
        await stream.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + body)
        await asyncio.sleep(SETTLE_S)
        stream.reset()

    return respond


async def event_stream(_: SiteRequest, stream: ServerStream) -> None:
    """One server-sent event, then nothing until the client leaves."""
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
    await stream.gone()


async def no_answer(_: SiteRequest, stream: ServerStream) -> None:
    """Read the request, say nothing, wait for the client to give up."""
    await stream.gone()


async def closes(_: SiteRequest, stream: ServerStream) -> None:
    """Read the request and close without a byte of answer."""


async def resets(_: SiteRequest, stream: ServerStream) -> None:
    """Read the request and reset the connection."""
    stream.reset()


async def endless_headers(_: SiteRequest, stream: ServerStream) -> None:
    """Header fields without end."""
    await stream.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(FOREVER):
        await stream.send(f"X-Endless-{number}: {'x' * 1000}\r\n".encode() * 16)


async def endless_body(_: SiteRequest, stream: ServerStream) -> None:
    """A body without length and without end."""
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n")
    for _turn in range(FOREVER):
        await stream.send(b"x" * 65536)


async def not_http(_: SiteRequest, stream: ServerStream) -> None:
    """Bytes that are no HTTP."""
    await stream.send(b"\x00\x01 this is not HTTP\r\n\r\n")


def gzip_bomb(mib: int = 64) -> Responder:
    """A body of some KiB that unpacks to `mib` MiB."""
    return answers(response(200, gzip.compress(bytes(mib * 1024 * 1024), mtime=0), Content_Encoding="gzip"))


def trickle(size: int, every_s: float, piece: int = 1) -> Responder:
    """A whole page of `size` bytes, `piece` bytes every `every_s` seconds: slow, but honest."""
    whole = response(200, html("Slow", kib=0).ljust(size, b"x"))

    async def respond(_: SiteRequest, stream: ServerStream) -> None:
        for start in range(0, len(whole), piece):
            await stream.send(whole[start : start + piece])
            await asyncio.sleep(every_s)

    return respond


def by_path(pages: Mapping[str, Responder], otherwise: Responder | None = None) -> Responder:
    """Another answer for each path, 404 or `otherwise` for the rest."""
    fallback = otherwise or answers(response(404, html("Not Found")))

    async def respond(request: SiteRequest, stream: ServerStream) -> None:
        await pages.get(request.path.split("?", 1)[0], fallback)(request, stream)

    return respond
