"""The seam to the outside: connections, datagrams, the system's resolver, clock, randomness, and this host's names."""

from __future__ import annotations

import asyncio
import getpass
import re
import secrets
import socket
import time
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv6Address
from pathlib import Path as FilePath
from typing import Protocol

from probe.failure import PrivateAddress, ProxyRefused, ProxyUnusable
from probe.net.address_policy import Gate, literal
from probe.net.deadline import Deadline
from probe.net.path import Path, Proxy, bind, proxy_of
from probe.net.resolver import SystemResolver
from probe.net.streams import ByteStream, SocketStream

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
AS_LETTERS = (ALPHABET * (256 // len(ALPHABET))).encode()
"""What each octet stands for in an id."""
ID_CHARACTERS = 16


class Network(Protocol):
    """What a measurement may do. `remote_names`: names are resolved at the far end of the path."""

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

    async def connect(
        self, host: str, port: int, timeout_s: float | None = None, *, max_segment: int | None = None
    ) -> ByteStream:
        """A TCP connection to an address, or a name if `remote_names`; OSError if it fails.

        A proxy has another `timeout_s` for itself (ProxyUnusable). `max_segment` limits what both ends send at once.
        """
        ...

    async def datagrams(self, address: str, port: int) -> socket.socket:
        """A non-blocking UDP socket connected to an address, for the caller to close."""
        ...

    def own_addresses(self) -> frozenset[str]:
        """Source addresses used so far, and this machine's names, for `probe.redact.scrub` to remove."""
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
        self._own: set[str] = {*host_names(), *interface_addresses()}
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

    async def connect(
        self, host: str, port: int, timeout_s: float | None = None, *, max_segment: int | None = None
    ) -> ByteStream:
        if self._proxy is None:
            async with Deadline(timeout_s):
                return await self._dial(host, port, max_segment)
        stream = await self._greeted_proxy(self._proxy, timeout_s)
        try:
            async with Deadline(timeout_s):
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

    async def _greeted_proxy(self, proxy: Proxy, timeout_s: float | None) -> ByteStream:
        """A stream to the proxy, with a timeout of its own: a silent proxy is not a silent target."""
        stream: ByteStream | None = None
        try:
            async with Deadline(timeout_s):
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

    async def _dial(self, address: str, port: int, max_segment: int | None = None) -> ByteStream:
        if literal(address) is None:
            raise PrivateAddress(f"{address} is a name, and this path resolves none")
        sock = self._socket(address, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if max_segment is not None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, max_segment)
            try:
                sock.connect((address, port))
            except (BlockingIOError, InterruptedError):  # the usual case, except on loopback
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


ConnectPolicy = Callable[[str, int], bool]
"""Whether an address and port may be connected to."""


class RestrictedNetwork(RealNetwork):
    """The network with connections and datagrams restricted by a policy; resolvers are not restricted."""

    def __init__(self, path: Path, may: ConnectPolicy) -> None:
        super().__init__(path)
        if self.remote_names:
            raise ValueError("a path that resolves names at its far end cannot be restricted: a name may lead anywhere")
        self._may = may
        unrestricted = RealNetwork(path)
        unrestricted._own = self._own
        self.lookups = unrestricted.lookups

    async def connect(
        self, host: str, port: int, timeout_s: float | None = None, *, max_segment: int | None = None
    ) -> ByteStream:
        self._check(host, port)
        return await super().connect(host, port, timeout_s, max_segment=max_segment)

    async def datagrams(self, address: str, port: int) -> socket.socket:
        self._check(address, port)
        return await super().datagrams(address, port)

    def _check(self, address: str, port: int) -> None:
        if literal(address) is None or not self._may(address, port):
            raise PrivateAddress(f"{address} port {port} is not allowed by the policy")


def public_only(ports: Collection[int]) -> ConnectPolicy:
    """Public addresses that are not this machine's own, on these ports."""
    return lambda address, port: port in ports and Gate().permits(address)


INTERFACES = FilePath("/sys/class/net")
MAX_INTERFACES, MAX_ADDRESSES = 16, 32
MIN_NAME_CHARACTERS = 6
DISTINCTIVE = re.compile("[0-9_-]")
"""A name with such a character is unlikely to be a common word."""
HARDWARE = re.compile("(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
UNASSIGNED = ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")


IF_INET6 = FilePath("/proc/net/if_inet6")


def interface_addresses(table: FilePath = IF_INET6) -> list[str]:
    """IPv6 addresses of the interfaces (Linux only): pages repeat them to connections over IPv4 too."""
    try:
        rows = [line.split() for line in table.read_text("ascii").splitlines()]
        found = [str(IPv6Address(bytes.fromhex(row[0]))) for row in rows[:MAX_ADDRESSES] if row]
    except (OSError, ValueError):
        return []
    return [address for address in found if not address.startswith("fe80:") and address != "::1"]


@cache
def host_names() -> frozenset[str]:
    """This machine's hardware addresses, host and user name, and home folder, for `probe.redact.scrub` to remove.

    Without names that are common words, such as `ubuntu`: removing these would destroy what was measured.
    """
    return frozenset((*hardware_addresses(), *filter(_is_distinctive, _names()), *_homes()))


def hardware_addresses(interfaces: FilePath = INTERFACES) -> list[str]:
    """The addresses of physical interfaces (Linux only)."""
    found = []
    for device in sorted(interfaces.glob("*/device"))[:MAX_INTERFACES]:
        try:
            address = (device.parent / "address").read_text("ascii").strip().lower()
        except (OSError, UnicodeDecodeError):
            continue
        if HARDWARE.fullmatch(address) and address not in UNASSIGNED:
            found.append(address)
    return found


def _is_distinctive(name: str) -> bool:
    return len(name) >= MIN_NAME_CHARACTERS and DISTINCTIVE.search(name) is not None


def _names() -> Iterable[str]:
    host = socket.gethostname()
    yield from dict.fromkeys((host, host.split(".")[0]))
    try:
        yield getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return


def _homes() -> Iterable[str]:
    try:
        home = str(FilePath.home())
    except (KeyError, RuntimeError):
        return
    if home.count("/") > 1:
        yield home
