"""What every measurement of a round shares: how to measure, and the network by which."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from probe.model import FollowUp, Http, Vantage
from probe.net.address_policy import Gate
from probe.net.concurrency import AddressLimits

if TYPE_CHECKING:
    from probe.net.network import Network

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`resolvers` and `trusted_resolvers` are `system`, `udp://ADDR[:PORT]`, `tcp://…`, `tls://…` or `https://…`.

    A resolver given by name needs its address pinned: `https://dns.example/dns-query#192.0.2.1`.
    """

    resolvers: tuple[str, ...] = ("system",)
    trusted_resolvers: tuple[str, ...] = ()
    canaries: tuple[str, ...] = ()
    domestic_canaries: tuple[str, ...] = ()
    domestic_presets: tuple[str, ...] = ()
    """Domestic reference sites that are measured only where no reference site answers."""
    no_such_name: str = ""
    """A name that cannot exist, to detect invented answers; empty: not asked."""
    no_resolver: str = ""
    """ADDR[:PORT] that runs no resolver, to detect DNS interception; empty: not asked."""
    https_records: bool = False
    """Whether HTTPS records are asked for as well: see `probe.steps.svcb` for why not."""
    families: tuple[str, ...] = ("ipv4", "ipv6")
    timeout_s: float = 10.0
    """For each step; for HTTP, the longest silence between two reads."""
    concurrency: int = 64
    per_address: int = 2
    allow_private: bool = False
    ca_file: str | None = None
    user_agent: str = BROWSER
    max_body_bytes: int = 512 * 1024
    max_addresses: int = 3
    """For each family of a name."""
    max_redirects: int = 10

    @property
    def gate(self) -> Gate:
        """What a target, a redirect or a follow-up may lead to."""
        return Gate(allow_private=self.allow_private)

    @property
    def exchange_timeout_s(self) -> float:
        """The longest HTTP exchange, so that a trickling server ends too."""
        return 3 * self.timeout_s


def no_follow_up(_: object) -> tuple[()]:
    """Ask for nothing more, whatever was found."""
    return ()


def follow_all(_: Http) -> bool:
    """Follow every redirect."""
    return True


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """The network and how to use it. `follows_redirect` keeps us off hosts that only a censor leads to."""

    network: Network
    settings: Settings
    vantage: Vantage
    limits: AddressLimits
    follow_up: FollowUp = no_follow_up
    follows_redirect: Callable[[Http], bool] = follow_all
    learned_addresses: set[str] = msgspec.field(default_factory=set)
    """Addresses of the volunteer that a server told of: to be removed from what is measured later, too."""
