"""Limits how many targets, connections to one address and files are open at once.

`Pace` limits the targets by how the line bears them: facts in, numbers out, no clock and no network.

Our own load must never look like a block. A full line shows in the delay of connects to many unrelated addresses, so
only targets that answer count; silence, and DNS times, say nothing about the line.

- A window is a number of connects to different addresses. Its lower quartile is compared with the round's best: more
  than QUEUE_S above twice that (RFC 6817, LEDBAT), the line is full.
- A connect that took LOST_S longer than the best was retransmitted (RFC 6298 section 2). Where LOST_SHARE of a window
  was, the line is full too: a short queue loses packets before it delays them.
- A full line halves the limit, down to FLOOR. A calm window doubles it while that makes the round quicker (as in the
  start of BBR), and otherwise adds one, up to the configured ceiling. Only targets that began after the last change
  count.
- At the floor our load is negligible: the line's delay there is its own, and later windows are compared with it.

A target that only waits loads no line, so it releases its slot. How many may wait is learned as well, since a home
router forgets connections when it has many.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from probe.model import Measurement

FLOOR = 2
START = 8
"""How many targets begin together on an unknown line."""
WINDOW = 12
QUEUE_S = 0.1
LOST_S = 0.9
LOST_SHARE = 1 / 3
QUICKER = 1.25
SOON, LATER = 20, 3
"""Fractions of a step's timeout after which a target counts as waiting."""
ANSWERS = (None, "connection_refused")
"""Failures of a connect that was answered."""
TIMED_OUT = "generic_timeout_error"


class LineFacts(NamedTuple):
    """What one measurement shows of the line: the seconds of each answered connect, by address."""

    connects: tuple[tuple[str, float], ...]
    timed_out: bool
    took_s: float


def facts_of(measurement: Measurement) -> LineFacts:
    """Read them from a measurement."""
    observations = measurement.observations
    return LineFacts(
        tuple((o.address or o.host, o.duration_s) for o in observations if o.step == "tcp" and o.failure in ANSWERS),
        any(o.failure == TIMED_OUT for o in observations),
        measurement.runtime_s,
    )


class Began(NamedTuple):
    """The load under which a target began."""

    halvings: int
    doublings: int
    waiting: int


