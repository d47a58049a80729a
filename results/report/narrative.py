"""The sentences of a report. Pure: a summary and words in, plain text out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from probe.timestamps import rfc3339_of_epoch
from results.aggregate.enforcement import Enforcement, NetworkDelay
from results.aggregate.outages import NetworkInterval
from results.compare.record import DIRECT, day_of
from results.i18n.translator import Translator
from results.report.summary import ReportRow, RowHistory, Summary

DECIDED = ("enforced", "unenforced", "collateral", "unlisted-block", "open")
LISTED = ("enforced", "unenforced")


def in_short(summary: Summary, words: Translator) -> list[str]:
    """The summary of the whole."""
    if not summary.rows or summary.first_day is None or summary.last_day is None:
        return [words.say("total.nothing")]
    sentences = [
        words.say(
            "total.measured",
            measurements=words.say("count.measurement", count=summary.measurements),
            vantages=words.say("total.vantages", count=summary.vantages),
            period=words.period(summary.first_day, summary.last_day),
        )
    ]
    blocked = [row for row in summary.rows if _has(summary, row, "outcome", "blocked")]
    if not blocked:
        sentences.append(words.say("total.none_blocked"))
    for key, rows in (
        ("total.blocked", blocked),
        ("total.unlisted", [row for row in summary.rows if _has(summary, row, "agreement", "unlisted-block")]),
        ("total.unenforced", [row for row in summary.rows if _has(summary, row, "agreement", "unenforced")]),
        ("total.down", [row for row in summary.rows if row.is_down]),
    ):
        if rows:
            sentences.append(words.say(key, names=words.enumeration([row.title for row in rows])))
    if count := sum(one.kind is not None for one in summary.outages):
        sentences.append(words.say("total.outages", count=count))
    for path, names in _opened(summary, blocked).items():
        sentences.append(words.say("total.by_path", path=path, names=words.enumeration(names)))
    if summary.rows_left_out:
        sentences.append(words.say("total.rows_left_out", count=summary.rows_left_out))
    return sentences


def _has(summary: Summary, row: ReportRow, field: str, value: str) -> bool:
    """Whether any direct cell of the row has this value."""
    pairs = zip(summary.places, row.cells, strict=True)
    return any(getattr(cell, field) == value for place, cell in pairs if place.path == DIRECT)


def _opened(summary: Summary, blocked: list[ReportRow]) -> dict[str, list[str]]:
    """Path -> titles of rows that are blocked directly and open by it."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in blocked:
        for place, cell in zip(summary.places, row.cells, strict=True):
            if place.path != DIRECT and cell.outcome == "reachable" and row.title not in found[place.path]:
                found[place.path].append(row.title)
    return {path: names for path, names in found.items() if names}


def of_row(summary: Summary, row: ReportRow, words: Translator) -> list[str]:
    """Since when a row is listed, and its history at each place."""
    sentences = list(filter(None, [listing(summary, row, words)]))
    if row.is_down:
        return [*sentences, words.say("row.down")]
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for history in row.histories:
        groups[history.path, history.state, _day(history)].append(_where(summary, history, words))
    order = ("since", "throughout", "between", "flapping", "until", "never", "nothing")
    ranked = sorted(groups, key=lambda key: (key[0] != DIRECT, key[0], order.index(key[1]), key[2]))
    for path, state, day in ranked:
        key = f"row.{state}"
        if path != DIRECT and state in ("never", "throughout", "since"):
            key += "_path"
        when = words.day(day) if day else ""
        sentences.append(words.say(key, path=path, when=when, places=words.enumeration(groups[path, state, day])))
    return sentences


def listing(summary: Summary, row: ReportRow, words: Translator) -> str:
    """Since when it is listed; empty for what is down and in no register."""
    if row.listed is not None:
        return words.say("row.listed", when=words.when(row.listed))
    agreements = {cell.agreement for cell in row.cells}
    if agreements & set(LISTED):
        return words.say("row.listed_undated")
    if agreements & set(DECIDED) and summary.registers and summary.last_day is not None:
        registers = words.enumeration(summary.registers)
        day = words.day(summary.last_day)
        return words.say("row.not_listed", count=len(summary.registers), registers=registers, day=day)
    return "" if row.is_down else words.say("row.unknown")


def _day(history: RowHistory) -> str:
    """The day on which the last block began or ended, for states that are dated by it."""
    return day_of(history.changes[-1].at) if history.state in ("since", "until") else ""


