"""A service day by day on each network, drawn as rows of marks; geometry in SVG's units."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date, timedelta

import msgspec

from probe.timestamps import parse_date
from results.aggregate.questions import UNDETERMINED
from results.hub.web.labels import NetworkColumn, in_order, network
from results.hub.web.queries import DayRow
from results.i18n.signs import OUTCOME_SIGNS
from results.judge.verdict import deciding

MARK_WIDTH, MAX_MARK_WIDTH, ROW_HEIGHT, TOP, BOTTOM = 16, 34, 46, 22, 20
WIDE, NARROW = 58, 21
"""Marks side by side on a desktop and on a phone."""
TICK_WIDTH = 100
MAX_NETWORKS = 40


class Mark(msgspec.Struct, frozen=True):
    x: int
    outcome: str


class TimelineRow(msgspec.Struct, frozen=True, kw_only=True):
    """A network; `days` counts its days by outcome."""

    network: NetworkColumn
    y: int
    marks: tuple[Mark, ...]
    days: dict[str, int]
    first: str
    last: str


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A drawing whose marks are `cell` wide; `listed_x` is None where the listing is outside."""

    width: int
    height: int
    cell: int
    first: str
    last: str
    rows: tuple[TimelineRow, ...]
    ticks: tuple[tuple[int, str], ...]
    """Position and day."""
    listed_x: int | None
    left_out: int


OutcomesByDay = Mapping[NetworkColumn, Mapping[str, str]]


def outcomes_by_day(rows: Iterable[DayRow], required: Set[str]) -> OutcomesByDay:
    """For each network and day the outcome of the target that decides."""
    counts: dict[tuple[NetworkColumn, str], dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        column = network(row.country, row.asn, row.network_name, row.path)
        counts[column, row.day][row.target][row.outcome] = row.findings
    found: dict[NetworkColumn, dict[str, str]] = defaultdict(dict)
    for (column, day), targets in sorted(counts.items(), key=lambda item: item[0][1]):
        states = [(target, target in required, _prevailing(outcomes)) for target, outcomes in sorted(targets.items())]
        decides = deciding(states)
        found[column][day] = next(outcome for target, _, outcome in states if target == decides)
    return found


def draw(days: OutcomesByDay, max_marks: int, listed: str | None) -> Timeline | None:
    """A timeline of at most `max_marks` marks a row, which may stand for several days; None without a day."""
    every = sorted({day for of_network in days.values() for day in of_network})
    if not every:
        return None
    first, last = parse_date(every[0]), parse_date(every[-1])
    count = (last - first).days + 1
    step = -(-count // max_marks)
    cell = min(MAX_MARK_WIDTH, max_marks * MARK_WIDTH // -(-count // step))
    columns = in_order(days)
    shown = columns[:MAX_NETWORKS]
    rows = []
    for number, column in enumerate(shown):
        rows.append(
            TimelineRow(
                network=column,
                y=TOP + ROW_HEIGHT * number,
                marks=tuple(_marks(days[column], first, step, cell)),
                days=Counter(outcome for _, outcome in sorted(days[column].items())),
                first=min(days[column]),
                last=max(days[column]),
            )
        )
    return Timeline(
        width=max_marks * MARK_WIDTH + 8,
        height=TOP + ROW_HEIGHT * len(shown) + BOTTOM,
        cell=cell,
        first=every[0],
        last=every[-1],
        rows=tuple(rows),
        ticks=tuple(_ticks(first, -(-count // step), step, cell)),
        listed_x=_x_of(listed, first, last, cell / step),
        left_out=len(columns) - len(shown),
    )


def _marks(days: Mapping[str, str], first: date, step: int, cell: int) -> Iterable[Mark]:
    """One for each `step` days."""
    bins: dict[int, Counter[str]] = defaultdict(Counter)
    for day, outcome in sorted(days.items()):
        bins[(parse_date(day) - first).days // step][outcome] += 1
    return (Mark(4 + number * cell, _prevailing(counts)) for number, counts in sorted(bins.items()))


def _prevailing(counts: Mapping[str, int]) -> str:
    """Blocked where half of the conclusive findings are, else the most frequent."""
    conclusive = {outcome: count for outcome, count in counts.items() if outcome not in UNDETERMINED} or dict(counts)
    if 2 * conclusive.get("blocked", 0) >= sum(conclusive.values()):
        return "blocked"
    rest = {outcome: count for outcome, count in conclusive.items() if outcome != "blocked"}
    return max(rest, key=lambda outcome: (rest[outcome], outcome))


def _ticks(first: date, marks: int, step: int, cell: int) -> Iterable[tuple[int, str]]:
    for number in range(0, marks, -(-TICK_WIDTH // cell)):
        if (marks - number) * cell >= TICK_WIDTH or number == 0:
            yield 4 + number * cell, (first + timedelta(days=number * step)).isoformat()


def _x_of(listed: str | None, first: date, last: date, day_width: float) -> int | None:
    """Where the day of the listing begins."""
    try:
        day = parse_date((listed or "")[:10])
    except ValueError:
        return None
    return round(4 + (day - first).days * day_width) if first <= day <= last else None


def outcomes_in(days: OutcomesByDay) -> Sequence[str]:
    """The outcomes that occur, in the order of their signs."""
    found = {outcome for of_network in days.values() for outcome in of_network.values()}
    return [outcome for outcome in OUTCOME_SIGNS if outcome is not None and outcome in found]
