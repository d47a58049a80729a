"""Rows side by side: a cell for each vantage, network, country, path or day, and what differs. Pure.

A cell is the latest confirmed state: the newest finding, where that is close enough in time to the row's newest
measurement. A cell without one is a gap, and a gap agrees with nothing. Where a cell holds several vantages it says
what most of them say, of equals the newest; its share says how many do not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from probe.model import Vantage
from probe.timestamps import parse_date, rfc3339_of_epoch
from results.aggregate.changes import StateHistory, state_history
from results.compare.differences import ComparedVantage, Difference, difference
from results.compare.index import MeasurementIndex, RowKind
from results.compare.record import DIRECT, FINDINGS, NOT_KNOWN, network_of
from results.compare.timeline import BlockedShare, DayState, RowState, VantageTrack, share_of_days, tracks

By = Literal["vantage", "network", "country", "path", "day"]
Names = Mapping[Vantage, str]
MAX_DAYS = 400
"""Between the first and the last day so many gaps are shown; of a longer period only days with measurements."""


class MatrixCell(msgspec.Struct, frozen=True, kw_only=True):
    """One row at one vantage, network, country, path or day; `outcome` None for a gap."""

    by: str
    outcome: str | None = None
    method: str | None = None
    agreement: str | None = None
    measurements: int = 0
    vantages: int = 0
    """How many vantages measured anything."""
    split: bool = False
    """Whether they are not all in one state."""
    share: BlockedShare | None = None
    """Of its vantage-days, how many are blocked."""
    last: float | None = None
    """When the last measurement was; seconds since 1970."""

    def plain(self) -> dict[str, Any]:
        """The documented keys of `compare --json`."""
        share = self.share
        return {
            "by": self.by,
            "outcome": self.outcome,
            "method": self.method,
            "agreement": self.agreement,
            "measurements": self.measurements,
            "vantage_days": share.of if share else 0,
            "blocked_share": round(share.share, 4) if share else None,
            "interval": [round(share.low, 4), round(share.high, 4)] if share else None,
            "last": rfc3339_of_epoch(self.last, "milliseconds") if self.last is not None else None,
        }


class VantageHistory(msgspec.Struct, frozen=True):
    """How a row changed over time at one vantage."""

    label: str
    vantage: Vantage
    history: StateHistory


class ComparedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row, compared."""

    row: str
    is_service: bool
    cells: tuple[MatrixCell, ...]
    difference: Difference
    kinds: tuple[Difference, ...]
    """Every kind of difference there is; `difference` is the first."""
    says: str
    """The difference in words."""
    note: str | None
    """What was left out of the comparison, and what is odd."""
    histories: tuple[VantageHistory, ...]
    since: str | None
    """Since when a register lists it, as far as anybody's measurements know."""
    at: float | None
    """The newest measurement: what other states have to be close to."""

    def plain(self) -> dict[str, Any]:
        """The documented line of `compare --json`."""
        return {
            "row": self.row,
            "difference": self.difference,
            "cells": [cell.plain() for cell in self.cells],
            "says": self.says,
            "note": self.note,
        }


def compare(
    gathered: MeasurementIndex, *, by: By = "vantage", rows: RowKind = "service", within_s: float = 86400.0
) -> Iterator[ComparedRow]:
    """Each row, one after the other. States count that are at most `within_s` older than the row's newest one."""
    vantages = gathered.vantages()
    every = labels(vantages, by) if by != "day" else {}
    days = _all_days(gathered.days()) if by == "day" else []
    names = labels(vantages, "vantage")
    for row in gathered.rows(rows):
        found = tracks(row, within_s)
        at = max((track.last_at for track in found if track.last_at is not None), default=None)
        newest = at or 0.0
        units = _compared_vantages(found, row.is_service, newest, within_s, names)
        cells = _day_cells(found, days) if by == "day" else _label_cells(units, every, newest, within_s)
        told = difference(units, by)
        yield ComparedRow(
            row=row.name,
            is_service=row.is_service,
            cells=tuple(cells),
            difference=told.kinds[0],
            kinds=told.kinds,
            says=told.says,
            note=told.note,
            histories=tuple(VantageHistory(unit.label, unit.track.vantage, unit.history) for unit in units),
            since=max((track.since for track in found if track.since), default=None),
            at=at,
        )


def _compared_vantages(
    found: Sequence[VantageTrack], is_service: bool, at: float, within_s: float, names: Names
) -> list[ComparedVantage]:
    """Each track with its state as it is compared: fresh, and for a service of all that anybody had to measure."""
    oldest = at - within_s
    required = {target for track in found for target, last in track.targets.items() if last >= oldest}
    units = []
    for track in found:
        point = track.finding if track.finding is not None and track.finding.at >= oldest else None
        missing = is_service and any(track.targets.get(target, 0.0) < oldest for target in required)
        partial = point is not None and point.outcome != "blocked" and missing
        known = None if partial else point
        doubtful = point is None and track.doubt is not None and track.doubt.at >= oldest
        course = state_history(track.times, track.states)
        units.append(ComparedVantage(track, names[track.vantage], known, course, partial, doubtful))
    return units


