"""Which addresses and names may be contacted: what is public, by our own copy of IANA's registries."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterable
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal, NamedTuple

import msgspec

from probe import data_files
from probe.failure import PrivateAddress

NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
"""A last label that resolvers read as a part of an IPv4 address, as in 127.1 or 0x7f000001 (WHATWG URL, 3.5)."""
DOCUMENTATION = tuple(map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
"""RFC 5737 and RFC 3849."""
ISATAP = (0x00005EFE, 0x02005EFE)
"""RFC 5214 section 6.1: the first half of an interface identifier whose second half is an IPv4 address."""


class AddressBlock(NamedTuple):
    """A block of addresses; `is_global` if a packet to it leaves for the public Internet."""

    first: int
    last: int
    is_global: bool


class SpecialPurpose(NamedTuple):
    """The registries' blocks by address family, the longest prefix first, and the names."""

    ipv4: tuple[AddressBlock, ...]
    ipv6: tuple[AddressBlock, ...]
    names: frozenset[str]


@cache
def special_purpose() -> SpecialPurpose:
    """The data of special_purpose.toml."""
    data = data_files("probe.net")["special_purpose"]
    found = [(ip_network(text), kind == "global") for kind in ("blocks", "global") for text in data[kind]]
    found.sort(key=lambda one: -one[0].prefixlen)
    ipv4, ipv6 = (
        tuple(AddressBlock(int(one[0]), int(one[-1]), is_global) for one, is_global in found if one.version == version)
        for version in (4, 6)
    )
    return SpecialPurpose(ipv4, ipv6, frozenset(name for names in data["names"].values() for name in names))


@lru_cache(maxsize=4096)
def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address a host is a literal of, or None for a name."""
    if not host or not (host[0].isdigit() or ":" in host):
        return None
    try:
        return ip_address(host)
    except ValueError:
        return None


def family_of(address: str) -> Literal["ipv4", "ipv6"]:
    return "ipv6" if ":" in address else "ipv4"


@lru_cache(maxsize=4096)
def is_public(address: str) -> bool:
    """Whether a packet to the address leaves for the public Internet; an embedded IPv4 address must be public too."""
    parsed = literal(address)
    if parsed is None:
        return False
    if isinstance(parsed, IPv4Address):
        return _is_global(int(parsed), special_purpose().ipv4)
    if parsed.scope_id is not None:
        return False
    value = int(parsed)
    if (carried := _carried(parsed)) is not None:
        return all(_is_global(int(one), special_purpose().ipv4) for one in carried)
    if value >> 32 & 0xFFFFFFFF in ISATAP and not _is_global(value & 0xFFFFFFFF, special_purpose().ipv4):
        return False
    return _is_global(value, special_purpose().ipv6)


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...] | None:
    """The IPv4 addresses that a packet goes to in truth: IPv4-mapped, 6to4, Teredo, and NAT64 (RFC 6052)."""
    if address.teredo is not None:
        return address.teredo
    value = int(address)
    nat64 = IPv4Address(value & 0xFFFFFFFF) if value >> 32 == 0x0064FF9B << 64 else None
    found = address.ipv4_mapped or address.sixtofour or nat64
    return (found,) if found is not None else None


def _is_global(value: int, blocks: tuple[AddressBlock, ...]) -> bool:
    return next((block.is_global for block in blocks if block.first <= value <= block.last), False)


@lru_cache(maxsize=4096)
def is_public_host(host: str) -> bool:
    """Whether a host may be passed on for resolving: a public address, or an ordinary name.

    False for an address in any spelling that a resolver reads as one (`127.1`, `0x7f000001`, octal), for a name of one
    label, and for special-use names such as `localhost`, `router.lan` and reverse zones.
    """
    plain = host.strip("[]").rstrip(".").lower()
    if literal(plain) is not None:
        return is_public(plain)
    labels = plain.split(".")
    if len(labels) < 2 or not all(labels) or NUMBER.fullmatch(labels[-1]):
        return False
    names = special_purpose().names
    return not any(".".join(labels[start:]) in names for start in range(len(labels)))


@lru_cache(maxsize=4096)
def kind_of(address: str) -> str:
    """Which kind of network an address that is not public belongs to."""
    parsed = literal(address)
    if parsed is None or is_public(address):
        return "public"
    if any(parsed.version == block.version and parsed in block for block in DOCUMENTATION):
        return "documentation"
    kinds = {"loopback": parsed.is_loopback, "unspecified": parsed.is_unspecified, "link-local": parsed.is_link_local}
    return next((kind for kind, is_one in kinds.items() if is_one), "private")


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """Public addresses that are not this machine's own, and ordinary names; with `allow_private` everything.

    `hosts` may be private: those that the configuration names as such.
    """

    allow_private: bool = False
    hosts: frozenset[str] = frozenset()

    def opened_for(self, host: str) -> Gate:
        """This gate for a URL of the configuration; a host that is itself written as a private one may be private."""
        if is_public_host(host):
            return self
        return msgspec.structs.replace(self, hosts=self.hosts | {host.lower()})

    def permits(self, address: str, host: str | None = None) -> bool:
        """Whether `address`, to which `host` resolved, may be connected to; asked before each connect."""
        if self.allow_private or (host or address).lower() in self.hosts:
            return True
        return is_public(address) and not is_own(address)

    def check(self, address: str) -> None:
        """PrivateAddress unless `address` may be connected to."""
        if not self.permits(address):
            raise PrivateAddress(f"{address} is not a public address, or is this machine's own")

    def check_name(self, host: str) -> None:
        """PrivateAddress unless `host` may be handed to a proxy, which resolves it."""
        if not (self.allow_private or host.lower() in self.hosts or is_public_host(host)):
            raise PrivateAddress(f"{host} is not a public host")

    def passed(self, host: str, addresses: Iterable[str]) -> tuple[str, ...]:
        """The addresses of `host` that may be connected to; PrivateAddress if there are some and none may be."""
        found = tuple(addresses)
        passed = tuple(address for address in found if self.permits(address, host))
        if found and not passed:
            raise PrivateAddress(f"{host} leads to a private address; [network] private_hosts can allow that")
        return passed


def is_own(address: str) -> bool:
    """Whether a socket can be bound to it, which makes it an address of this machine."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True
