"""A middlebox for QUIC: it hands datagrams on, reads the name in the first of them, and drops the flows it dislikes.

On loopback it stands at the site's public address; in the lab the gateway's redirects lead to it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection
from contextlib import suppress

from schedules.demo.censor import ConnectionInfo
from schedules.demo.listener import Address, Listeners, address_of, udp_socket
from tests.lab.quic_initial import Hello

MAX_DATAGRAM = 65_535
MOST_FLOWS = 256

Judge = Callable[[ConnectionInfo], bool]
"""Whether a flow is dropped, from its first datagram with a whole name on."""


def names(*listed: str) -> Judge:
    """Drop flows that ask for one of these names, wherever they go."""
    return lambda seen: seen.name in listed


def serve_quic_middlebox(
    here: Listeners, host: str, upstream: Address, drops: Judge, exempt: Collection[str] = (), port: int = 0
) -> Address:
    """Stand at `host` before `upstream`. Sources in `exempt` pass unread. Returns the public address."""
    sock = udp_socket(host, port)
    here.hold(sock)
    here.run(_Middlebox(here, sock, upstream, drops, exempt).run())
    return address_of(sock)


class _Flow:
    """One client's datagrams: kept back until the name is known, then handed on, or dropped with all that follow."""

    def __init__(self, upstream: socket.socket) -> None:
        self.upstream = upstream
        self.hello: Hello | None = Hello()
        self.waiting: list[bytes] = []
        self.dropped = False


class _Middlebox:
    def __init__(
        self, here: Listeners, sock: socket.socket, upstream: Address, drops: Judge, exempt: Collection[str]
    ) -> None:
        self._here, self._sock, self._upstream, self._drops, self._exempt = here, sock, upstream, drops, exempt
        self._flows: dict[Address, _Flow] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with suppress(ConnectionError):
                data, client = await loop.sock_recvfrom(self._sock, MAX_DATAGRAM)
                self._take(data, client)

    def _take(self, data: bytes, client: Address) -> None:
        flow = self._flows.get(client)
        if flow is None:
            if len(self._flows) >= MOST_FLOWS:
                return
            flow = self._flows[client] = self._begin(client)
        if flow.hello is not None:
            flow.waiting.append(data)
            flow.hello.add(data)
            if not flow.hello.whole:
                return
            seen = ConnectionInfo(client[0], address_of(self._sock), "quic", flow.hello.name)
            flow.dropped = client[0] not in self._exempt and self._drops(seen)
            flow.hello, data_on = None, flow.waiting
        else:
            data_on = [data]
        for one in [] if flow.dropped else data_on:
            with suppress(OSError):
                flow.upstream.send(one)

    def _begin(self, client: Address) -> _Flow:
        upstream = socket.socket(socket.AF_INET6 if ":" in self._upstream[0] else socket.AF_INET, socket.SOCK_DGRAM)
        upstream.setblocking(False)
        upstream.connect(self._upstream)
        self._here.hold(upstream)
        self._here.run(self._hand_back(upstream, client))
        return _Flow(upstream)

    async def _hand_back(self, upstream: socket.socket, client: Address) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with suppress(OSError):
                self._sock.sendto(await loop.sock_recv(upstream, MAX_DATAGRAM), client)
