"""Asks the kernel by rtnetlink(7) how packets would leave, policy rules included; sends none."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

from probe.net.address_policy import literal

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
