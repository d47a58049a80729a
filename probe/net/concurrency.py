"""How many targets may be under way, told from how the line bears them. No clock, no network: facts in, numbers out.

A round must never take its own load for a block. What shows that our line is full, and not that one target is slow, is
that connects to many unrelated addresses take longer than the round's own quickest: they share nothing but the line.
So the delay of those that answer is what counts. Silence does not: a target that answers nothing says nothing of the
line, and thirty in a hundred may be silent on a fast one. (Nor do the times of DNS: what a resolver has to look up
first, and what it has at hand, differ by more than a queue.)

- A window is so many connects to different addresses, and its lower quartile is compared with the round's best: more
  than QUEUE_S above the double of that (RFC 6817, LEDBAT, lets others go first where a queue is longer) it is full.
- A connect that took LOST_S longer than the best was lost on the way and sent again (RFC 6298 section 2: after a
  second). Where a third of a window was, the line is full too: a short queue loses packets before it delays them.
- A full line halves what may be under way, down to FLOOR. A calm window doubles it as long as that makes the round
  quicker (where it does not, something is used up, as in the start of BBR), and adds one else, up to the ceiling that
  is configured. Only what began after the last doubling or halving counts: a connect is a target's first step, so that
  it tells of the load of those before it.
- At the floor our load is as good as none. What the line is like there is the line's own: a list that goes on with
  distant countries, somebody else's download. Later windows are compared with that, and the doubling begins anew.

A target that only waits loads no line, so its place is another's: soon where it waits for one small packet, else when
it lasts longer than those that answer. How many may wait is learned as well: half as many again as were waiting when
one that began then was answered, since a home router forgets connections when it has many.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from probe.model import Measurement

FLOOR = 2
START = 8
"""How many begin together on a line of which nothing is known."""
WINDOW = 12
QUEUE_S = 0.1
LOST_S = 0.9
LOST_SHARE = 1 / 3
QUICKER = 1.25
SOON, LATER = 20, 3
"""Parts of a step's timeout after which a target is taken to wait."""
ANSWERS = (None, "connection_refused")
"""How a connect ends that was answered."""
TIMED_OUT = "generic_timeout_error"


class LineFacts(NamedTuple):
    """What one measurement tells of the line: seconds of each connect that was answered, by address."""

    connects: tuple[tuple[str, float], ...]
    timed_out: bool
    took_s: float


def facts_of(measurement: Measurement) -> LineFacts:
    """Read from the record: nothing is measured for it."""
    observations = measurement.observations
    return LineFacts(
        tuple((o.address or o.host, o.duration_s) for o in observations if o.step == "tcp" and o.failure in ANSWERS),
        any(o.failure == TIMED_OUT for o in observations),
        measurement.runtime_s,
    )


class Began(NamedTuple):
    """Under what load a target began: after how many halvings and doublings, and beside how many that wait."""

    halvings: int
    doublings: int
    waiting: int


class Pace:
    """Told when a target begins and ends; says how many may be loading the line, and how many may wait, at once.

    `ceiling` is the most that may load it, `most` the most that may be under way in all, waiting ones included.
    """

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
        """How many more may be under way that only wait."""
        return min(self._bears, self._most) - 1

    @property
    def is_full(self) -> bool:
        """Whether the line was found full, and not calm again since."""
        return self._full

    def has_room(self, loading: int, waiting: int) -> bool:
        """Whether another target may begin beside so many."""
        return loading < self.allowed and waiting <= self.may_wait and loading + waiting < self._most

    def waiting_after_s(self, timeout_s: float, *, small: bool) -> float:
        """After how many quiet seconds a target is taken to wait, where a step may last `timeout_s`.

        `small`: one small packet is all that can be coming. Else it may be a page, and on a full line it is.
        """
        if small:
            return timeout_s / (LATER if self._full else SOON)
        if self._full:
            return math.inf
        return max(timeout_s / SOON, 2 * self._life_s) if self._life_s else timeout_s / LATER

    def began(self, waiting: int) -> Began:
        return Began(self._halvings, self._doublings, waiting)

    def ended(self, began: Began, facts: LineFacts) -> bool:
        """Take in a target's facts; gives whether it timed out while the line was full, which may be our own doing."""
        earlier = began.halvings != self._halvings
        if facts.connects:
            self._waited = max(self._waited, began.waiting)
            self._bears = max(self._bears, self._waited + self._waited // 2 + 2)
            if not earlier and began.doublings == self._doublings:
                self._take(facts)
        return facts.timed_out and (earlier or self._full)

    def for_retests(self, at_once: int) -> Pace:
        """A pace for measuring again: so few at once, and no more under way in all than waited and did no harm."""
        pace = Pace(at_once, max(at_once, self._waited))
        pace._allowed = min(at_once, self._allowed)
        pace._bears = pace._most
        pace._best, pace._usually_lost, pace._life_s = self._best, self._usually_lost, self._life_s
        return pace

    def _take(self, facts: LineFacts) -> None:
        for address, seconds in facts.connects:  # the same address twice is one witness, at its best
            self._window[address] = min(seconds, self._window.get(address, seconds))
        if not facts.timed_out:
            self._lives.append(facts.took_s)
        if len(self._window) >= max(WINDOW, self._allowed // 4):
            self._look()

    def _look(self) -> None:
        """Judge the line by a whole window, and begin the next."""
        delays = sorted(self._window.values())
        lower = delays[len(delays) // 4]
        if self._lives:
            self._life_s = sorted(self._lives)[len(self._lives) // 2]
        self._window, self._lives = {}, []
        # One window with more that is near than others have is not yet the measure for all.
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
