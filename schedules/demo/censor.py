"""The middlebox. It stands before a site at the site's public address, reads the first bytes of each connection, and
lets them through, or does one of the things that censors do. Nothing here knows the site behind it.

A policy looks at what was seen and chooses an action; an action does it. Connections from an exempt source address
(the control's) pass untouched.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from schedules.demo import relay
from schedules.demo.client_hello import MAX_HELLO, server_name
from schedules.demo.listener import Address, Listeners, reset, tcp_socket
from schedules.demo.relay import CHUNK
from schedules.demo.sites import html, parse_request, response


@dataclass(frozen=True)
class Seen:
    """What a middlebox knows of a connection: where it goes, and the name in its SNI or Host (None if none)."""

    source: str
    destination: Address
    protocol: str
    """One of tls, http, other."""
    name: str | None


@dataclass(frozen=True)
class Flow:
    """One connection in the middlebox's hands: the client's socket, the bytes read so far, the way on."""

    client: socket.socket
    first: bytes
    upstream: Address
    seen: Seen


Action = Callable[[Flow], Awaitable[None]]
Policy = Callable[[Seen], Action]


async def passes(flow: Flow) -> None:
    """Forward both ways until both have ended."""
    await _relay(flow, relay.hand_back)


async def resets(flow: Flow) -> None:
    """A TCP reset."""
    reset(flow.client)


async def drops(flow: Flow) -> None:
    """Swallow everything from here on, answer nothing."""
    await relay.left(flow.client)


async def closes(flow: Flow) -> None:
    """A FIN, where an answer was expected."""
    await relay.finish(flow.client)


def alerts(description: int = 40) -> Action:
    """A fatal TLS alert (RFC 8446, 6.2): 40 handshake_failure, 112 unrecognized_name."""

    return answers(bytes((0x15, 0x03, 0x03, 0x00, 0x02, 0x02, description)))


def answers(data: bytes) -> Action:
    """These bytes instead of the site's answer."""

    async def act(flow: Flow) -> None:
        await asyncio.get_running_loop().sock_sendall(flow.client, data)
        await relay.finish(flow.client)

    return act


def diverts(to: Address) -> Action:
    """Lead the connection to another server, such as an interceptor with a certificate of its own."""

    async def act(flow: Flow) -> None:
        await passes(Flow(flow.client, flow.first, to, flow.seen))

    return act


def freezes_after(size: int) -> Action:
    """Let `size` bytes come back to the client, then no more."""

    async def back(upstream: socket.socket, client: socket.socket, client_left: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        left = size
        while left and (data := await loop.sock_recv(upstream, min(CHUNK, left))):
            await loop.sock_sendall(client, data)
            left -= len(data)
        await client_left.wait()

    return lambda flow: _relay(flow, back)


def throttles_to(bytes_per_s: int) -> Action:
    """Let bytes come back to the client at this rate."""

    async def back(upstream: socket.socket, client: socket.socket, client_left: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        piece = max(1, bytes_per_s // 20)
        while data := await loop.sock_recv(upstream, piece):
            await loop.sock_sendall(client, data)
            await asyncio.sleep(len(data) / bytes_per_s)
        client.shutdown(socket.SHUT_WR)

    return lambda flow: _relay(flow, back)


BLOCK_TITLE = "Доступ ограничен"
BLOCK_TEXT = (
    "<p>Доступ к информационному ресурсу ограничен на основании Федерального закона от 27 июля 2006 г. № 149-ФЗ"
    ' «Об информации, информационных технологиях и о защите информации».</p><a href="http://warning.rt.ru/">Ростелеком</a>'
)


def block_answer(status: int = 403, encoding: str = "utf-8") -> bytes:
    """A Russian provider's page, in utf-8 or windows-1251, as a whole HTTP answer."""
    body = html(BLOCK_TITLE, BLOCK_TEXT).decode().replace("charset=utf-8", f"charset={encoding}").encode(encoding)
    return response(status, body, f"text/html; charset={encoding}")


def block_page(status: int = 403, encoding: str = "utf-8") -> Action:
    """The provider's page instead of the site's answer."""
    return answers(block_answer(status, encoding))


def block_redirect(location: str = "http://warning.rt.ru/?id=13&st=0&rs=http%3A%2F%2Fnews.x.test%2F") -> Action:
    """A redirect to a provider's block host, as most Russian providers do."""
    return answers(response(302, Location=location))


def lingers(policy: Policy, address: str, seconds: float, clock: Callable[[], float] = time.monotonic) -> Policy:
    """Residual blocking: what was done to a name at `address` befalls every connection there for a while after."""
    last: tuple[float, Action] | None = None

    def decide(seen: Seen) -> Action:
        nonlocal last
        action = policy(seen)
        if seen.destination[0] != address:
            return action
        if action is not passes:
            last = clock() + seconds, action
        return last[1] if last and clock() < last[0] else action

    return decide


def by_name(actions: Mapping[str, Action], otherwise: Action = passes) -> Policy:
    """Act on the name in the SNI or Host, or any name below it, wherever the connection goes."""

    def choose(seen: Seen) -> Action:
        labels = (seen.name or "").split(".")
        names = (".".join(labels[start:]) for start in range(len(labels)))
        return next((actions[name] for name in names if name in actions), otherwise)

    return choose


def by_destination(actions: Mapping[str, Action], otherwise: Policy) -> Policy:
    """Act on the address whatever the name; other addresses are left to `otherwise`."""
    return lambda seen: actions[seen.destination[0]] if seen.destination[0] in actions else otherwise(seen)


def only_protocol(protocol: str, policy: Policy) -> Policy:
    """A censor that reads TLS alone, or HTTP alone."""
    return lambda seen: policy(seen) if seen.protocol == protocol else passes


def with_residue(policy: Policy, for_s: float, clock: Callable[[], float] = time.monotonic) -> Policy:
    """Once it has acted, the censor goes on so between the same two addresses for `for_s` seconds, name or not."""
    punished: dict[tuple[str, Address], tuple[float, Action]] = {}

    def choose(seen: Seen) -> Action:
        pair = (seen.source, seen.destination)
        if (action := policy(seen)) is not passes:
            punished[pair] = (clock() + for_s, action)
            return action
        until, again = punished.get(pair, (0.0, passes))
        return again if clock() < until else passes

    return choose


def captive_portal(login_url: str) -> Policy:
    """Every request is sent to the login page, and TLS does not come through."""
    to_login = answers(response(302, Location=login_url))
    return lambda seen: to_login if seen.protocol == "http" else resets


def serve_middlebox(
    here: Listeners, host: str, upstream: Address, policy: Policy, exempt: Collection[str] = (), port: int = 0
) -> Address:
    """Stand at `host` before `upstream`. Returns the public address."""
    sock = tcp_socket(host, port)
    public = sock.getsockname()[:2]

    async def handle(client: socket.socket) -> None:
        source = client.getpeername()[0]
        if source in exempt:
            await passes(Flow(client, b"", upstream, Seen(source, public, "other", None)))
            return
        first, protocol, name = await _first_bytes(client)
        seen = Seen(source, public, protocol, name)
        await policy(seen)(Flow(client, first, upstream, seen))

    return here.serve(sock, handle)


async def _first_bytes(client: socket.socket) -> tuple[bytes, str, str | None]:
    """Read until the ClientHello or the request's head is whole, or cannot be either: (bytes, protocol, name)."""
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < MAX_HELLO:
        more = await loop.sock_recv(client, CHUNK)
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


async def _relay(flow: Flow, back: relay.Back) -> None:
    try:
        upstream = await relay.connect(flow.upstream)
    except OSError:
        reset(flow.client)
        return
    await asyncio.get_running_loop().sock_sendall(upstream, flow.first)
    await relay.join(flow.client, upstream, back)
