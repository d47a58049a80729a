"""What one client may take from the others: token buckets, places, and slots in a fair order."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv6Address

from probe.net.address_policy import is_public, literal

MAX_RATE_LIMIT_KEYS = 20_000
OCCUPIED_RETRY_S = 5.0
BATCHES_PER_S, MAX_BATCHES = 2.0, 60
RECORDS_PER_S, MAX_RECORDS = 200.0, 5000
"""A volunteer's round has some hundreds of records."""
CPU_S_PER_S, MAX_CPU_S = 0.1, 15.0
"""A thousand ordinary records take about a second."""
MIB = 1024 * 1024
DAY_S = 86400.0

CLIENT: ContextVar[str] = ContextVar("client", default="")
"""Whose request this is: a member, else an address."""


class TooManyRequests(Exception):
    """Retry in `wait_s` seconds."""

    def __init__(self, wait_s: float, why: str = "too many requests") -> None:
        super().__init__(f"{why}: try again in {max(1.0, wait_s):.0f} s")
        self.wait_s = wait_s


class Overloaded(Exception):
    """More work waits than can be done soon."""


class RateLimits:
    """Token buckets: `burst` at once and `per_s` a second after that, for each key."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str, cost: float = 0.0) -> float:
        """Seconds until `cost` is available; 0 where it is now."""
        return max(0.0, (cost - self._left(key)) / self._per_s) if cost > 0 or self._left(key) < 0 else 0.0

    def take(self, key: str, cost: float = 1.0) -> float:
        """Spend `cost` where it is available: 0. Else the seconds to wait, and nothing is spent."""
        wait = self.wait_s(key, cost)
        if wait == 0.0:
            self.spend(key, cost)
        return wait

    def spend(self, key: str, cost: float = 1.0) -> None:
        """Spend `cost` unconditionally."""
        self._buckets[key] = (self._left(key) - cost, self._clock())
        self._buckets.move_to_end(key)
        while len(self._buckets) > MAX_RATE_LIMIT_KEYS:
            self._buckets.popitem(last=False)

    def _left(self, key: str) -> float:
        left, at = self._buckets.get(key, (self._burst, 0.0))
        return min(self._burst, left + (self._clock() - at) * self._per_s)


class UploadBudget:
    """What a member may upload: batches, records, the hub's CPU time, and bytes a day."""

    def __init__(self, mib_per_day: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._mib_per_day = mib_per_day
        self._batches = RateLimits(BATCHES_PER_S, MAX_BATCHES, clock)
        self._records = RateLimits(RECORDS_PER_S, MAX_RECORDS, clock)
        self._cpu = RateLimits(CPU_S_PER_S, MAX_CPU_S, clock)
        self._bytes = RateLimits(mib_per_day * MIB / DAY_S, mib_per_day * MIB, clock)

    def take_batch(self, member: str) -> None:
        """Count one batch. TooManyRequests where the member has spent what it may, with the limit in words."""
        spent = (
            (self._bytes.wait_s(member, 1.0), f"the daily limit of {self._mib_per_day} MiB is used up"),
            (self._records.wait_s(member, 1.0), f"more than {RECORDS_PER_S:.0f} records a second"),
            (self._cpu.wait_s(member, 0.001), "too much work for the hub"),
            (self._batches.wait_s(member, 1.0), "too many batches"),
        )
        if reached := max((one for one in spent if one[0] > 0), default=None):
            raise TooManyRequests(*reached)
        self._batches.spend(member)

    def spend(self, member: str, *, cpu_s: float = 0.0, plain_bytes: int = 0, records: int = 0) -> None:
        """Count what a batch cost, whether it was stored or refused."""
        self._cpu.spend(member, cpu_s)
        self._bytes.spend(member, plain_bytes)
        self._records.spend(member, records)


class Places:
    """At most `each` things under way for one client, and `total` for all."""

    def __init__(self, each: int, total: int | None = None, what: str = "requests") -> None:
        self._each, self._total, self._what = each, total, what
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, key: str) -> Iterator[None]:
        """TooManyRequests for a client that has its places already, Overloaded where all are taken."""
        if self._taken[key] >= self._each:
            raise TooManyRequests(OCCUPIED_RETRY_S, f"no more than {self._each} {self._what} at once")
        if self._total is not None and self._taken.total() >= self._total:
            raise Overloaded
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]


class FairSlots:
    """`total` slots, in the order of asking; a client uses at most `each` of them, and queues for them by itself."""

    def __init__(self, total: int, each: int, places: Places) -> None:
        self._slots, self._each, self._places = asyncio.Semaphore(total), each, places
        self._own: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def slot(self, key: str) -> AsyncIterator[None]:
        """TooManyRequests or Overloaded where too many wait already."""
        with self._places.taken(key), self._queue_of(key) as own:
            async with own, self._slots:
                yield

    @contextmanager
    def _queue_of(self, key: str) -> Iterator[asyncio.Semaphore]:
        own, users = self._own.get(key, (asyncio.Semaphore(self._each), 0))
        self._own[key] = own, users + 1
        try:
            yield own
        finally:
            own, users = self._own.pop(key)
            if users > 1:
                self._own[key] = own, users - 1


def rate_limit_key(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address, which one host has to itself."""
    parsed = _parsed(address)
    if parsed is None:
        return "nowhere"
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


def is_proxy(address: str, networks: Iterable[str]) -> bool:
    """Whether a peer may say in X-Forwarded-For who asks: one of these networks, or no public address."""
    peer = _parsed(address)
    if peer is None:
        return address == ""  # a Unix socket
    return not is_public(str(peer)) or any(peer in ipaddress.ip_network(network, strict=False) for network in networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """A socket that serves both families shows an IPv4 address as ::ffff:192.0.2.1."""
    parsed = literal(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed
