"""A report as CSV, for a spreadsheet or a program: one fact a line, its names the same in every language."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from probe.text import replace_unprintable
from probe.timestamps import rfc3339_of_epoch
from results.i18n.translator import Translator
from results.report import narrative
from results.report.summary import Course, Summary

HEAD = ("section", "row", "place", "what", "value")
RISKY = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
Fact = tuple[str, str, str, str, Any]


def render(summary: Summary, words: Translator) -> str:
    """Every fact that has a value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    for fact in _facts(summary, words):
        if fact[4] is not None:
            writer.writerow(map(harmless, fact))
    return out.getvalue()


def _facts(summary: Summary, words: Translator) -> Iterator[Fact]:
    yield "report", "", "", "generated_at", rfc3339_of_epoch(summary.generated_at, "milliseconds")
    for field in ("version", "schema_version", "measurements", "vantages", "first_day", "last_day", "twice", "skipped",
                  "future", "outside"):  # fmt: skip
        yield "report", "", "", field, getattr(summary, field)
    for version in summary.rules_versions:
        yield "report", "", "", "rules_version", version
    for place in summary.places:
        yield from _fields("place", "", place.label, place, ("name", "country", "path", "vantages"))
    for row in summary.rows:
        yield "row", row.name, "", "difference", row.difference
        yield "row", row.name, "", "listed", row.listed
        for sentence in narrative.of_row(summary, row, words):
            yield "row", row.name, "", "says", sentence
        for place, cell in zip(summary.places, row.cells, strict=True):
            fields = ("outcome", "method", "agreement", "measurements", "days", "blocked_share", "low", "high")
            yield from _fields("matrix", row.name, place.label, cell, fields)
        for course in row.courses:
            yield from _course(row.name, course)
    yield from _rest(summary)


def _course(row: str, course: Course) -> Iterator[Fact]:
    place = f"{course.place} ({course.vantage})" if course.vantage else course.place
    yield "course", row, place, "state", course.state
    for turn in course.turns:
        kind = "block_began" if turn.blocked else "block_ended"
        yield "course", row, place, f"{kind}_after", rfc3339_of_epoch(turn.earliest, "milliseconds")
        yield "course", row, place, f"{kind}_by", rfc3339_of_epoch(turn.latest, "milliseconds")


def _rest(summary: Summary) -> Iterator[Fact]:
    for tally in summary.tallies:
        yield "register", "", tally.place, tally.agreement, tally.targets
    for one in summary.enforcements:
        place = one.network or ""
        yield from _fields("hours", one.target, place, one, ("register", "listed_at", "first_blocked", "last_open"))
        yield "hours", one.target, place, "at_least", one.hours[0]
        yield "hours", one.target, place, "at_most", one.hours[1]
    for method in summary.methods:
        yield "methods", "", method.place, method.method, method.targets
    for time in summary.times:
        yield from _fields("times", time.step, time.place, time, ("count", "low", "middle", "high"))
    for proof in summary.evidence:
        yield from _fields("evidence", proof.target, proof.place, proof, ("measurement_id", "method", "confidence"))
        for what, values in (("rule", proof.rules), ("says", proof.sentences)):
            yield from (("evidence", proof.target, proof.place, what, value) for value in values)


def _fields(section: str, row: str, place: str, record: Any, names: Iterable[str]) -> Iterator[Fact]:
    for name in names:
        value = getattr(record, name)
        yield section, row, place, name, round(value, 6) if isinstance(value, float) else value


def harmless(value: Any) -> Any:
    """Foreign text that no spreadsheet runs, in one line."""
    if not isinstance(value, str):
        return value
    shown = replace_unprintable(value, " ")
    return f"'{shown}" if shown.startswith(RISKY) else shown
