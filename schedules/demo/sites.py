"""The origin servers: what a site answers over HTTP, with or without TLS. A responder is one answer.

One request a connection: every answer says `Connection: close`, so that each behaviour is seen alone.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from schedules.demo.listener import Address, Listeners, ServerStream, tcp_socket

MAX_HEAD_BYTES = 65536


@dataclass(frozen=True)
class SiteRequest:
    """What was asked: method, path with query, header fields by lower-case name."""

    method: str
    path: str
    fields: Mapping[str, str]

    @property
    def host(self) -> str:
        """The Host without its port, in lower case."""
        return self.fields.get("host", "").rsplit(":", 1)[0].lower()


Responder = Callable[[SiteRequest, ServerStream], Awaitable[None]]


def parse_request(head: bytes) -> SiteRequest | None:
    """The request line and fields of `head`, None if malformed."""
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return None
    fields = {name.strip().lower(): value.strip() for name, colon, value in (x.partition(":") for x in lines) if colon}
    return SiteRequest(parts[0], parts[1], fields)


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

    async def respond(_: SiteRequest, stream: ServerStream) -> None:
        await stream.send(data)

    return respond


def page(title: str, kib: int = 1) -> Responder:
    """An ordinary page of `kib` KiB."""
    return answers(response(200, html(title, kib=kib), Server="honest"))


def no_content() -> Responder:
    """What a canary answers: 204 and nothing."""
    return answers(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


def challenge(status: int = 403) -> Responder:
    """A CDN's challenge page: the service itself does not trust this visitor."""
    text = '<form id="challenge-form" action="/cdn-cgi/challenge-platform/h/b/orchestrate/jsch/v1"></form>'
    body = html("Just a moment...", text + "<noscript>Enable JavaScript and cookies to continue</noscript>")
    return answers(response(status, body, Server="cloudflare", cf_mitigated="challenge", CF_RAY="8f00demo-DME"))


def serve_site(
    listeners: Listeners, host: str, responder: Responder, context: ssl.SSLContext | None = None, port: int = 0
) -> Address:
    """A site at `host`: over TLS if `context` is given. Returns where it listens."""

    async def converse(stream: ServerStream) -> None:
        head = await stream.reader.readuntil(b"\r\n\r\n")
        if (request := parse_request(head[:MAX_HEAD_BYTES])) is None:
            await stream.send(response(400, b""))
            return
        await responder(request, stream)

    return listeners.serve_stream(tcp_socket(host, port), converse, context)
