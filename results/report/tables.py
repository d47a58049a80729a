"""The tables of a report, for whatever they are written in. Pure: a summary and words in, cells of plain text out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from probe.steps import specs
from results.compare.compare import MatrixCell
from results.compare.timeline import BlockedShare
from results.i18n.signs import AGREEMENT_SIGNS, OUTCOME_SIGNS, SPLIT
from results.i18n.translator import Translator
from results.report import narrative
from results.report.summary import ReportColumn, ReportRow, RowHistory, Summary

MAX_HOURS_ROWS = MAX_OUTAGE_ROWS = 80
MAX_COLUMNS = 5
"""Networks side by side on a page."""
ANSWER_ORDER = (None, "connected", "handshake", "responded", "complete")
STEPS = tuple(spec.name for spec in sorted(specs().values(), key=lambda spec: ANSWER_ORDER.index(spec.answer)))
"""Lookups, connects, handshakes, replies, pages."""
AGREEMENTS = tuple(AGREEMENT_SIGNS)


class ReportCell(msgspec.Struct, frozen=True, kw_only=True):
    """A text; `sign` and `kind` (an outcome or an agreement) say the same without words."""

    text: str
    sign: str = ""
    kind: str = ""
    more: tuple[str, ...] = ()
    """Lines under it."""


class ReportTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table whose rows begin with their name."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[ReportCell, ...], ...]
    left_out: int = 0


def _table(name: str, columns: Iterable[str], rows: Iterable[Sequence[object]], most: int | None = None) -> ReportTable:
    made = tuple(
        tuple(one if isinstance(one, ReportCell) else ReportCell(text=str(one)) for one in row) for row in rows
    )
    return ReportTable(
        name=name, columns=tuple(columns), rows=made[:most], left_out=max(0, len(made) - most) if most else 0
    )


def matrix(summary: Summary, words: Translator) -> ReportTable:
    """Services by networks."""
    return _matrix(summary, words, range(len(summary.places)))


def matrices(summary: Summary, words: Translator) -> list[ReportTable]:
    """The same in parts of at most MAX_COLUMNS networks."""
    count = len(summary.places)
    parts = max(1, -(-count // MAX_COLUMNS))
    most = -(-count // parts)
    return [_matrix(summary, words, range(begin, min(begin + most, count))) for begin in range(0, count, most or 1)]


def _matrix(summary: Summary, words: Translator, which: range) -> ReportTable:
    heads = [words.say("column.service"), *(summary.places[n].title(words) for n in which)]
    rows = ([row.title, *(_matrix_cell(row.cells[n], words) for n in which)] for row in summary.rows)
    return _table("matrix", heads, rows)


def _matrix_cell(cell: MatrixCell, words: Translator) -> ReportCell:
    outcome = words.say(f"outcome.{cell.outcome or 'gap'}")
    if cell.outcome is None:
        return ReportCell(text=outcome, sign=OUTCOME_SIGNS[None], kind="gap")
    more = []
    if cell.split:
        more.append(words.say("outcome.split"))
    if cell.method is not None:
        more.append(words.say(f"method.{cell.method}"))
    if cell.agreement not in (None, "undecided"):
        more.append(f"{AGREEMENT_SIGNS[str(cell.agreement)]} {words.say(f'agreement.{cell.agreement}')}")
    if cell.share is not None and cell.share.share:
        more.append(share_text(cell.share, words))
    return ReportCell(
        text=outcome, sign=SPLIT if cell.split else OUTCOME_SIGNS[cell.outcome], kind=cell.outcome, more=tuple(more)
    )


def share_text(share: BlockedShare, words: Translator) -> str:
    """`74% of 21 days (52–88%)`."""
    interval = words.say("word.interval", low=words.number(round(100 * share.low)), high=words.percent(share.high))
    if share.is_small:
        interval += f", {words.say('word.few')}"
    return words.say("word.of_days", share=words.percent(share.share), count=share.of, interval=interval)


def decided(summary: Summary) -> list[ReportColumn]:
    """The columns of networks with a register."""
    known = {place for place, agreement in summary.agreements if agreement != "undecided"}
    return [place for place in summary.places if place.label in known]


def register(summary: Summary, words: Translator) -> ReportTable:
    """Agreements by networks, in numbers of targets."""
    counts = summary.agreements
    there = [agreement for agreement in AGREEMENTS if any(key[1] == agreement for key in counts)]
    heads = [words.say("column.network"), *(f"{AGREEMENT_SIGNS[a]} {words.say(f'agreement.{a}')}" for a in there)]
    rows = (
        [place.title(words), *(counts.get((place.label, agreement), 0) for agreement in there)]
        for place in decided(summary)
    )
    return _table("register", heads, rows)


def timeline(row: ReportRow, summary: Summary, words: Translator) -> ReportTable:
    """The history of one row at each place."""
    heads = [words.say(f"column.{name}") for name in ("network", "state", "period")]
    rows = (
        [
            _place(history, summary, words),
            _state(history, words),
            "; ".join(words.span(change.earliest, change.latest, short=True) for change in history.changes) or "–",
        ]
        for history in row.histories
    )
    return _table(f"timeline of {row.name}", heads, rows)


def _state(history: RowHistory, words: Translator) -> ReportCell:
    more = tuple(narrative.gap(one, words) for one in history.gaps)
    last = next((day.outcome for day in reversed(list(history.days.values())) if day.outcome), None)
    if history.state == "nothing" and last == "down":
        return ReportCell(text=words.say("outcome.down"), sign=OUTCOME_SIGNS["down"], kind="down", more=more)
    kind = {"never": "reachable", "until": "reachable", "throughout": "blocked", "since": "blocked"}.get(history.state)
    sign = OUTCOME_SIGNS.get(kind, SPLIT)
    return ReportCell(text=words.say(f"state.{history.state}"), sign=sign, kind=kind or "gap", more=more)


def _place(history: RowHistory, summary: Summary, words: Translator) -> str:
    place = summary.place(history.place)
    name = place.title(words) if place is not None else history.place
    return words.say("general.at_vantage", place=name, vantage=history.vantage) if history.vantage else name


def outages(summary: Summary, words: Translator) -> ReportTable:
    """Outages and times without data, the newest first."""
    heads = [words.say(f"column.{name}") for name in ("network", "vantage", "state", "began", "ended", "lasted")]
    rows = (
        [
            network(one.network, summary, words),
            one.vantage,
            *narrative.outage(one, words),
        ]
        for one in reversed(summary.outages)
    )
    return _table("outages", heads, rows, MAX_OUTAGE_ROWS)


def hours(summary: Summary, words: Translator) -> ReportTable:
    """Each listed target on each network."""
    heads = [
        words.say(f"column.{name}") for name in ("target", "network", "listed", "last_open", "first_blocked", "hours")
    ]
    rows = (
        [
            short_target(one.target),
            network(one.network, summary, words),
            words.when(one.listed_at, short=True),
            words.when(one.last_open, short=True) if one.last_open else "–",
            words.when(one.first_blocked, short=True) if one.first_blocked else "–",
            narrative.hours(one, words),
        ]
        for one in sorted(summary.enforcements, key=lambda one: (one.target, one.network or ""))
    )
    return _table("hours", heads, rows, MAX_HOURS_ROWS)


def network(label: str | None, summary: Summary, words: Translator) -> str:
    """The title of a network's column."""
    place = summary.place(label or "")
    return place.title(words) if place is not None else label or "?"


