"""What a world of the lab is: a gateway's rules, and everything that is measured behind them in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from tests.lab.sites import SITES, ipv6_of
from tests.situation import Expected

REACHABLE = Expected("reachable", confidence="confirmed")
IN_THE_OPEN = Expected("reachable", confidence="probable")
UNTOLD = Expected("inconclusive")
OFFLINE = Expected("offline")
NOT_BLOCKED = Expected("reachable", also=("inconclusive", "down", "denied"))
NOT_REACHED = Expected("inconclusive", also=("down",))


@dataclass(frozen=True)
class World:
    """One run, or the last of so many. `expected` is by target; `options` go to the configuration, and `edit` changes
    its text; `path` is how the packets leave; `layout` builds what is more than rules of the gateway. `nap_s`: the
    program is stopped for that long after its first second, as on a machine that sleeps.
    """

    name: str
    censor: Callable[[], None]
    expected: Mapping[str, Expected]
    network: str = "online"
    code: int = 0
    path: str = "direct"
    rounds: int = 1
    options: Mapping[str, object] = field(default_factory=dict)
    layout: Callable[[], AbstractContextManager[None]] = nullcontext
    edit: Callable[[str], str] = str
    also_network: str | None = None
    """Another state that is as right."""
    deep: bool = False
    nap_s: float = 0.0
    xfail: str | None = None
    """What keeps the whole run from being right. Once it is, this has to go."""


def blocked(
    method: str, trigger: str | None = None, confidence: str = "probable", changed: str | None = None
) -> Expected:
    return Expected("blocked", method, trigger, confidence, changed=changed)


def in_ipv6(world: World) -> World:
    """The same with targets in IPv6 alone."""
    return replace(
        world, name=f"{world.name}, IPv6", edit=lambda config: world.edit(config).replace(NETWORK, ONLY_IPV6)
    )


NETWORK, ONLY_IPV6 = "[network]\n", '[network]\nfamilies = ["ipv6"]\n'


def https(word: str) -> str:
    return f"https://{word}.x.test/"


def http(word: str) -> str:
    return f"http://{word}.x.test/"


def quic(word: str) -> str:
    return f"quic://{word}.x.test:443"


def both(word: str) -> tuple[str, str]:
    """A site's addresses in both families."""
    address = SITES[f"{word}.x.test"]
    return address, ipv6_of(address)
