"""Which addresses are public, and which are never touched unless configured."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Literal

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out so far; what Python calls global beside it differs from version to version."""
DOCUMENTATION = IPv6Network("3fff::/20")
"""RFC 9637, which Python does not know before 3.13."""


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
    """Whether an address is global unicast (IANA special-purpose registries), embedded IPv4 looked through."""
    parsed = literal(address)
    if parsed is None:
        return False
    if isinstance(parsed, IPv6Address):
        embedded = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1] or _nat64(parsed)
        if embedded is not None:
            return is_public(str(embedded))
        if parsed not in GLOBAL_UNICAST or parsed in DOCUMENTATION:
            return False
    return parsed.is_global and not parsed.is_multicast


def _nat64(address: IPv6Address) -> IPv4Address | None:
    """RFC 6052 section 2.1: the well-known prefix carries an IPv4 address in its last 32 bits."""
    value = int(address)
    return IPv4Address(value & 0xFFFFFFFF) if value >> 32 == 0x0064FF9B << 64 else None