def short_target(target: str) -> str:
    """The bare host of an ordinary https URL, else the target."""
    return target.removeprefix("https://").removesuffix("/")


def methods(summary: Summary, words: Translator) -> ReportTable:
    """On each network each method, in numbers of targets."""
    heads = [words.say(f"column.{name}") for name in ("network", "method", "targets")]
    order = {place.label: number for number, place in enumerate(summary.places)}
    counts = sorted(summary.methods.items(), key=lambda item: (order.get(item[0][0], len(order)), -item[1], item[0][1]))
    rows = (
        [network(place, summary, words), words.say(f"method.{method}"), targets] for (place, method), targets in counts
    )
    return _table("methods", heads, rows)


def times(summary: Summary, words: Translator) -> ReportTable:
    """Step by step, network by network, in milliseconds."""
    heads = [words.say(f"column.{name}") for name in ("step", "network", "count", "low", "middle", "high")]
    order = {step: number for number, step in enumerate(STEPS)}
    rows = (
        [
            one.step.upper(),
            network(one.place, summary, words),
            one.count,
            *(words.number(seconds * 1000) for seconds in (one.low, one.middle, one.high)),
        ]
        for one in sorted(summary.times, key=lambda one: (order.get(one.step, len(order)), one.step, one.place))
    )
    return _table("times", heads, rows)
