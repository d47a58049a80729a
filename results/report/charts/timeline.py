"""Since when: a mark for each day and place, the listing, and within which time blocks began and ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import altair as alt

from probe.timestamps import parse_date, parse_time
from results.compare.timeline import DayState
from results.i18n.signs import OUTCOME_SIGNS
from results.i18n.translator import Translator
from results.report import tables
from results.report.charts import (
    INK,
    MAX_NETWORKS,
    OUTCOMES,
    PAPER,
    is_narrow,
    label_width,
    specification,
    unique_labels,
    values,
    y_axis,
)  # fmt: skip
from results.report.summary import ReportRow, RowHistory, Summary


def timeline(row: ReportRow, summary: Summary, words: Translator, width: int) -> dict[str, Any] | None:
    """The specification, None where there is nothing to draw."""
    if summary.first_day is None or summary.last_day is None or not row.histories:
        return None
    histories = row.histories[:MAX_NETWORKS]
    full = [_history_name(history, summary, words) for history in histories]
    left = label_width(width, full)
    names = unique_labels(full, left)
    first, last = parse_date(summary.first_day), parse_date(summary.last_day)
    most = (width - left) // (9 if is_narrow(width) else 16)
    step = max(1, -(-((last - first).days + 1) // most))
    rows = [mark for history, name in zip(histories, names, strict=True) for mark in _marks(history, name, first, step)]
    if not rows:
        return None
    begin, end = utc(first), utc(last + timedelta(days=1))
    noons = _labelled_days(first, last, (width - left) // 58)
    axis = alt.Axis(
        title=None, values=noons, format="%-d %b", grid=False, ticks=False, labelOverlap=True, labelPadding=6
    )
    scale = alt.Scale(type="utc", domain=[begin, end], nice=False)
    x, y = alt.X("from:T", scale=scale, axis=axis), y_axis(names, left)
    marks = alt.Chart(values(rows)).mark_rect(stroke=PAPER, strokeWidth=1).encode(
        x=x, x2="to:T", y=y, color=alt.Color("color:N", scale=None)
    )  # fmt: skip
    signs = alt.Chart(values(rows)).mark_text(color="#000000", fontSize=9 if is_narrow(width) else 12).encode(
        x=alt.X("middle:T", scale=scale), y=y, text="text:N"
    )  # fmt: skip
    layers = [marks, signs]
    if changes := list(_changes(histories, names)):
        frames = alt.Chart(values(changes)).mark_rect(fill=None, stroke=INK, strokeWidth=2.5)
        layers.append(frames.encode(x=x, x2="to:T", y=y))
    if row.listed is not None and begin <= row.listed <= end:
        layers += _listing(row.listed, begin, end, scale, words)
    return specification(alt.layer(*layers), width, 44 + 28 * len(names))


def _listing(listed: str, begin: str, end: str, scale: alt.Scale, words: Translator) -> list[Any]:
    """A line from top to bottom with its name over it."""
    at, low, high = (parse_time(text) for text in (listed, begin, end))
    late = (at - low) > 0.6 * (high - low)
    data = values([{"at": listed if len(listed) > 10 else f"{listed}T00:00:00Z",
                     "text": f"{words.say('picture.listed')} {'▾' if late else ''}".strip() if late
                     else f"▾ {words.say('picture.listed')}"}])  # fmt: skip
    base = alt.Chart(data).encode(x=alt.X("at:T", scale=scale))
    name = base.mark_text(align="right" if late else "left", baseline="bottom", dx=5 if late else -5, dy=-3, color=INK)
    return [
        base.mark_rule(color=INK, strokeWidth=2, strokeDash=[5, 3]),
        name.encode(y=alt.value(0), text="text:N"),
    ]


def _history_name(history: RowHistory, summary: Summary, words: Translator) -> str:
    name = tables.network(history.place, summary, words)
    return words.say("general.at_vantage", place=name, vantage=history.vantage) if history.vantage else name


def _marks(history: RowHistory, name: str, first: date, step: int) -> Iterable[dict[str, Any]]:
    groups: dict[int, list[DayState]] = {}
    for date_, day in history.days.items():
        groups.setdefault((parse_date(date_) - first).days // step, []).append(day)
    for number, days in groups.items():
        outcome = _most(days)
        if outcome is None:
            continue
        begin = first + timedelta(days=number * step)
        noon = datetime.combine(begin, datetime.min.time(), UTC) + timedelta(days=step / 2)
        yield {"place": name, "from": utc(begin), "to": utc(begin + timedelta(days=step)), "color": OUTCOMES[outcome],
               "middle": noon.isoformat(), "text": OUTCOME_SIGNS[outcome]}  # fmt: skip


def _most(days: Sequence[DayState]) -> str | None:
    """Blocked where half of the findings are, else what was outcomes last."""
    findings, blocked = sum(day.findings for day in days), sum(day.blocked for day in days)
    if blocked and 2 * blocked >= findings:
        return "blocked"
    outcomes = [day.outcome for day in days if day.outcome is not None and day.outcome != "blocked"]
    return outcomes[-1] if outcomes else "reachable" if findings else None


def _changes(histories: Sequence[RowHistory], names: Sequence[str]) -> Iterable[dict[str, Any]]:
    for history, name in zip(histories, names, strict=True):
        for change in history.changes:
            ends = (datetime.fromtimestamp(at, UTC).isoformat() for at in (change.earliest, change.latest))
            yield {"place": name, "from": next(ends), "to": next(ends)}


def _labelled_days(first: date, last: date, most: int) -> list[dict[str, int]]:
    """At most `most` noons, an equal number of days apart."""
    apart = max(1, -(-((last - first).days + 1) // max(1, most)))
    days = (first + timedelta(days=n) for n in range(0, (last - first).days + 1, apart))
    return [{"year": day.year, "month": day.month, "date": day.day, "hours": 12, "utc": True} for day in days]


def utc(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
