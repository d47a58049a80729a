"""The seam to the outside: connects, datagrams, the system's resolver, the clock and chance."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from datetime import UTC, datetime
from typing import Protocol

from probe.failure import PrivateAddress, ProxyRefused, ProxyUnusable
from probe.net.address_policy import literal
from probe.net.host_identity import own_names
from probe.net.path import Path, Proxy, bind, proxy_of
from probe.net.streams import SocketStream, Stream
from probe.net.system_resolver import SystemResolver

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
AS_LETTERS = (ALPHABET * (256 // len(ALPHABET))).encode()
"""What each octet stands for in an id."""
ID_CHARACTERS = 16


class Network(Protocol):
    """What a measurement may do to the world. `remote_names`: names are resolved at the far end of the path."""

    remote_names: bool

    @property
    def lookups(self) -> Network:
        """The network by which resolvers are asked: this one, unless names are looked up away from its path."""
        ...

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    def token(self) -> str:
        """A fresh random identifier."""
        ...

    async def connect(self, host: str, port: int, timeout_s: float | None = None) -> Stream:
        """A TCP connection to an address, or to a name where `remote_names`; OSError where it fails.

        `timeout_s` is the target's time; a proxy on the way has as much again for itself (ProxyUnusable).
        """
        ...

    async def datagrams(self, address: str, port: int) -> socket.socket:
        """A non-blocking UDP socket connected to an address, for the caller to close."""
        ...

    def own_addresses(self) -> frozenset[str]:
        """Addresses that connections left from so far, and this machine's names: `probe.redact.scrub` removes them."""
        ...

    async def getaddrinfo(self, host: str) -> tuple[str, ...]:
        """What the machine's own resolver says, both families; socket.gaierror where it fails."""
        ...


class RealNetwork:
    """The network as this machine has it, by one path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._proxy = proxy_of(path)
        self.remote_names = self._proxy is not None and path.remote_names
        self._own: set[str] = set(own_names())
        self.lookups: Network = self
        if self._proxy is not None and not path.remote_names:
            direct = RealNetwork(Path(path.name))
            direct._own = self._own
            self.lookups = direct
        self._system_resolver = SystemResolver()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def token(self) -> str:
        return secrets.token_bytes(ID_CHARACTERS).translate(AS_LETTERS).decode()

    async def connect(self, host: str, port: int, timeout_s: float | None = None) -> Stream:
        if self._proxy is None:
            async with asyncio.timeout(timeout_s):
                return await self._dial(host, port)
        stream = await self._greeted_proxy(self._proxy, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await self._proxy.tunnel(stream, host, port)
        except (ProxyRefused, ProxyUnusable, TimeoutError):
            stream.close()
            raise
        except (OSError, EOFError) as error:
            stream.close()
            raise ProxyUnusable(f"path {self.path.name}: the proxy hung up") from error
        except BaseException:
            stream.close()
            raise
        return stream

    async def _greeted_proxy(self, proxy: Proxy, timeout_s: float | None) -> Stream:
        """A stream to the proxy, which has a time of its own to answer: its silence is not the target's."""
        stream: Stream | None = None
        try:
            async with asyncio.timeout(timeout_s):
                stream = await self._dial(await self._proxy_address(proxy.host), proxy.port)
                await proxy.greet(stream)
        except BaseException as error:
            if stream is not None:
                stream.close()
            if isinstance(error, (OSError, EOFError)) and not isinstance(error, ProxyUnusable):
                raise ProxyUnusable(f"path {self.path.name}: the proxy cannot be reached") from error
            raise
        return stream

    async def datagrams(self, address: str, port: int) -> socket.socket:
        if self._proxy is not None:
            raise ProxyUnusable(f"path {self.path.name}: a proxy carries no datagrams")
        sock = self._socket(address, socket.SOCK_DGRAM)
        try:
            sock.connect((address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def getaddrinfo(self, host: str) -> tuple[str, ...]:
        return await self._system_resolver.addresses(host)

    async def _dial(self, address: str, port: int) -> Stream:
        if literal(address) is None:
            raise PrivateAddress(f"{address} is a name, and this path resolves none")
        sock = self._socket(address, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                sock.connect((address, port))
            except (BlockingIOError, InterruptedError):  # which only the nearest do not
                await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        self._own.add(sock.getsockname()[0])
        return SocketStream(sock)

    def own_addresses(self) -> frozenset[str]:
        return frozenset(self._own)

    def _socket(self, address: str, kind: socket.SocketKind) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        try:
            sock.setblocking(False)
            if self.path.bind is not None:
                bind(sock, self.path.bind)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _proxy_address(self, host: str) -> str:
        return host if literal(host) else (await self.getaddrinfo(host))[0]