def _where(summary: Summary, history: RowHistory, words: Translator) -> str:
    place = summary.place(history.place)
    name = place.title(words) if place is not None else history.place
    if history.path != DIRECT:
        name = history.place.removesuffix(f" via {history.path}")
    if history.vantage is not None:
        name = words.say("general.at_vantage", place=name, vantage=history.vantage)
    changes = history.changes if history.state in ("since", "until", "between") else ()
    if not changes:
        return name
    shown = changes[-1:] if history.state in ("since", "until") else changes
    dated = history.state == "between"
    return f"{name} ({'; '.join(words.span(change.earliest, change.latest, dated=dated) for change in shown)})"


def outage(one: NetworkInterval, words: Translator) -> tuple[str, str, str, str]:
    """What it was, the ranges of its beginning and end, and how long it lasted."""
    if one.kind is not None:
        state = words.say(f"outage.{one.kind}")
    else:
        state = words.say("outage.no_data", reason=words.say(f"gap.{one.reason}"))
    low, high = one.hours
    lasted = words.duration(low) if low == high else between(low, high, words)
    return state, _began(one, words), _ended(one, words), lasted


def gap(one: NetworkInterval, words: Translator) -> str:
    """`3 May 2017, 12:00 UTC – 5 May 2017, 06:00 UTC: no round ran`."""
    reason = words.say(f"gap.{one.reason}")
    return words.say("outage.gap", first=_began(one, words), last=_ended(one, words), reason=reason)


def _began(one: NetworkInterval, words: Translator) -> str:
    earliest, latest = one.begin.earliest, one.begin.latest or 0.0
    if earliest is None:
        return words.say("outage.not_seen_beginning", when=_short(latest, words))
    return _short(latest, words) if earliest == latest else words.span(earliest, latest, short=True)


def _ended(one: NetworkInterval, words: Translator) -> str:
    earliest, latest = one.end.earliest or 0.0, one.end.latest
    if latest is None:
        return words.say("outage.ongoing" if one.ongoing else "outage.not_seen_ending", when=_short(earliest, words))
    return _short(latest, words) if earliest == latest else words.span(earliest, latest, short=True)


def _short(at: float, words: Translator) -> str:
    return words.when(rfc3339_of_epoch(at, "seconds"), short=True)


def delays(summary: Summary, words: Translator) -> Iterator[str]:
    """How long blocking took, one sentence a network."""
    for delay in summary.delays:
        yield _delay(summary, delay, words)


def _delay(summary: Summary, delay: NetworkDelay, words: Translator) -> str:
    place = summary.place(delay.network or "")
    name = place.title(words) if place is not None else delay.network or "?"
    if not delay.blocked:
        return words.say("delay.none", place=name, count=delay.targets)
    if delay.at_most is None:
        return words.say("delay.some", place=name, blocked=delay.blocked, count=delay.targets)
    span = between(delay.at_least, delay.at_most, words)
    return words.say("delay.blocked", place=name, blocked=delay.blocked, count=delay.targets, span=span)


def between(at_least: float | None, at_most: float | None, words: Translator) -> str:
    """`24.6–30.6 hours`."""
    if at_most is None:
        return words.say("delay.at_least", low=words.duration(at_least)) if at_least else words.say("delay.not_known")
    if at_most < 0:
        if at_least is None:
            return words.say("delay.or_more_before", hours=words.duration(-at_most))
        return words.say("delay.before", hours=between(-at_most, -at_least, words))
    if not at_least:
        return words.say("delay.at_most", high=words.duration(at_most))
    return words.say("delay.between", low=words.duration_number(at_least, at_most), high=words.duration(at_most))


def hours(one: Enforcement, words: Translator) -> str:
    """How long blocking one target on one network took."""
    at_least, at_most = one.hours
    if one.first_blocked is None:
        return words.say("delay.open_for", hours=words.duration(at_least)) if at_least else words.say("delay.unseen")
    if at_most is None:
        return words.say("delay.undated")
    if at_most < 0:
        return between(at_least, at_most, words)
    if not at_least:
        return words.say("delay.within", hours=words.duration(at_most))
    return words.say("delay.after", hours=between(at_least, at_most, words))


def about(summary: Summary, words: Translator) -> list[str]:
    """What the numbers are made of, and what was left out."""
    sentences = [
        words.say(
            "about.made_of",
            registers=words.enumeration(list(summary.registers)) or words.say("about.no_register"),
            rules=words.enumeration(list(summary.rules_versions)) or "–",
            schema=summary.schema_version,
            version=summary.version,
        )
    ]
    for key in ("twice", "skipped", "future", "outside"):
        if count := getattr(summary, key):
            sentences.append(words.say(f"about.{key}", count=count))
    return [*sentences, words.say("about.shares"), words.say("about.reading")]
