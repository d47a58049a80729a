"""What is due: a pure reckoning from what campaigns want, when each was measured last, and the time.

Time is cut into slots as long as a campaign's `every`, shifted by this machine's own share of it, so that a fleet does
not strike at once. A target is due when a slot has begun in which it was not measured. Times are whole seconds since
the epoch (UTC).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from probe.model import Target
from schedules.plan.model import Wanted

T = TypeVar("T")
RETRY_S = 3600
"""A target that was passed over because the network was gone is tried again after at most so long."""


class Last(msgspec.Struct, frozen=True):
    """When something was measured last; `offline` where the network was gone then."""

    at: int
    offline: bool = False


class Due(msgspec.Struct, frozen=True):
    """Something to measure now. `since` is when it became due, None where it was never measured."""

    wanted: Wanted
    since: int | None


def share_of(seed: str) -> float:
    """A machine's stable share of every period, in [0, 1): evenly spread over different seeds."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 2**32


def next_at(wanted: Wanted, last: Last, share: float) -> int:
    """When the first slot after its last run begins."""
    every = min(wanted.every_s, RETRY_S) if last.offline else wanted.every_s
    offset = int(share * every)
    return ((last.at - offset) // every + 1) * every + offset


def due(
    wanted: Sequence[Wanted], last: Mapping[tuple[Target, str], Last], now: int, share: float
) -> tuple[tuple[Due, ...], int | None]:
    """What is due now, and when the next of the rest will be.

    In order: what was never measured, then what waits longest. Whatever is measured goes behind all that still waits,
    so that nothing starves, however early each round is cut. A last run that lies after `now` is taken as not known,
    for the clock was wrong then or is wrong now.
    """
    found: list[Due] = []
    later: int | None = None
    for one in wanted:
        ran = last.get((one.target, one.path))
        at = next_at(one, ran, share) if ran is not None and ran.at <= now else None
        if at is None or at <= now:
            found.append(Due(one, at))
        else:
            later = at if later is None else min(later, at)
    found.sort(key=lambda one: -1 if one.since is None else one.since)
    return tuple(found), later


def by_path(found: Iterable[Due]) -> dict[str, tuple[Target, ...]]:
    """Targets by path, the path first whose first target waits longest."""
    paths: dict[str, list[Target]] = {}
    for one in found:
        paths.setdefault(one.wanted.path, []).append(one.wanted.target)
    return {path: tuple(targets) for path, targets in paths.items()}


def within(items: Iterable[T], clock: Callable[[], float], until: float) -> Iterator[T]:
    """Items as long as the clock is before `until`; the first in any case, so that each round gets somewhere."""
    for place, item in enumerate(items):
        if place and clock() >= until:
            return
        yield item
