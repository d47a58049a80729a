"""Hours from a register's listing of a target to its block on a network, as intervals between measurements."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cache, partial
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from probe.timestamps import epoch
from results.sql import statements

if TYPE_CHECKING:
    from sqlite_utils import Database

SQL = statements(__file__)

DAY_S, FIRST_ZONE_S, LAST_ZONE_S = 24 * 3600, 14 * 3600, 12 * 3600
"""A day begins 14 hours before the UTC day where it begins first, and ends 12 hours after it where it ends last."""
SURE = ("confirmed", "probable")


class ListingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """When an entry began to list: the instant, else the day of inclusion, else that of the decision; and the first
    register version that has it."""

    listed_at: str | None = None
    listed_on: str | None = None
    decision_date: str | None = None
    first_seen: str


class EnforcementInput(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement with its verdict and what the register said at the time."""

    id: str
    target: str
    vantage: str
    country: str | None
    asn: int | None = None
    network_name: str | None = None
    path: str = "direct"
    at: str
    """UTC, RFC 3339."""
    outcome: str
    confidence: str | None = None
    register: str | None = None
    listed: bool | None = None
    as_of: str | None = None
    """The time of the register version."""
    entries: tuple[ListingEntry, ...] = ()
    """The entries that list it."""

    @property
    def network(self) -> str | None:
        return f"AS{self.asn}" if self.asn is not None else self.network_name


class Enforcement(msgspec.Struct, frozen=True, kw_only=True):
    """One target that a register lists, on one network.

    `hours` are the least and the most from listing to block. The most is None without a block or a known date of
    listing; negative hours mean a block before the listing, where the least is None if it was never seen open before.
    """

    target: str
    register: str
    network: str | None
    listed_at: str
    """An instant (UTC) where known, else a day."""
    first_blocked: str | None
    last_open: str | None
    """Before the block; without one the last of all."""
    hours: tuple[float | None, float | None]


class Block(NamedTuple):
    """A `reachable`, None where there was none before, and the first and last `blocked` before the next `reachable`."""

    opened_at: str | None
    first_at: str | None
    last_at: str | None


class BlockingDelay(NamedTuple):
    """When a target was first blocked and last open before that, and the hours from its listing to the block."""

    first_blocked: str | None
    last_open: str | None
    at_least_h: float | None
    at_most_h: float | None


class ListingWindow(msgspec.Struct, frozen=True):
    """Within which a listing came into force, in seconds since 1970; `first` may be minus infinity."""

    first: float
    last: float
    shown: str


Versions = Mapping[str, Sequence[float]]
"""Register -> the moments of its stored versions, in their order, in seconds since the epoch."""


Networks = Set[tuple[str, int | None, str | None]]
"""Vantage, ASN and network name of direct measurements."""


def of_database(db: Database) -> list[Enforcement]:
    """`enforcement` of a whole database, with one target's measurements in memory at a time."""
    known, own = versions(db), frozenset(db.execute(SQL["DIRECT"]).fetchall())
    listed = [text for (text,) in db.execute(SQL["LISTED"])]
    found = [row for text in listed for row in enforcement(inputs_of_target(db, text), known, own)]
    return sorted(found, key=_sort_key)


def inputs_of_target(db: Database, target: str) -> Iterator[EnforcementInput]:
    """The counted measurements of a target."""
    entries = cache(partial(msgspec.json.decode, type=tuple[ListingEntry, ...]))
    for row in db.execute(SQL["ROWS"], [target]):
        values = dict(zip(EnforcementInput.__struct_fields__, row, strict=True))
        listed = None if values["listed"] is None else bool(values["listed"])
        yield EnforcementInput(**{**values, "listed": listed, "entries": entries(values["entries"] or "[]")})


def versions(db: Database) -> Versions:
    """The stored versions of each register."""
    found: dict[str, list[float]] = defaultdict(list)
    for register, at in db.execute(SQL["VERSIONS"]):
        found[register].append(at)
    return found


def enforcement(
    rows: Iterable[EnforcementInput], known: Versions = MappingProxyType({}), own: Networks | None = None
) -> list[Enforcement]:
    """The delay for each target, register and network; rows in any order.

    An entry without a date began after the last of the `known` versions before its first. `own` are the networks of
    direct measurements, by default those of these rows.
    """
    ordered = sorted(set(rows), key=lambda row: (epoch(row.at), row.id))
    answers: dict[tuple[str, str], list[EnforcementInput]] = defaultdict(list)
    for row in ordered:
        if row.register is not None:
            answers[row.target, row.register].append(row)
    measured: dict[str, dict[tuple[str | None, ...], list[EnforcementInput]]] = defaultdict(lambda: defaultdict(list))
    for row in _conclusive(ordered, own):
        vantage = row.vantage if row.network is None else ""
        measured[row.target][row.country, row.network, vantage].append(row)
    found = []
    for (target, register), rows_of_register in answers.items():
        listing = _listing(rows_of_register, known.get(register, ()))
        countries = {row.country for row in rows_of_register if row.listed}
        for (country, network, _), group in measured[target].items():
            if listing is not None and country in countries:
                found.append(_enforced(target, register, network, listing, group))
    return sorted(found, key=_sort_key)


