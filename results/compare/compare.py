"""Rows of cells, one for each vantage, network, country, path or day. Pure.

A cell shows the newest finding that is close enough in time to the row's newest measurement, else it is a gap. Of
several vantages it shows the state of the most, of equally many the newest.
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
from results.compare.record import DIRECT, FINDINGS, NOT_KNOWN, RowState, network_of
from results.compare.timeline import BlockedShare, DayState, VantageTrack, share_of_days, tracks
from results.i18n.language import ENGLISH
from results.i18n.translator import Translator

By = Literal["vantage", "network", "country", "path", "day"]
Names = Mapping[Vantage, str]
MAX_DAYS = 400
"""Of a longer period only days with measurements are shown."""


class MatrixCell(msgspec.Struct, frozen=True, kw_only=True):
    """One row at one vantage, network, country, path or day; `outcome` None for a gap."""

    by: str
    outcome: str | None = None
    method: str | None = None
    agreement: str | None = None
    measurements: int = 0
    vantages: int = 0
    """With any measurement."""
    split: bool = False
    """Whether its vantages disagree."""
    share: BlockedShare | None = None
    """Of its vantage-days."""
    last: float | None = None
    """The newest measurement, seconds since 1970."""

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
    """The state changes of a row at one vantage."""

    label: str
    vantage: Vantage
    history: StateHistory


class ComparedRow(msgspec.Struct, frozen=True, kw_only=True):
    """The cells of one row and what differs between them."""

    row: str
    cells: tuple[MatrixCell, ...]
    difference: Difference
    kinds: tuple[Difference, ...]
    """All kinds; `difference` is the first."""
    says: str
    """The difference in words."""
    note: str | None
    """What was left out, and what weakens the comparison."""
    histories: tuple[VantageHistory, ...]
    since: str | None
    """The date since which a register lists it."""

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
    index: MeasurementIndex,
    *,
    by: By = "vantage",
    rows: RowKind = "service",
    within_s: float = 86400.0,
    language: str = ENGLISH,
) -> Iterator[ComparedRow]:
    """Compare row by row; states more than `within_s` older than the row's newest measurement are gaps."""
    words = Translator(language)
    vantages = index.vantages()
    every = labels(vantages, by, words) if by != "day" else {}
    days = _all_days(index.days()) if by == "day" else []
    names = labels(vantages, "vantage", words)
    for row in index.rows(rows):
        found = tracks(row, within_s)
        newest = max((track.last_at for track in found if track.last_at is not None), default=0.0)
        sides = _compared_vantages(found, row.is_service, newest, within_s, names)
        cells = _day_cells(found, days) if by == "day" else _label_cells(sides, every, newest, within_s)
        result = difference(sides, by, words)
        yield ComparedRow(
            row=row.name,
            cells=tuple(cells),
            difference=result.kinds[0],
            kinds=result.kinds,
            says=result.says,
            note=result.note,
            histories=tuple(VantageHistory(side.label, side.track.vantage, side.history) for side in sides),
            since=max((track.since for track in found if track.since), default=None),
        )


def _compared_vantages(
    found: Sequence[VantageTrack], is_service: bool, at: float, within_s: float, names: Names
) -> list[ComparedVantage]:
    """Each track with its fresh state; a service's counts only where all required targets were measured."""
    oldest = at - within_s
    required = {target for track in found for target, last in track.targets.items() if last >= oldest}
    sides = []
    for track in found:
        state = track.finding if track.finding is not None and track.finding.at >= oldest else None
        missing = is_service and any(track.targets.get(target, 0.0) < oldest for target in required)
        partial = state is not None and state.outcome != "blocked" and missing
        known = None if partial else state
        doubtful = state is None and track.doubt is not None and track.doubt.at >= oldest
        history = state_history(track.times, track.states)
        sides.append(ComparedVantage(track, names[track.vantage], known, history, partial, doubtful))
    return sides


