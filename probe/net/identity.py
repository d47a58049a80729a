"""Which network this machine is on, and whether its packets leave by a tunnel.

The kernel is asked by rtnetlink(7), policy rules included; nothing is sent.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path as File
from typing import NamedTuple

import msgspec

from probe.net.address_policy import is_public, literal
from probe.net.path import Path, proxy_of

GETROUTE, NEWROUTE, GETNEIGH, NEWNEIGH, GETLINK, NEWLINK = 26, 24, 30, 28, 18, 16
REQUEST = 1
DST, SRC, OIF, GATEWAY, PREFSRC, VIA = 1, 2, 4, 5, 7, 18
NEIGHBOUR, LINK_ADDRESS = 1, 2
NAME, INFO, KIND = 3, 18, 1
UNICAST = 1
HEADER, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
ROUTE, NEIGH, LINK = struct.Struct("=8BI"), struct.Struct("=BBHiHBB"), struct.Struct("=BBHiII")
TIMEOUT_S = 1.0
GROUPS = sum(1 << (group - 1) for group in (1, 3, 5, 7, 8, 9, 11, 19, 32))
"""RTNLGRP_* of linux/rtnetlink.h: links, neighbours, and each family's addresses, routes and rules, next hops."""
Attributes = dict[int, bytes]


class Route(NamedTuple):
    """The index of the interface, the next router's address, and our source address."""

    interface: int
    gateway: str | None
    source: str | None


class Link(NamedTuple):
    """An interface, its hardware type (ARPHRD_* of linux/if_arp.h) and the kernel's kind."""

    name: str
    type: int
    kind: str | None


def route_to(address: str, *, out: int | None = None, source: str | None = None) -> Route | None:
    """How a packet to `address` would leave, given an interface `out` or a `source`; None if it could not."""
    parsed = literal(address)
    assert parsed is not None
    family, bits = (socket.AF_INET, 32) if parsed.version == 4 else (socket.AF_INET6, 128)
    own = literal(source) if source is not None else None
    if own is not None and own.version != parsed.version:
        return None
    wanted = [(DST, parsed.packed)]
    wanted += [(SRC, own.packed)] if own is not None else []
    wanted += [(OIF, struct.pack("=I", out))] if out is not None else []
    head = ROUTE.pack(family, bits, bits if own is not None else 0, 0, 0, 0, 0, 0, 0)
    answer = _ask(GETROUTE, NEWROUTE, head + _written(wanted))
    if answer is None or ROUTE.unpack_from(answer)[7] != UNICAST:
        return None
    found = _read(answer[ROUTE.size :])
    if OIF not in found:
        return None
    via = found[VIA][2:] if VIA in found else None
    return Route(
        interface=struct.unpack("=I", found[OIF])[0],
        gateway=_spelled(found.get(GATEWAY, via)),
        source=_spelled(found.get(PREFSRC)) or source,
    )


def link(index: int) -> Link | None:
    """The interface of that number."""
    answer = _ask(GETLINK, NEWLINK, LINK.pack(socket.AF_UNSPEC, 0, 0, index, 0, 0))
    if answer is None or len(answer) < LINK.size:
        return None
    found = _read(answer[LINK.size :])
    kind = _read(found.get(INFO, b"")).get(KIND)
    return Link(_word(found.get(NAME, b"")), LINK.unpack_from(answer)[2], None if kind is None else _word(kind))


def link_address(index: int, address: str) -> bytes | None:
    """The hardware address of a neighbour on an interface, as far as the kernel knows it now."""
    parsed = literal(address)
    assert parsed is not None
    family = socket.AF_INET if parsed.version == 4 else socket.AF_INET6
    head = NEIGH.pack(family, 0, 0, index, 0, 0, 0)
    answer = _ask(GETNEIGH, NEWNEIGH, head + _written([(NEIGHBOUR, parsed.packed)]))
    return _read(answer[NEIGH.size :]).get(LINK_ADDRESS) if answer is not None else None


