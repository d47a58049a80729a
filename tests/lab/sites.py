"""The sites of the lab's internet: names, addresses, and what each answers.

Every site has an address in IPv4 and one with the same last number in IPv6. No name is the end of another, since the
gateway looks for names as plain bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.lab.debian_table import table

SOCKS = "198.51.100.99"
OTHER_SOCKS = "198.51.100.98"
"""A control in another country, which censors too; its connections over IPv4 come from this address."""
HONEST_RESOLVERS = {"198.51.100.53": "plain", "198.51.100.54": "doh", "198.51.100.55": "dot"}
STUB = "198.51.100.66"
OWN_VIEW = "198.51.100.57"
"""A resolver with a view of its own: a company's, or one whose answers are out of date."""
REFUSES, SILENT = "198.51.101.58", "198.51.101.59"
"""Addresses without a server: the first says so. This subnet is public, the others are reserved for documents."""
UNSIGNED = "198.51.100.56"
"""A name server that signs nothing, for a zone that is said to be signed."""
FIRST = 110
BIG_KIB = 256
SLOW_KIB = 12
HEAVY_KIB = 80
"""As much as a rate is told of."""
HEAVY_RATE = 24
"""KiB a second of a server that is slow for everybody."""

Kind = Literal[
    "page",
    "canary",
    "heavy",  # a page as large as rates are told of
    "heavy-slow",  # the same from a slow server
    "h3",  # offers HTTP/3, and has it
    "big",  # a large page in small TLS records
    "deep",  # a large page in records of 16 KiB, as most servers send it: of one that is cut nothing can be read
    "slow",
    "closes",
    "challenge",
    "geoblock",
    "expired",
    "misnamed",  # the certificate is another name's
    "dead",  # refuses everybody
    "silent",  # answers nobody
    "gone",  # the name does not exist
    "broken",  # the name's zone is said to be signed, and is not
    "inside",  # a company's own: only its resolver knows the name
    "debian",  # a server of debian_table.py, where that is started
    "h3-deep",  # offers HTTP/3, with a large page
    "clipped",  # closes after 16 KiB
    "stalled",  # stands still after 16 KiB
    "modern",  # speaks TLS 1.3 alone
]
OWN_SERVER: tuple[Kind, ...] = ("clipped", "stalled")
"""What nginx cannot be made to do."""


@dataclass(frozen=True)
class Site:
    name: str
    address: str
    kind: Kind = "page"
    families: tuple[int, ...] = (4, 6)

    @property
    def ipv6(self) -> str:
        return ipv6_of(self.address)

    @property
    def addresses(self) -> tuple[str, ...]:
        """What DNS says."""
        return tuple({4: self.address, 6: self.ipv6}[family] for family in self.families)


HOSTER, HOSTER6 = "198.51.102.0/24", "2001:db8:102::/64"
"""A hoster's network abroad, which some filters treat in a way of its own."""
ANNEX, ANNEX6 = "198.51.103.0/24", "2001:db8:103::/64"
"""Another hoster's."""
OWN_IPV6 = ("102", "103")


def ipv6_of(address: str) -> str:
    subnet, host = address.split(".")[2:]
    return f"2001:db8:{subnet if subnet in OWN_IPV6 else 2}::{host}"


