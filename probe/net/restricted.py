"""A network that goes only where it may, whatever a name resolves to and wherever a redirect leads: for measuring on
the word of others."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection
from datetime import datetime

from probe.failure import PrivateAddress
from probe.net.address_policy import is_public, literal
from probe.net.network import Network
from probe.net.streams import Stream

May = Callable[[str, int], bool]
"""Whether an address and port may be connected to."""


class Guarded:
    """Another network, asked at every connect and for every datagram. Only the resolvers are not its business."""

    remote_names = False
    """A name that is resolved elsewhere could lead anywhere."""

    def __init__(self, inner: Network, may: May) -> None:
        if inner.remote_names:
            raise ValueError("what resolves names at its far end cannot be guarded")
        self._inner, self._may = inner, may

    @property
    def lookups(self) -> Network:
        return self._inner.lookups

    def now(self) -> datetime:
        return self._inner.now()

    def monotonic(self) -> float:
        return self._inner.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    def token(self) -> str:
        return self._inner.token()

    async def connect(self, host: str, port: int, timeout_s: float | None = None) -> Stream:
        self._check(host, port)
        return await self._inner.connect(host, port, timeout_s)

    async def datagrams(self, address: str, port: int) -> socket.socket:
        self._check(address, port)
        return await self._inner.datagrams(address, port)

    def own_addresses(self) -> frozenset[str]:
        return self._inner.own_addresses()

    async def getaddrinfo(self, host: str) -> tuple[str, ...]:
        return await self._inner.getaddrinfo(host)

    def _check(self, address: str, port: int) -> None:
        if literal(address) is None or not self._may(address, port):
            raise PrivateAddress(f"{address} port {port} is not to be connected to")


def public_only(ports: Collection[int]) -> May:
    """Public addresses that are not this machine's own, on these ports."""
    return lambda address, port: port in ports and is_public(address) and not is_own(address)


def is_own(address: str) -> bool:
    """Whether it is an address of this machine: one that a socket can be bound to."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True
