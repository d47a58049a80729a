"""What is due now: slots of each campaign's interval, shortened for new listings and changed verdicts.

Time is cut into slots as long as a campaign's `every`, shifted by this machine's share of it to spread a fleet's load.
A target is due when a slot has begun in which it was not measured. Times are whole seconds since the epoch (UTC).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TypeVar

import msgspec

from probe.model import Target
from probe.net.path import BadPath
from probe.timestamps import epoch, parse_time, rfc3339_of_epoch
from results.db.read import last_network, last_runs, made_at, recent_outcomes
from results.db.store import Store
from results.registers.expectation import RegisterLookup
from results.registers.names import BadName
from schedules.config.schema import Config
from schedules.location.location import usable
from schedules.plan.model import Choice, PlannedTarget
from schedules.plan.selection import planned_targets

T = TypeVar("T")
HOUR_S, DAY_S = 3600, 86400
OFFLINE_RETRY_S = HOUR_S
"""Longest wait before a target is retried that was skipped because the network was down."""
NEW_LISTING_S = 2 * DAY_S
"""How long a newly listed target is measured hourly."""
WATCHED_LISTING_S = NEW_LISTING_S + 14 * DAY_S
"""How long it is measured daily after that."""
CONFIRM_INTERVAL_S = 900
MIN_STABLE_RUN = 3
"""Equal outcomes in a row that make a verdict stable."""
MAX_OUTCOMES = 12
"""A target without a stable verdict in this many outcomes is flapping, and not measured more often for it."""


class DueRound(msgspec.Struct, frozen=True):
    """The `choices` to measure now by path, and when the next of the rest is due (Unix time, None: nothing).

    `missing` has a sentence for each path that is not available now, whose targets wait.
    """

    choices: tuple[Choice, ...]
    later: int | None
    missing: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return sum(len(choice.targets) for choice in self.choices)

    @property
    def next_due(self) -> str | None:
        """`later` as RFC 3339."""
        return rfc3339_of_epoch(self.later) if self.later is not None else None


class LastRun(msgspec.Struct, frozen=True):
    """When a target was measured last, and whether the network was down then."""

    at: int
    offline: bool = False


class DueTarget(msgspec.Struct, frozen=True):
    """A target to measure now; `since` is when it became due, None if it was never measured."""

    wanted: PlannedTarget
    since: int | None


def due_now(config: Config, store: Store, now: float) -> DueRound:
    """The targets of the campaigns that are due, those of paths that are not available left out."""
    planned = with_priority(config, store, planned_targets(config, store), now)
    share = period_share(made_at(store.db))
    found, later = due_targets(planned, last_measured(config, store, planned, now), int(now), share)
    present: list[Choice] = []
    missing: list[str] = []
    for path, targets in targets_by_path(found).items():
        try:
            usable(config, path)
        except BadPath as error:
            missing.append(str(error))
        else:
            present.append(Choice(targets, path))
    return DueRound(tuple(present), later, tuple(missing))


def last_measured(
    config: Config, store: Store, planned: tuple[PlannedTarget, ...], now: float
) -> dict[tuple[Target, str], LastRun]:
    """The last run of each target and path in the database."""
    until = rfc3339_of_epoch(now, "milliseconds")
    found: dict[tuple[Target, str], LastRun] = {}
    for path in dict.fromkeys(one.path for one in planned):
        targets = [one.target for one in planned if one.path == path]
        for target, run in last_runs(store.db, targets, config.vantage_by(path), until).items():
            found[target, path] = LastRun(int(epoch(run.started_at)), run.outcome == "offline")
    return found


def period_share(seed: str) -> float:
    """A machine's fixed share of every period, in [0, 1), evenly spread over different seeds."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 2**32