_KINDS: dict[str, Kind] = {
    "canary": "canary",
    "canary-at-home": "canary",
    "innocent": "page",
    "honest": "page",
    "wechat": "page",
    "line": "page",
    "linkedin": "page",
    "news": "page",
    "plain": "page",
    "big": "big",
    "neighbour": "page",
    "address-dropped": "page",
    "address-refused": "page",
    "address-prohibited": "page",
    "no-ipv4": "page",
    "no-ipv6": "page",
    "frozen": "big",
    "frozen-deep": "deep",
    "pinched": "big",
    "strangled": "big",
    "host-reset": "page",
    "host-dropped": "page",
    "intercepted": "page",
    "bbm": "page",
    "dns-refused": "page",
    "dns-empty": "page",
    "dns-silent": "page",
    "large": "deep",
    "slow": "slow",
    "challenge": "challenge",
    "geoblock": "geoblock",
    "dead": "dead",
    "silent": "silent",
    "expired": "expired",
    "misnamed": "misnamed",
    "closing": "closes",
    "no-such-name": "gone",
    "canary-heavy": "heavy",
    "throttled-by-name": "heavy",
    "throttled-by-address": "heavy",
    "heavy": "heavy",
    "slow-for-all": "heavy-slow",
    "quic-named": "h3",
    "quic-dropped": "h3",
    "quic-open": "h3",
    "residual": "page",
    "dns-servfail": "page",
    "dnssec-broken": "broken",
}
_IN_IPV4: dict[str, Kind] = {
    "abroad-dropped": "page",
    "abroad-reset": "page",
    "abroad-prohibited": "page",
    "abroad-hello-reset": "page",
    "abroad-hello-alert": "page",
    "abroad-backend": "page",
    "abroad-page": "page",
    "abroad-geoblock": "page",
    "few-dropped": "page",
    "few-reset": "page",
    "other-dropped": "page",
    "other-page": "page",
    "other-dead": "dead",
    "other-reset": "page",
    "intranet": "inside",
    "two-views": "page",
}
_FILTERED: dict[str, Kind] = {
    "permitted": "page",  # an allow-list has its name and its address
    "branch": "page",  # an allow-list has its name alone
    "sealed": "page",  # its HTTPS record offers ECH
    "brittle": "page",
    "crawl": "heavy",
    "sluggish": "page",
    "ede-blocked": "page",
    "ede-censored": "page",
    "ede-filtered": "page",
    "ede-bogus": "page",
    "ede-prohibited": "page",
    "alias": "page",
    "removed": "page",
    "modern": "modern",
}
"""What the filters of filters.py act on."""
_HOSTED: dict[str, Kind] = {
    "bulky": "big",
    "solid": "deep",
    "tiny": "page",
    "vouched": "deep",  # its name is let through where its network is not
    "clipped": "clipped",
    "stalled": "stalled",
    "metered": "deep",
    "triple": "h3-deep",
    "hosted-a": "page",
    "hosted-b": "page",
    "hosted-c": "page",
    "hosted-d": "page",
    "sick-node": "deep",  # one resolver gives it the address of stalled.x.test
}
_ANNEXED = ("annexed-a", "annexed-b")
_MOVED = ("moved-silent", "moved-refused", "two-nodes")
ALL = (
    *(Site(f"{word}.x.test", f"198.51.100.{FIRST + n}", kind) for n, (word, kind) in enumerate(_KINDS.items())),
    *(
        Site(f"{word}.x.test", f"198.51.100.{FIRST + n}", kind, (4,))
        for n, (word, kind) in enumerate(_IN_IPV4.items(), len(_KINDS))
    ),
    *(
        Site(f"{word}.x.test", f"198.51.100.{FIRST + n}", kind)
        for n, (word, kind) in enumerate(_FILTERED.items(), len(_KINDS) + len(_IN_IPV4))
    ),
    *(Site(f"{word}.x.test", f"198.51.101.{190 + n}", families=(4,)) for n, word in enumerate(_MOVED)),
    *(Site(f"{word}.x.test", f"198.51.102.{10 + n}", kind) for n, (word, kind) in enumerate(_HOSTED.items())),
    *(Site(f"{word}.x.test", f"198.51.103.{10 + n}") for n, word in enumerate(_ANNEXED)),
    Site("bystander.x.test", f"198.51.100.{FIRST + list(_KINDS).index('residual')}"),
    Site("guest.x.test", f"198.51.100.{FIRST + len(_KINDS) + len(_IN_IPV4)}"),  # at the address of permitted.x.test
)
SITES = {site.name: site.address for site in ALL}
ECH_SITE = "sealed.x.test"
DOH_BY_NAME, DOT_BY_NAME = "doh.x.test", "dot.x.test"
"""Names of the resolvers over HTTPS and TLS."""
REAL = tuple(
    Site(f"{name}.x.test", server.address, "debian", (6,) if name in server.ipv6_only else (4, 6))
    for server in table()
    for name in (*server.names, *server.ipv6_only)
)
KNOWN = (*(site for site in ALL if site.kind != "gone"), *REAL)
SERVED = tuple(site for site in KNOWN if site.kind not in ("dead", "silent", "broken", "debian", *OWN_SERVER))
OVER_QUIC = tuple(site for site in SERVED if site.kind in ("h3", "h3-deep") or site.name == "innocent.x.test")
LISTED_FOR_QUIC = "quic-named.x.test"


FRANK_PORT = 5354
"""The gateway's resolver that says why it withholds a name, or leads it away by an alias."""
LOCAL_TLS_PORT, LOCAL_PORT = 4443, 8080
"""Where a site keeps what it shows one country alone."""


def quic_port(site: Site) -> int:
    """Where the gateway's reader of QUIC waits for what goes to this site."""
    return 20_000 + int(site.address.rsplit(".", 1)[1])