def _label_cells(units: Sequence[ComparedVantage], every: Names, at: float, within_s: float) -> Iterator[MatrixCell]:
    """A cell for each label that there is, also where the row has nothing to show in it."""
    groups: dict[str, list[ComparedVantage]] = {label: [] for label in in_order(every)}
    for unit in units:
        groups[every[unit.vantage]].append(unit)
    for label, group in groups.items():
        doubts = [unit.track.doubt for unit in group if unit.track.doubt and unit.track.doubt.at >= at - within_s]
        yield _cell(
            label,
            [unit.point for unit in group if unit.point is not None],
            [] if any(unit.partial for unit in group) else doubts,
            [day for unit in group for day in unit.track.days.values()],
            [unit.track.last_at for unit in group if unit.track.last_at is not None],
        )


def _day_cells(found: Sequence[VantageTrack], days: Sequence[str]) -> Iterator[MatrixCell]:
    """A cell for each UTC day. What leaves by another path is left out where anybody's direct path found anything."""
    direct = [track for track in found if track.vantage.path == DIRECT and track.finding is not None] or found
    for day in days:
        there = [track.days[day] for track in direct if day in track.days]
        last = [one.last for one in there if one.last is not None]
        yield _cell(
            day,
            [point for point in last if point.outcome in FINDINGS],
            [point for point in last if point.outcome not in FINDINGS],
            there,
            [one.last_at for one in there],
        )


def _cell(
    label: str, points: Sequence[RowState], doubts: Sequence[RowState], days: Sequence[DayState], last: Sequence[float]
) -> MatrixCell:
    state = _majority(points) or _majority(doubts)
    return MatrixCell(
        by=label,
        outcome=state.outcome if state else None,
        method=state.method if state else None,
        agreement=state.agreement if state else None,
        measurements=sum(day.measurements for day in days),
        vantages=len(last),
        split=len({point.outcome for point in points}) > 1,
        share=share_of_days([day.blocked / day.findings for day in days if day.findings]),
        last=max(last, default=None),
    )


def _majority(points: Sequence[RowState]) -> RowState | None:
    """The state that most vantages are in, and of these the newest."""
    counts = Counter(point.outcome for point in points)
    return max(points, key=lambda point: (counts[point.outcome], point.at, point.outcome == "blocked"), default=None)


def _all_days(days: Sequence[str]) -> list[str]:
    """Every day from the first to the last, for a day without measurements is a gap; of a very long time only those
    with measurements."""
    if not days:
        return []
    first, last = parse_date(days[0]), parse_date(days[-1])
    if (last - first).days > MAX_DAYS:
        return list(days)
    return [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]


Label = str
Dimension = Literal["vantage", "network", "country", "path"]


def labels(vantages: Sequence[Vantage], by: Dimension) -> dict[Vantage, Label]:
    """For each vantage the column that it belongs to.

    What leaves by another path than the direct one is seen from another place: it never counts for the network or the
    country that the vantage stands in, but has a column of its own there.
    """
    if by == "path":
        return {vantage: vantage.path for vantage in vantages}
    names = _names(vantages) if by == "vantage" else {}
    found = {}
    for vantage in vantages:
        if by == "vantage":
            name = names[vantage]
        else:
            name = network_of(vantage) if by == "network" else vantage.country or f"country {NOT_KNOWN}"
        found[vantage] = name if vantage.path == DIRECT else f"{name} by {vantage.path}"
    return found


def in_order(every: Mapping[Vantage, Label]) -> list[Label]:
    """The columns: those of direct paths first, each by its letters and numbers."""
    paths = {label: vantage.path != DIRECT for vantage, label in every.items()}
    return sorted(paths, key=lambda label: (paths[label], _natural(label), label))


def _natural(label: Label) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() and part.isascii() else (-1, part)
        for part in re.split(r"([0-9]{1,18})", label)
    ]


def _names(vantages: Sequence[Vantage]) -> dict[Vantage, str]:
    """A machine's name; with its network where machines of one name, or one that moves about, are in several."""
    networks: dict[tuple[str, str], set[tuple[str | None, str]]] = defaultdict(set)
    for vantage in vantages:
        networks[vantage.name, vantage.path].add((vantage.country, network_of(vantage)))
    found = {}
    for vantage in vantages:
        name = vantage.name
        if len(networks[vantage.name, vantage.path]) > 1:
            name += f" {network_of(vantage)}"
            if len({network for _, network in networks[vantage.name, vantage.path]}) == 1:
                name += f" {vantage.country or NOT_KNOWN}"
        found[vantage] = name
    return found