class RouteChanges:
    """Notifications of changed links, addresses, routes, rules and neighbours (rtnetlink)."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        family = getattr(socket, "AF_NETLINK", None)
        if family is None:
            return
        try:
            self._socket = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
            self._socket.bind((0, GROUPS))
        except OSError:
            self.close()

    def any(self) -> bool:
        """Whether anything changed since the last call; True if unknown."""
        if self._socket is None:
            return True
        changed = False
        try:
            while self._socket.recv(65536):
                changed = True
        except BlockingIOError:
            return changed
        except OSError:  # ENOBUFS: so much that some was lost
            pass
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def __del__(self) -> None:
        self.close()


def _ask(kind: int, answered_by: int, body: bytes) -> bytes | None:
    """The body of the answer; None for an error or without netlink."""
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        return None
    try:
        with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as sock:
            sock.settimeout(TIMEOUT_S)
            sock.bind((0, 0))
            sock.sendto(HEADER.pack(HEADER.size + len(body), kind, REQUEST, 1, os.getpid()) + body, (0, 0))
            answer = sock.recv(65536)
    except OSError:
        return None
    if len(answer) < HEADER.size + NEIGH.size:
        return None
    length, type_, *_ = HEADER.unpack_from(answer)
    return answer[HEADER.size : length] if type_ == answered_by else None


def _written(attributes: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4) for kind, value in attributes)


def _read(data: bytes) -> Attributes:
    found: Attributes = {}
    while len(data) >= 4:
        length, kind = ATTRIBUTE.unpack_from(data)
        if not 4 <= length <= len(data):
            break
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def _word(value: bytes) -> str:
    return value.rstrip(b"\0").decode("ascii", "replace")


def _spelled(packed: bytes | None) -> str | None:
    if packed is None or len(packed) not in (4, 16):
        return None
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


FAR_AWAY = ("198.41.0.4", "2001:503:ba3e::2:30")
"""Root servers, for which no network has a special route; nothing is sent to them."""
NET = File("/proc/self/net")
ETHERNET, PPP = 1, 512
"""ARPHRD_* of linux/if_arp.h."""
TUNNELS = {
    "wireguard": "a WireGuard tunnel",
    "tun": "a VPN's tunnel",
    "ovpn": "an OpenVPN tunnel",
    "ovpn-dco": "an OpenVPN tunnel",
    "xfrm": "an IPsec tunnel",
    "vti": "an IPsec tunnel",
    "vti6": "an IPsec tunnel",
    "ipip": "an IP tunnel",
    "ip6tnl": "an IP tunnel",
    "sit": "an IPv6 tunnel",
    "gre": "a GRE tunnel",
    "ip6gre": "a GRE tunnel",
}
"""What Linux calls the kinds of interface by which packets leave for somewhere else (IFLA_INFO_KIND)."""
CLOCK_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


class RouteOut(msgspec.Struct, frozen=True, kw_only=True):
    """How packets of one family leave. It holds own addresses, and stays in memory."""

    interface: str
    gateway: str | None = None
    link_address: bytes | None = None
    """The gateway's: the same for both families, and another on each network."""
    own: str | None = None
    ethernet: bool = False
    tunnel: str | None = None
    """What kind of tunnel the interface is; None where it is none."""


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True):
    """The ways out, IPv4 first, and for how many seconds this machine has slept since it started."""

    ways: tuple[RouteOut, ...] = ()
    slept_s: float = 0.0

    @property
    def tunnel(self) -> str | None:
        """`a WireGuard tunnel (wg0)` where a way leads through one."""
        return next((f"{way.tunnel} ({way.interface})" for way in self.ways if way.tunnel), None)

    @property
    def interfaces(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(way.interface for way in self.ways))

    @property
    def public(self) -> tuple[str, ...]:
        """Own addresses that are public: none behind NAT, but often one of IPv6."""
        return tuple(way.own for way in self.ways if way.own is not None and is_public(way.own))

    def key(self, secret: bytes) -> str | None:
        """A word for this network, the same each time and meaningless without `secret`; None where it is not known."""
        known = next((way for way in self.ways if way.link_address or way.tunnel or not way.ethernet), None)
        if known is None:
            return None
        told: Iterable[object] = (known.interface, known.own) if known.tunnel else (known.interface, known.gateway)
        mark = known.link_address if known.link_address and not known.tunnel else "|".join(map(str, told)).encode()
        return hmac.new(secret, mark, hashlib.sha256).hexdigest()[:16]


def find_whereabouts(path: Path) -> Whereabouts:
    """Where packets that take `path` go first. Of a proxy the way to it; nothing on systems without netlink."""
    out, source = None, None
    if path.bind is not None and proxy_of(path) is None:
        if literal(path.bind) is not None:
            source = path.bind
        else:
            try:
                out = socket.if_nametoindex(path.bind)
            except OSError:
                return Whereabouts(slept_s=slept_s())
    ways = (_way(route_to(address, out=out, source=source)) for address in FAR_AWAY)
    return Whereabouts(ways=tuple(way for way in ways if way is not None), slept_s=slept_s())


class WhereaboutsCache:
    """`find_whereabouts`, cached until the kernel reports a change."""

    def __init__(self) -> None:
        self._changes = RouteChanges()
        self._seen: dict[Path, Whereabouts] = {}

    def __call__(self, path: Path) -> Whereabouts:
        if self._changes.any():
            self._seen.clear()
        if path not in self._seen:
            self._seen[path] = find_whereabouts(path)
        return msgspec.structs.replace(self._seen[path], slept_s=slept_s())


def slept_s() -> float:
    """How long this machine has slept since it started; 0 where that is not told."""
    return 0.0 if CLOCK_BOOTTIME is None else time.clock_gettime(CLOCK_BOOTTIME) - time.monotonic()


def tunnel_kind(link: Link, net: File = NET) -> str | None:
    """What kind of tunnel an interface is; None for one that leads to the network itself, as a modem's does."""
    if link.type == PPP:
        return "a VPN over PPP" if _has_other_gateway(link.name, net) else None
    return TUNNELS.get(link.kind or "")


def _has_other_gateway(interface: str, net: File) -> bool:
    """Whether another interface leads to a router too, as it must for a VPN, and need not for a line that dials in."""
    rows = [line.split() for line in _text(net / "route").splitlines()[1:]]
    return any(len(row) > 2 and row[0] != interface and row[2] != "00000000" for row in rows)


def _way(route: Route | None) -> RouteOut | None:
    interface = link(route.interface) if route is not None else None
    if route is None or interface is None:
        return None
    return RouteOut(
        interface=interface.name,
        gateway=route.gateway,
        link_address=link_address(route.interface, route.gateway) if route.gateway is not None else None,
        own=route.source,
        ethernet=interface.type == ETHERNET,
        tunnel=tunnel_kind(interface),
    )


def _text(file: File) -> str:
    try:
        return file.read_text("ascii", "replace")
    except OSError:
        return ""
