"""How often somebody may come: a bucket for each, which fills again with time."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_KEYS = 20_000


class Rates:
    """`burst` at once, and `per_s` a second after that, for each key. The keys that came longest ago are forgotten."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str, cost: float = 0.0) -> float:
        """How long `key` must wait before it may do something that costs this; 0 where it may now."""
        return max(0.0, (cost - self._left(key)) / self._per_s) if cost > 0 or self._left(key) < 0 else 0.0

    def take(self, key: str, cost: float = 1.0) -> float:
        """Take it, where it may: 0. Else how long to wait, and nothing is taken."""
        wait = self.wait_s(key, cost)
        if wait == 0.0:
            self.spend(key, cost)
        return wait

    def spend(self, key: str, cost: float = 1.0) -> None:
        """Take it, whether it may or not."""
        self._known[key] = (self._left(key) - cost, self._clock())
        self._known.move_to_end(key)
        while len(self._known) > MOST_KEYS:
            self._known.popitem(last=False)

    def _left(self, key: str) -> float:
        left, at = self._known.get(key, (self._burst, 0.0))
        return min(self._burst, left + (self._clock() - at) * self._per_s)


def neighbourhood(address: str) -> str:
    """What counts as one place that guesses: an address, or the /64 that an IPv6 host has to itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "nowhere"
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)
