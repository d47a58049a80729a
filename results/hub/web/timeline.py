"""How a service went day by day on each network: a mark for a day, or a few, in rows. Pure; geometry in SVG's units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date, timedelta

import msgspec

from probe.timestamps import parse_date
from results.aggregate.questions import UNDETERMINED
from results.hub.web.labels import Network, in_order, network
from results.hub.web.queries import DayRow
from results.judge.service import deciding
from results.report.phrases import SIGNS

CELL, WIDEST, ROW, TOP, BOTTOM = 16, 34, 46, 22, 20
WIDE, NARROW = 58, 21
"""So many marks go side by side on a desk, and on a phone."""
TICK = 100
"""As much room as a day's name takes."""
MOST_NETWORKS = 40


class Mark(msgspec.Struct, frozen=True):
    x: int
    y: int
    outcome: str
    sign: str


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """A network's row: where its name and marks stand, and how many days were found so."""

    network: Network
    y: int
    marks: tuple[Mark, ...]
    days: dict[str, int]
    first: str
    last: str


class Strip(msgspec.Struct, frozen=True, kw_only=True):
    """A drawing of `width` x `height`; a mark stands for `step` days; `listed_x` is None where the listing is not
    within."""

    width: int
    height: int
    cell: int
    """How wide a mark is."""
    step: int
    courses: tuple[Course, ...]
    ticks: tuple[tuple[int, str], ...]
    """Where a day's name stands."""
    listed_x: int | None
    left_out: int


Days = Mapping[Network, Mapping[str, str]]


def by_network(rows: Iterable[DayRow], required: Set[str]) -> Days:
    """Network -> day -> outcome: that of the target that decides, which is blocked where half of its findings are."""
    counts: dict[tuple[Network, str], dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        place = network(row.country, row.asn, row.network_name, row.path)
        counts[place, row.day][row.target][row.outcome] = row.findings
    found: dict[Network, dict[str, str]] = defaultdict(dict)
    for (place, day), targets in sorted(counts.items(), key=lambda item: item[0][1]):
        said = [(target, target in required, _most(outcomes)) for target, outcomes in sorted(targets.items())]
        decides = deciding(said)
        found[place][day] = next(outcome for target, _, outcome in said if target == decides)
    return found


def strip(days: Days, most: int, listed: str | None) -> Strip | None:
    """The drawing, at most so many marks wide; None where there is nothing to draw."""
    every = sorted({day for those in days.values() for day in those})
    if not every:
        return None
    first, last = parse_date(every[0]), parse_date(every[-1])
    count = (last - first).days + 1
    step = -(-count // most)
    cell = min(WIDEST, most * CELL // -(-count // step))
    places = in_order(days)
    shown = places[:MOST_NETWORKS]
    height = TOP + ROW * len(shown) + BOTTOM
    return Strip(
        width=most * CELL + 8,
        height=height,
        cell=cell,
        step=step,
        courses=tuple(
            _course(place, days[place], TOP + ROW * number, first, step, cell) for number, place in enumerate(shown)
        ),
        ticks=tuple(_ticks(first, -(-count // step), step, cell)),
        listed_x=_x_of(listed, first, last, cell / step),
        left_out=len(places) - len(shown),
    )


def _course(place: Network, days: Mapping[str, str], y: int, first: date, step: int, cell: int) -> Course:
    bins: dict[int, list[str]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for day, outcome in sorted(days.items()):
        bins[(parse_date(day) - first).days // step].append(outcome)
        counts[outcome] += 1
    marks = []
    for number, outcomes in sorted(bins.items()):
        said = _most({outcome: outcomes.count(outcome) for outcome in outcomes})
        marks.append(Mark(4 + number * cell, y + 18, said, SIGNS[said]))
    return Course(network=place, y=y, marks=tuple(marks), days=dict(counts), first=min(days), last=max(days))


def _most(counts: Mapping[str, int]) -> str:
    """Blocked where half of what tells is, else what most say."""
    telling = {outcome: count for outcome, count in counts.items() if outcome not in UNDETERMINED} or dict(counts)
    if 2 * telling.get("blocked", 0) >= sum(telling.values()):
        return "blocked"
    rest = {outcome: count for outcome, count in telling.items() if outcome != "blocked"}
    return max(rest, key=lambda outcome: (rest[outcome], outcome))


def _ticks(first: date, marks: int, step: int, cell: int) -> Iterable[tuple[int, str]]:
    for number in range(0, marks, -(-TICK // cell)):
        if (marks - number) * cell >= TICK or number == 0:
            yield 4 + number * cell, (first + timedelta(days=number * step)).isoformat()


def _x_of(listed: str | None, first: date, last: date, a_day: float) -> int | None:
    """Where a listing's day begins."""
    try:
        day = parse_date((listed or "")[:10])
    except ValueError:
        return None
    return round(4 + (day - first).days * a_day) if first <= day <= last else None


def outcomes_of(days: Days) -> Sequence[str]:
    """Those that occur, in the order of their signs."""
    there = {outcome for those in days.values() for outcome in those.values()}
    return [outcome for outcome in SIGNS if outcome is not None and outcome in there]