def _sort_key(row: Enforcement) -> tuple[str, str, str]:
    return row.network or "", row.register, row.target


def _conclusive(rows: Sequence[EnforcementInput], own: Networks | None) -> list[EnforcementInput]:
    """Those with a sure outcome whose network is known: direct, or by a path with a network of its own."""
    if own is None:
        own = {(row.vantage, row.asn, row.network_name) for row in rows if row.path == "direct"}
    return [
        row
        for row in rows
        if (row.outcome == "reachable" or (row.outcome == "blocked" and row.confidence in SURE))
        and (row.path == "direct" or (row.network and (row.vantage, row.asn, row.network_name) not in own))
    ]


def _listing(rows_of_register: Sequence[EnforcementInput], known: Sequence[float]) -> ListingWindow | None:
    """When a register first listed a target, by all of its answers; None where it never did."""
    windows = {entry: _window(entry, known) for row in rows_of_register if row.listed for entry in row.entries}
    if not windows:
        return None
    first = min(window.first for window in windows.values())
    last, shown = min((window.last, window.shown) for window in windows.values())
    without = [epoch(row.as_of) for row in rows_of_register if row.listed is False and row.as_of is not None]
    return ListingWindow(max([first, *(at for at in without if at <= last)]), last, shown)


def _window(entry: ListingEntry, known: Sequence[float]) -> ListingWindow:
    if entry.listed_at is not None:
        at = epoch(entry.listed_at)
        return ListingWindow(at, at, entry.listed_at)
    appeared = epoch(entry.first_seen)
    first, last, shown = -math.inf, appeared, entry.first_seen
    if (day := entry.listed_on or entry.decision_date) is not None:
        (first, ends), shown = day_window(day), day[:10]
        last = max(first, min(appeared, ends) if entry.listed_on else appeared)
    return ListingWindow(max([first, *(at for at in known if at < appeared and at <= last)]), last, shown)


def _enforced(
    target: str, register: str, network: str | None, listing: ListingWindow, measured: Sequence[EnforcementInput]
) -> Enforcement:
    delay = blocking_delay(_blocks(measured), listing.first, listing.last)
    return Enforcement(
        target=target,
        register=register,
        network=network,
        listed_at=listing.shown,
        first_blocked=delay.first_blocked,
        last_open=delay.last_open,
        hours=(delay.at_least_h, delay.at_most_h),
    )


def _blocks(measured: Sequence[EnforcementInput]) -> list[Block]:
    """Conclusive measurements of one target and network in their order, cut before each `reachable`."""
    blocks: list[Block] = []
    for row in measured:
        if row.outcome == "reachable":
            blocks.append(Block(row.at, None, None))
        elif blocks:
            blocks[-1] = Block(blocks[-1].opened_at, blocks[-1].first_at or row.at, row.at)
        else:
            blocks.append(Block(None, row.at, row.at))
    return blocks


def blocking_delay(blocks: Sequence[Block], first: float, last: float) -> BlockingDelay:
    """The delay of the first block that was not over when the listing came into force, between `first` and `last`.

    Times are seconds since 1970; a listing with a `first` of minus infinity has no `at_most_h`. Without a block the
    delay is that until the last `reachable`, at least.
    """
    block = next(
        (
            block
            for number, block in enumerate(blocks, 1)
            if block.last_at is not None and (number == len(blocks) or epoch(block.last_at) >= first)
        ),
        None,
    )
    opened_at = (block or blocks[-1]).opened_at
    at_least = _hours(epoch(opened_at) - last) if opened_at is not None else None
    at_most = None
    if block is not None and block.first_at is not None and first > -math.inf:
        at_most = _hours(epoch(block.first_at) - first)
    if at_most is None or at_most >= 0:
        at_least = max(0.0, at_least or 0.0)
    return BlockingDelay(block.first_at if block is not None else None, opened_at, at_least, at_most)


def day_window(day: str) -> tuple[float, float]:
    """The first and the last instant of a date in any time zone, in seconds since 1970."""
    begins = epoch(day[:10])
    return begins - FIRST_ZONE_S, begins + DAY_S + LAST_ZONE_S


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 2)


class NetworkDelay(msgspec.Struct, frozen=True, kw_only=True):
    """How many listed targets a network blocks, and the interval of the median delay in hours; None is infinite, as is
    the delay of a target that is not blocked."""

    network: str | None
    register: str
    targets: int
    blocked: int
    at_least: float | None
    at_most: float | None


def by_network(found: Iterable[Enforcement]) -> list[NetworkDelay]:
    """All networks, those with most targets first."""
    groups: dict[tuple[str | None, str], list[Enforcement]] = defaultdict(list)
    for row in found:
        groups[row.network, row.register].append(row)
    delays = [
        NetworkDelay(
            network=network,
            register=register,
            targets=len(group),
            blocked=sum(row.first_blocked is not None for row in group),
            at_least=_finite(median(-math.inf if row.hours[0] is None else row.hours[0] for row in group)),
            at_most=_finite(median(math.inf if row.hours[1] is None else row.hours[1] for row in group)),
        )
        for (network, register), group in groups.items()
    ]
    return sorted(delays, key=lambda row: (-row.targets, row.network or "", row.register))


def _finite(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
