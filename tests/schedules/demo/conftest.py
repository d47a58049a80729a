"""Plain clients, independent of the program's own, to see each behaviour of the demo network happen."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from schedules.demo.network import Site
from tests.lab.network import LabNetwork

SHORT_S = 0.3
"""How long a client waits where nothing will ever come."""


@dataclass(frozen=True)
class Client:
    """A browser of few words: every method blocks, so tests call it through `ask`."""

    ca_file: str
    source: str | None = None

    def connect(self, site: Site, timeout_s: float = 5.0) -> socket.socket:
        where = (self.source, 0) if self.source else None
        return socket.create_connection((site.address, site.port), timeout_s, source_address=where)

    def handshake(self, site: Site, sni: str | None = None, timeout_s: float = 5.0) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.ca_file)
        return context.wrap_socket(self.connect(site, timeout_s), server_hostname=sni or site.name)

    def get(self, site: Site, *, host: str | None = None, timeout_s: float = 5.0) -> bytes:
        """The whole answer, read until the server closes."""
        tls = site.url.startswith("https")
        with self.handshake(site, timeout_s=timeout_s) if tls else self.connect(site, timeout_s) as sock:
            sock.sendall(f"GET / HTTP/1.1\r\nHost: {host or site.name}:{site.port}\r\n\r\n".encode())
            return read_all(sock)


def read_all(sock: socket.socket, most: int = 4 * 1024 * 1024) -> bytes:
    data = b""
    while len(data) < most and (more := sock.recv(65536)):
        data += more
    return data


@pytest.fixture
async def net() -> AsyncIterator[LabNetwork]:
    """A network with resolvers, canaries and a control, and no site."""
    async with LabNetwork() as network:
        yield network


@pytest.fixture
def client(net: LabNetwork) -> Client:
    return Client(str(net.authority.ca_file))


@pytest.fixture
def ask() -> Callable[..., Awaitable[Any]]:
    """`await ask(client.get, site)`: a blocking call in a thread, while the network runs in this loop."""
    return asyncio.to_thread


@pytest.fixture
def short_s() -> float:
    return SHORT_S
