"""A small SOCKS5 server (RFC 1928; CONNECT, no authentication), with which the control bypasses the censor.

Connections leave from `source`, which the censor lets pass. `routes` gives the real address of sites whose public
address refuses or drops connections.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable, Mapping

from schedules.demo import listener
from schedules.demo.listener import Address, Listeners, tcp_socket

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
    """Listen at `host`. `routes` may grow while it runs."""

    async def handle(client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        if not await _greeted(client):
            return
        try:
            name, port = await _request(client)
            upstream = await _connect(lookup(name) if not _is_address(name) else [name], port, routes, source)
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


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _exactly(client: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        more = await loop.sock_recv(client, size - len(data))
        if not more:
            raise EOFError("the client left in the middle of a SOCKS message")
        data += more
    return data
