"""Public resolvers that leave names out for those who choose them: what they withhold is their user's own choice."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address

from probe.net.address_policy import literal

FILTERS = {
    "Cloudflare for Families": (
        "1.1.1.2 1.0.0.2 1.1.1.3 1.0.0.3 "
        "2606:4700:4700::1112 2606:4700:4700::1002 2606:4700:4700::1113 2606:4700:4700::1003"
    ),
    "AdGuard DNS": (
        "94.140.14.14 94.140.15.15 94.140.14.15 94.140.15.16 "
        "2a10:50c0::ad1:ff 2a10:50c0::ad2:ff 2a10:50c0::bad1:ff 2a10:50c0::bad2:ff"
    ),
    "CleanBrowsing": (
        "185.228.168.9 185.228.169.9 185.228.168.10 185.228.169.11 185.228.168.168 185.228.169.168 "
        "2a0d:2a00:1:: 2a0d:2a00:2:: 2a0d:2a00:1::1 2a0d:2a00:2::1"
    ),
    "OpenDNS FamilyShield": "208.67.222.123 208.67.220.123 2620:119:35::123 2620:119:53::123",
    "Yandex DNS, safe or family": "77.88.8.88 77.88.8.2 77.88.8.7 77.88.8.3",
    "CIRA Canadian Shield, family": "149.112.121.30 149.112.122.30",
}
"""Their addresses. Those of the same makers that resolve every name are not among them."""
NAMES = {
    "family.cloudflare-dns.com": "Cloudflare for Families",
    "security.cloudflare-dns.com": "Cloudflare for Families",
    "dns.adguard-dns.com": "AdGuard DNS",
    "family.adguard-dns.com": "AdGuard DNS",
    "d.adguard-dns.com": "AdGuard DNS",
    "cleanbrowsing.org": "CleanBrowsing",
    "familyshield.opendns.com": "OpenDNS FamilyShield",
    "dns.nextdns.io": "NextDNS",
    "dns.controld.com": "Control D",
    "safe.dns.yandex.net": "Yandex DNS, safe or family",
    "family.dns.yandex.net": "Yandex DNS, safe or family",
}
"""Their names over TLS and HTTPS, and every name below these."""
NETWORKS = {"NextDNS": ("45.90.28.", "45.90.30."), "Control D": ("76.76.2.", "76.76.10.")}
"""Beginnings of IPv4 addresses that belong to configured profiles."""
UNFILTERED = ("76.76.2.0", "76.76.10.0")
BY_ADDRESS = {literal(address): name for name, addresses in FILTERS.items() for address in addresses.split()}


@lru_cache(maxsize=256)
def filter_at(address: str | None, server_name: str | None) -> str | None:
    """The filter that a resolver is known for, by its address or its name; None for any other."""
    found = literal(address or "")
    if found in BY_ADDRESS:
        return BY_ADDRESS[found]
    name = server_name or ""
    for own, known in NAMES.items():
        if name == own or name.endswith(f".{own}"):
            return known
    if found is None or isinstance(found, IPv6Address) or address in UNFILTERED:
        return None
    return next((known for known, beginnings in NETWORKS.items() if str(found).startswith(beginnings)), None)