def next_due(planned: PlannedTarget, last: LastRun, share: float) -> int:
    """The start of the first slot after the last run."""
    every = min(planned.every_s, OFFLINE_RETRY_S) if last.offline else planned.every_s
    offset = int(share * every)
    return ((last.at - offset) // every + 1) * every + offset


def due_targets(
    planned: Sequence[PlannedTarget], last: Mapping[tuple[Target, str], LastRun], now: int, share: float
) -> tuple[tuple[DueTarget, ...], int | None]:
    """The targets due now, and when the next of the rest will be.

    Targets never measured come first, then those that have waited longest, so that none starves if rounds are cut
    short. A last run after `now` counts as unknown: the clock was wrong then or is wrong now.
    """
    found: list[DueTarget] = []
    later: int | None = None
    for one in planned:
        run = last.get((one.target, one.path))
        at = next_due(one, run, share) if run is not None and run.at <= now else None
        if at is None or at <= now:
            found.append(DueTarget(one, at))
        else:
            later = at if later is None else min(later, at)
    found.sort(key=lambda due: -1 if due.since is None else due.since)
    return tuple(found), later


def targets_by_path(found: Iterable[DueTarget]) -> dict[str, tuple[Target, ...]]:
    """Targets by path; the path of the target that has waited longest comes first."""
    paths: dict[str, list[Target]] = {}
    for due in found:
        paths.setdefault(due.wanted.path, []).append(due.wanted.target)
    return {path: tuple(targets) for path, targets in paths.items()}


def within(items: Iterable[T], clock: Callable[[], float], until: float) -> Iterator[T]:
    """The items until the clock reaches `until`; at least the first, so that each round makes progress."""
    for number, item in enumerate(items):
        if number and clock() >= until:
            return
        yield item


def with_priority(
    config: Config, store: Store, planned: Sequence[PlannedTarget], now: float
) -> tuple[PlannedTarget, ...]:
    """The same targets with the shortest interval that campaign, new listing or changed verdict asks for."""
    until = datetime.fromtimestamp(now, UTC)
    registers = NewlyListed(store, config.vantage.country, until)
    found: list[PlannedTarget] = []
    previous_network = last_network(store.db)
    for one in planned:
        # The router may be unknown until something was sent; the network of the last run is the likely one.
        network = config.place(one.path).network_key or (previous_network if one.path == "direct" else None)
        vantage = config.vantage_by(one.path)
        outcomes = recent_outcomes(store.db, one.target.text, vantage, until, MAX_OUTCOMES, network=network)
        every_s = shortest_interval_s(one.every_s, registers.listed_s(one.target.text), outcomes)
        found.append(msgspec.structs.replace(one, every_s=every_s))
    return tuple(found)


def after_listing(listed_s: int | None) -> int | None:
    """The interval in seconds for a target newly listed `listed_s` seconds ago; None: no shorter one."""
    if listed_s is None or not 0 <= listed_s < WATCHED_LISTING_S:
        return None
    return HOUR_S if listed_s < NEW_LISTING_S else DAY_S


def after_change(outcomes: Sequence[str]) -> int | None:
    """The interval in seconds for a target with these outcomes, newest first; None: no shorter one.

    A new outcome is confirmed at once, then checked hourly until it is stable. `offline` is ignored.
    """
    known = [outcome for outcome in outcomes if outcome != "offline"][:MAX_OUTCOMES]
    runs = [len(list(same)) for _, same in groupby(known)]
    if len(runs) < 2 or runs[0] >= MIN_STABLE_RUN or is_flapping(known):
        return None
    return CONFIRM_INTERVAL_S if runs[0] == 1 else HOUR_S


def is_flapping(outcomes: Sequence[str]) -> bool:
    """Whether none of the newest outcomes was stable."""
    newest = outcomes[:MAX_OUTCOMES]
    return len(newest) == MAX_OUTCOMES and max(len(list(same)) for _, same in groupby(newest)) < MIN_STABLE_RUN


def shortest_interval_s(every_s: int, listed_s: int | None, outcomes: Sequence[str]) -> int:
    """The shortest interval of campaign, new listing and changed verdict, in seconds."""
    asked = (every_s, after_listing(listed_s), after_change(outcomes))
    return min(interval_s for interval_s in asked if interval_s is not None)


class NewListing(msgspec.Struct, frozen=True):
    """A register, the time of its version that first listed the target, and the entry's own date and basis."""

    register: str
    at: datetime
    since: str | None
    basis: str | None


class NewlyListed:
    """The targets that a country's registers list today and an earlier version did not.

    Entries of a register's first version are not newly listed.
    """

    def __init__(self, store: Store, country: str | None, now: datetime) -> None:
        self._db, self._country, self._now = store.db, country, now
        self._today = self._at(now) if country else None
        self._before: dict[tuple[str, str], RegisterLookup] = {}

    def listed_s(self, target: str) -> int | None:
        """The seconds since a version of the register first listed `target`; None if that is not new."""
        found = self.listing(target)
        return int((self._now - found.at).total_seconds()) if found is not None else None

    def listing(self, target: str) -> NewListing | None:
        """The new listing of `target`, or None."""
        if self._today is None:
            return None
        try:
            found = self._today.expect(target)
            if not found.listed or found.register is None:
                return None
            since = min(entry.first_seen for entry in found.entries)
            at = parse_time(since)
            if (self._now - at).total_seconds() >= WATCHED_LISTING_S:
                return None
            key = found.register, since
            if key not in self._before:
                self._before[key] = self._at(at - timedelta(seconds=1), found.register)
            was = self._before[key].expect(target).listed
        except BadName:
            return None
        return NewListing(found.register, at, found.since, found.basis) if was is False else None

    def _at(self, moment: datetime, register: str | None = None) -> RegisterLookup:
        return RegisterLookup(self._db, country=self._country, register=register, at=moment)
