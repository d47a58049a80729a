"""The middlebox in front of a site: reads the first bytes of a connection and passes it on or interferes.

A policy chooses an action from what was seen. Connections from exempt addresses (the control's) pass untouched.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from schedules.demo import listener
from schedules.demo.listener import CHUNK_BYTES, Address, Listeners, reset, tcp_socket
from schedules.demo.sites import html, parse_request, response


@dataclass(frozen=True)
class ConnectionInfo:
    """What a middlebox sees of a connection; `name` is its SNI or Host."""

    source: str
    destination: Address
    protocol: str
    """One of tls, http, other."""
    name: str | None


@dataclass(frozen=True)
class Flow:
    """One connection at the middlebox: the client's socket, the bytes read so far, the site's address."""

    client: socket.socket
    first: bytes
    upstream: Address
    seen: ConnectionInfo


Action = Callable[[Flow], Awaitable[None]]
Policy = Callable[[ConnectionInfo], Action]


async def passes(flow: Flow) -> None:
    """Forward both ways until both have ended."""
    await forward(flow)


async def resets(flow: Flow) -> None:
    """A TCP reset."""
    reset(flow.client)


async def drops(flow: Flow) -> None:
    """Discard everything and answer nothing."""
    await listener.drain(flow.client)


def answers(data: bytes) -> Action:
    """These bytes instead of the site's answer."""

    async def act(flow: Flow) -> None:
        await asyncio.get_running_loop().sock_sendall(flow.client, data)
        await listener.close_gracefully(flow.client)

    return act


def diverts(to: Address) -> Action:
    """Forward the connection to another server, such as an interceptor."""

    async def act(flow: Flow) -> None:
        await passes(Flow(flow.client, flow.first, to, flow.seen))

    return act


BLOCK_TITLE = "Доступ ограничен"
BLOCK_TEXT = (
    "<p>Доступ к информационному ресурсу ограничен на основании Федерального закона от 27 июля 2006 г. № 149-ФЗ"
    ' «Об информации, информационных технологиях и о защите информации».</p><a href="http://warning.rt.ru/">Ростелеком</a>'
)


def block_answer(status: int = 403, encoding: str = "utf-8") -> bytes:
    """A Russian provider's block page as an HTTP response."""
    body = html(BLOCK_TITLE, BLOCK_TEXT).decode().replace("charset=utf-8", f"charset={encoding}").encode(encoding)
    return response(status, body, f"text/html; charset={encoding}")


def block_page(status: int = 403, encoding: str = "utf-8") -> Action:
    """Answer with the provider's block page."""
    return answers(block_answer(status, encoding))


def by_name(actions: Mapping[str, Action], otherwise: Action = passes) -> Policy:
    """Act on connections to these names and their subdomains."""

    def choose(seen: ConnectionInfo) -> Action:
        labels = (seen.name or "").split(".")
        names = (".".join(labels[start:]) for start in range(len(labels)))
        return next((actions[name] for name in names if name in actions), otherwise)

    return choose


def serve_middlebox(
    listeners: Listeners, host: str, upstream: Address, policy: Policy, exempt: Collection[str] = (), port: int = 0
) -> Address:
    """Listen at `host` in front of `upstream`; return the public address."""
    sock = tcp_socket(host, port)
    public = sock.getsockname()[:2]

    async def handle(client: socket.socket) -> None:
        source = client.getpeername()[0]
        if source in exempt:
            await passes(Flow(client, b"", upstream, ConnectionInfo(source, public, "other", None)))
            return
        first, protocol, name = await _first_bytes(client)
        seen = ConnectionInfo(source, public, protocol, name)
        await policy(seen)(Flow(client, first, upstream, seen))

    return listeners.serve(sock, handle)


async def _first_bytes(client: socket.socket) -> tuple[bytes, str, str | None]:
    """Read until the ClientHello or the request's head is whole, or cannot be either: (bytes, protocol, name)."""
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < MAX_HELLO_BYTES:
        more = await loop.sock_recv(client, CHUNK_BYTES)
        data += more
        if data[:1] == b"\x16":
            whole, name = server_name(data)
            if whole or not more:
                return data, "tls", name
        elif data[:1] and not data[:1].isupper():
            break
        elif b"\r\n\r\n" in data:
            request = parse_request(data.split(b"\r\n\r\n", 1)[0])
            return (data, "http", request.host or None) if request else (data, "other", None)
        elif not more:
            break
    return data, "other", None


async def forward(flow: Flow, back: listener.ReturnPath = listener.return_unchanged) -> None:
    """Send on the bytes read so far, then relay both ways; `back` handles what the site sends."""
    try:
        upstream = await listener.connect_to(flow.upstream)
    except OSError:
        reset(flow.client)
        return
    await asyncio.get_running_loop().sock_sendall(upstream, flow.first)
    await listener.relay_streams(flow.client, upstream, back)


MAX_HELLO_BYTES = 65536
HANDSHAKE_RECORD = 22
CLIENT_HELLO = 1
SERVER_NAME = 0
HOST_NAME = 0


def server_name(data: bytes) -> tuple[bool, str | None]:
    """(is the ClientHello whole or hopeless, so that more bytes would tell no more; its SNI in lower case or None)."""
    handshake, rest = b"", data
    while len(rest) >= 5:
        if rest[0] != HANDSHAKE_RECORD:
            return True, None
        size = int.from_bytes(rest[3:5], "big")
        if len(rest) < 5 + size:
            break
        handshake += rest[5 : 5 + size]
        rest = rest[5 + size :]
    if handshake and handshake[0] != CLIENT_HELLO:
        return True, None
    if len(handshake) < 4 or len(handshake) < 4 + int.from_bytes(handshake[1:4], "big"):
        return len(data) >= MAX_HELLO_BYTES, None
    return True, _name_in(handshake[4 : 4 + int.from_bytes(handshake[1:4], "big")])


def _name_in(hello: bytes) -> str | None:
    """Version and random are 34 bytes; then session id, cipher suites, compression methods, and the extensions."""
    at = 34
    for width in (1, 2, 1):
        at += width + int.from_bytes(hello[at : at + width], "big")
    end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 2
    while at + 4 <= min(end, len(hello)):
        kind = int.from_bytes(hello[at : at + 2], "big")
        size = int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == SERVER_NAME:
            return _host_name(hello[at + 4 : at + 4 + size])
        at += 4 + size
    return None


def _host_name(extension: bytes) -> str | None:
    """The first entry of the list: two bytes of list length, one of type, two of length, the name."""
    if len(extension) < 5 or extension[2] != HOST_NAME:
        return None
    name = extension[5 : 5 + int.from_bytes(extension[3:5], "big")]
    return name.decode("ascii", "replace").lower().rstrip(".") or None
