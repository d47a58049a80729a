"""Which network this machine is on, and whether its packets leave by a tunnel, as the kernel says."""

from __future__ import annotations

import hashlib
import hmac
import socket
import time
from collections.abc import Iterable
from pathlib import Path as File

import msgspec

from probe.net import routing
from probe.net.address_policy import is_public, literal
from probe.net.path import Path, proxy_of

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
    ways = (_way(routing.route_to(address, out=out, source=source)) for address in FAR_AWAY)
    return Whereabouts(ways=tuple(way for way in ways if way is not None), slept_s=slept_s())


class WhereaboutsCache:
    """`find_whereabouts`, cached until the kernel reports a change."""

    def __init__(self) -> None:
        self._changes = routing.RouteChanges()
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


def tunnel_kind(link: routing.Link, net: File = NET) -> str | None:
    """What kind of tunnel an interface is; None for one that leads to the network itself, as a modem's does."""
    if link.type == PPP:
        return "a VPN over PPP" if _has_other_gateway(link.name, net) else None
    return TUNNELS.get(link.kind or "")


def _has_other_gateway(interface: str, net: File) -> bool:
    """Whether another interface leads to a router too, as it must for a VPN, and need not for a line that dials in."""
    rows = [line.split() for line in _text(net / "route").splitlines()[1:]]
    return any(len(row) > 2 and row[0] != interface and row[2] != "00000000" for row in rows)


def _way(route: routing.Route | None) -> RouteOut | None:
    link = routing.link(route.interface) if route is not None else None
    if route is None or link is None:
        return None
    return RouteOut(
        interface=link.name,
        gateway=route.gateway,
        link_address=routing.link_address(route.interface, route.gateway) if route.gateway is not None else None,
        own=route.source,
        ethernet=link.type == ETHERNET,
        tunnel=tunnel_kind(link),
    )


def _text(file: File) -> str:
    try:
        return file.read_text("ascii", "replace")
    except OSError:
        return ""