def _label_cells(sides: Sequence[ComparedVantage], every: Names, at: float, within_s: float) -> Iterator[MatrixCell]:
    """A cell for each label, also those without measurements of this row."""
    groups: dict[str, list[ComparedVantage]] = {label: [] for label in in_order(every)}
    for side in sides:
        groups[every[side.vantage]].append(side)
    for label, group in groups.items():
        undetermined = [side.track.doubt for side in group if side.track.doubt and side.track.doubt.at >= at - within_s]
        yield _cell(
            label,
            [side.state for side in group if side.state is not None],
            [] if any(side.partial for side in group) else undetermined,
            [day for side in group for day in side.track.days.values()],
            [side.track.last_at for side in group if side.track.last_at is not None],
        )


def _day_cells(found: Sequence[VantageTrack], days: Sequence[str]) -> Iterator[MatrixCell]:
    """A cell for each UTC day, of direct paths alone where these have any finding."""
    direct = [track for track in found if track.vantage.path == DIRECT and track.finding is not None] or found
    for day in days:
        states = [track.days[day] for track in direct if day in track.days]
        last = [state.last for state in states if state.last is not None]
        yield _cell(
            day,
            [state for state in last if state.outcome in FINDINGS],
            [state for state in last if state.outcome not in FINDINGS],
            states,
            [state.last_at for state in states],
        )


def _cell(
    label: str,
    conclusive: Sequence[RowState],
    undetermined: Sequence[RowState],
    days: Sequence[DayState],
    last: Sequence[float],
) -> MatrixCell:
    state = _majority(conclusive) or _majority(undetermined)
    return MatrixCell(
        by=label,
        outcome=state.outcome if state else None,
        method=state.method if state else None,
        agreement=state.agreement if state else None,
        measurements=sum(day.measurements for day in days),
        vantages=len(last),
        split=len({state.outcome for state in conclusive}) > 1,
        share=share_of_days([day.blocked / day.findings for day in days if day.findings]),
        last=max(last, default=None),
    )


def _majority(states: Sequence[RowState]) -> RowState | None:
    """The newest of the most frequent states; of equals `blocked`."""
    counts = Counter(state.outcome for state in states)
    return max(states, key=lambda state: (counts[state.outcome], state.at, state.outcome == "blocked"), default=None)


def _all_days(days: Sequence[str]) -> list[str]:
    """Every day from the first to the last; beyond MAX_DAYS only those with measurements."""
    if not days:
        return []
    first, last = parse_date(days[0]), parse_date(days[-1])
    if (last - first).days > MAX_DAYS:
        return list(days)
    return [str(first + timedelta(days=n)) for n in range((last - first).days + 1)]


Label = str
Dimension = Literal["vantage", "network", "country", "path"]


def labels(vantages: Sequence[Vantage], by: Dimension, words: Translator | None = None) -> dict[Vantage, Label]:
    """The column of each vantage, in English by default. Other paths than the direct one have their own columns."""
    words = words or Translator(ENGLISH)
    if by == "path":
        return {vantage: vantage.path for vantage in vantages}
    names = _names(vantages) if by == "vantage" else {}
    found = {}
    for vantage in vantages:
        if by == "vantage":
            name = names[vantage]
        else:
            name = network_of(vantage) if by == "network" else vantage.country or f"country {NOT_KNOWN}"
        found[vantage] = words.network(name, vantage.path)
    return found


def in_order(every: Mapping[Vantage, Label]) -> list[Label]:
    """The columns in natural order, those of direct paths first."""
    paths = {label: vantage.path != DIRECT for vantage, label in every.items()}
    return sorted(paths, key=lambda label: (paths[label], _natural(label), label))


def _natural(label: Label) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() and part.isascii() else (-1, part)
        for part in re.split(r"([0-9]{1,18})", label)
    ]


def _names(vantages: Sequence[Vantage]) -> dict[Vantage, str]:
    """A machine's name, with its network where one name was measured in several networks."""
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