class Pace:
    """How many targets may load the line, at most `ceiling`, and be under way in all, at most `most`."""

    def __init__(self, ceiling: int, most: int | None = None) -> None:
        self._ceiling = ceiling
        self._most = max(ceiling, most or ceiling)
        self._allowed = min(ceiling, START)
        self._bears = ceiling
        self._waited = 0
        self._halvings = self._doublings = 0
        self._full = False
        self._steep = True
        self._per_s = 0.0
        self._window: dict[str, float] = {}
        self._lives: list[float] = []
        self._life_s = 0.0
        self._best: float | None = None
        self._usually_lost = 0.0

    @property
    def allowed(self) -> int:
        """How many may load the line at once; at least one, at most the ceiling."""
        return self._allowed

    @property
    def may_wait(self) -> int:
        """How many more targets may be waiting."""
        return min(self._bears, self._most) - 1

    @property
    def is_full(self) -> bool:
        """Whether the last window showed a full line."""
        return self._full

    def has_room(self, loading: int, waiting: int) -> bool:
        """Whether another target may begin."""
        return loading < self.allowed and waiting <= self.may_wait and loading + waiting < self._most

    def waiting_after_s(self, timeout_s: float, *, small: bool) -> float:
        """After how many quiet seconds a target counts as waiting; `small`: only one small packet can be coming."""
        if small:
            return timeout_s / (LATER if self._full else SOON)
        if self._full:
            return math.inf
        return max(timeout_s / SOON, 2 * self._life_s) if self._life_s else timeout_s / LATER

    def began(self, waiting: int) -> Began:
        return Began(self._halvings, self._doublings, waiting)

    def ended(self, began: Began, facts: LineFacts) -> bool:
        """Record a target's facts; whether it timed out while the line was full, perhaps by our own load."""
        earlier = began.halvings != self._halvings
        if facts.connects:
            self._waited = max(self._waited, began.waiting)
            self._bears = max(self._bears, self._waited + self._waited // 2 + 2)
            if not earlier and began.doublings == self._doublings:
                self._take(facts)
        return facts.timed_out and (earlier or self._full)

    def for_retests(self, at_once: int) -> Pace:
        """A pace for re-tests: `at_once` may load the line, and no more may wait than has worked before."""
        pace = Pace(at_once, max(at_once, self._waited))
        pace._allowed = min(at_once, self._allowed)
        pace._bears = pace._most
        pace._best, pace._usually_lost, pace._life_s = self._best, self._usually_lost, self._life_s
        return pace

    def _take(self, facts: LineFacts) -> None:
        for address, seconds in facts.connects:  # an address counts once, with its best time
            self._window[address] = min(seconds, self._window.get(address, seconds))
        if not facts.timed_out:
            self._lives.append(facts.took_s)
        if len(self._window) >= max(WINDOW, self._allowed // 4):
            self._look()

    def _look(self) -> None:
        """Judge the line by a full window, and begin the next."""
        delays = sorted(self._window.values())
        lower = delays[len(delays) // 4]
        if self._lives:
            self._life_s = sorted(self._lives)[len(self._lives) // 2]
        self._window, self._lives = {}, []
        # One window with many nearby addresses must not set the standard.
        best = self._best = lower if self._best is None else min(self._best, (self._best + lower) / 2)
        lost = sum(delay > best + LOST_S for delay in delays) / len(delays)
        self._full = lower > 2 * best + QUEUE_S or lost >= self._usually_lost + LOST_SHARE
        if not self._full:
            self._grow()
        elif self._allowed > FLOOR:
            self._allowed = max(FLOOR, self._allowed // 2)
            self._halvings += 1
            self._steep = False
        else:
            self._best, self._usually_lost, self._full = lower, min(lost, LOST_SHARE), False
            self._steep, self._per_s = True, 0.0

    def _grow(self) -> None:
        per_s = self._allowed / max(self._life_s, 1e-3)
        doubles = self._steep and per_s > QUICKER * self._per_s
        if doubles and self._allowed < self._ceiling:
            self._doublings += 1
            self._per_s = per_s
        self._allowed = min(self._ceiling, self._allowed * 2 if doubles else self._allowed + 1)


class AddressLimits:
    """At most `per_address` holders at once for each key; a key is forgotten with its last holder."""

    def __init__(self, per_address: int) -> None:
        self._per_address = per_address
        self._slots: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Wait for a slot of the key, and hold it."""
        slot, users = self._slots.get(key) or (asyncio.Semaphore(self._per_address), 0)
        self._slots[key] = (slot, users + 1)
        try:
            async with slot:
                yield
        finally:
            _, users = self._slots.pop(key)
            if users > 1:
                self._slots[key] = (slot, users - 1)


RESERVED_FILES = 96
"""For the database, the log, imports, the event loop, reference sites and control measurements."""
FILES_PER_TARGET = 6
"""A DNS query for each family, and a connection to each of several addresses."""
MAX_FILES = 8192


def open_target_limit(wanted: int) -> int:
    """How many of `wanted` targets may be under way at once, at least one; raises the soft limit (setrlimit(2))."""
    try:
        import resource
    except ImportError:  # Windows has no such limit on sockets
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    goal = min(wanted * FILES_PER_TARGET + RESERVED_FILES, MAX_FILES)
    if hard != resource.RLIM_INFINITY:
        goal = min(goal, hard)
    if goal > soft:
        with suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
            soft = goal
    return max(1, min(wanted, (soft - RESERVED_FILES) // FILES_PER_TARGET))
