"""The middlebox in front of a site: reads the first bytes of a connection and passes it on or interferes.

A policy chooses an action from what was seen. Connections from exempt addresses pass untouched: those of the control,
which come through a small SOCKS5 server (RFC 1928; CONNECT, no authentication).
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from probe.net.address_policy import literal
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
HANDSHAKE_RECORD, CLIENT_HELLO = 22, 1


def server_name(data: bytes) -> tuple[bool, str | None]:
    """Whether a ClientHello is whole, or cannot be one, so that more bytes would not help; its SNI in lower case."""
    from aioquic.buffer import Buffer  # type: ignore[attr-defined]
    from aioquic.tls import pull_client_hello

    handshake, rest = b"", data
    while len(rest) >= 5 and len(rest) >= (end := 5 + int.from_bytes(rest[3:5], "big")):
        if rest[0] != HANDSHAKE_RECORD:
            return True, None
        handshake, rest = handshake + rest[5:end], rest[end:]
    if handshake and handshake[0] != CLIENT_HELLO:
        return True, None
    if len(handshake) < 4 or len(handshake) < 4 + int.from_bytes(handshake[1:4], "big"):
        return len(data) >= MAX_HELLO_BYTES, None
    try:
        name = pull_client_hello(Buffer(data=handshake)).server_name
    except Exception:  # the parser has no error of its own for what is no ClientHello
        return True, None
    return True, name.lower().rstrip(".") or None if name else None


Lookup = Callable[[str], list[str]]
"""A name -> its addresses, none if it has none."""

SUCCEEDED, GENERAL, NET_UNREACHABLE, HOST_UNREACHABLE, REFUSED, BAD_COMMAND, BAD_ADDRESS = 0, 1, 3, 4, 5, 7, 8
CONNECT, IPV4, DOMAIN, IPV6 = 1, 1, 3, 4
CONNECT_TIMEOUT_S = 2.0
_REPLIES = {
    errno.ECONNREFUSED: REFUSED,
    errno.EHOSTUNREACH: HOST_UNREACHABLE,
    errno.ETIMEDOUT: HOST_UNREACHABLE,
    errno.ENETUNREACH: NET_UNREACHABLE,
}


class SocksRequestError(Exception):
    """A request that cannot be met; `code` is the reply for it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"SOCKS reply {code}")
        self.code = code


def serve_socks(
    listeners: Listeners,
    host: str,
    lookup: Lookup,
    routes: Mapping[Address, Address],
    source: str | None = None,
    port: int = 0,
) -> Address:
    """Listen at `host`, and connect from `source`, which the censor lets pass.

    `routes`, which may grow, has the real address of sites whose public address refuses or drops connections.
    """

    async def handle(client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        if not await _greeted(client):
            return
        try:
            name, port = await _request(client)
            upstream = await _connect([name] if literal(name) else lookup(name), port, routes, source)
        except SocksRequestError as trouble:
            await loop.sock_sendall(client, _reply(trouble.code, None))
            await listener.close_gracefully(client)
            return
        await loop.sock_sendall(client, _reply(SUCCEEDED, upstream))
        await listener.relay_streams(client, upstream)

    return listeners.serve(tcp_socket(host, port), handle)


async def _greeted(client: socket.socket) -> bool:
    version, count = await _exactly(client, 2)
    methods = await _exactly(client, count)
    fine = version == 5 and 0 in methods
    await asyncio.get_running_loop().sock_sendall(client, b"\x05\x00" if fine else b"\x05\xff")
    return fine


async def _request(client: socket.socket) -> tuple[str, int]:
    """Where the client wants to go: (name or address, port)."""
    version, command, _, kind = await _exactly(client, 4)
    if kind == DOMAIN:
        (size,) = await _exactly(client, 1)
        target = (await _exactly(client, size)).decode("ascii", "replace").lower().rstrip(".")
    elif kind in (IPV4, IPV6):
        target = str(ipaddress.ip_address(await _exactly(client, 4 if kind == IPV4 else 16)))
    else:
        raise SocksRequestError(BAD_ADDRESS)
    port = int.from_bytes(await _exactly(client, 2), "big")
    if version != 5 or command != CONNECT:
        raise SocksRequestError(BAD_COMMAND)
    return target, port


async def _connect(found: list[str], port: int, routes: Mapping[Address, Address], source: str | None) -> socket.socket:
    """A connection to the first address that answers; the last failure tells the reply."""
    code = HOST_UNREACHABLE
    for address in found:
        to = routes.get((address, port), (address, port))
        try:
            return await asyncio.wait_for(
                listener.connect_to(to, source if ":" not in to[0] else None), CONNECT_TIMEOUT_S
            )
        except TimeoutError:
            code = HOST_UNREACHABLE
        except OSError as error:
            code = _REPLIES.get(error.errno or 0, GENERAL)
    raise SocksRequestError(code)


def _reply(code: int, upstream: socket.socket | None) -> bytes:
    host, port = upstream.getsockname()[:2] if upstream is not None else ("0.0.0.0", 0)  # noqa: S104 - the RFC's "none"
    packed = ipaddress.ip_address(host).packed
    return bytes((5, code, 0, IPV4 if len(packed) == 4 else IPV6)) + packed + port.to_bytes(2, "big")


async def _exactly(client: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        more = await loop.sock_recv(client, size - len(data))
        if not more:
            raise EOFError("the client left in the middle of a SOCKS message")
        data += more
    return data
