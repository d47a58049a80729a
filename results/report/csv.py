"""A report as CSV, for a spreadsheet or a program: one fact a line, its names the same in every language."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from probe.text import replace_unprintable
from probe.timestamps import rfc3339_of_epoch
from results.export.exchange import without_formula
from results.i18n.translator import Translator
from results.judge.wording import sentences
from results.report import narrative
from results.report.summary import RowHistory, Summary

HEAD = ("section", "row", "place", "what", "value")
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
            yield from _fields(
                "matrix", row.name, place.label, cell, ("outcome", "method", "agreement", "measurements")
            )
            yield "matrix", row.name, place.label, "days", cell.share.of if cell.share else 0
            if share := cell.share:
                for what, value in (("blocked_share", share.share), ("low", share.low), ("high", share.high)):
                    yield "matrix", row.name, place.label, what, round(value, 6)
        for history in row.histories:
            yield from _history(row.name, history)
    yield from _rest(summary)


def _history(row: str, history: RowHistory) -> Iterator[Fact]:
    place = f"{history.place} ({history.vantage})" if history.vantage else history.place
    yield "course", row, place, "state", history.state
    for change in history.changes:
        kind = "block_began" if change.blocked else "block_ended"
        yield "course", row, place, f"{kind}_after", rfc3339_of_epoch(change.earliest, "milliseconds")
        yield "course", row, place, f"{kind}_by", rfc3339_of_epoch(change.latest, "milliseconds")


def _rest(summary: Summary) -> Iterator[Fact]:
    for (place, agreement), targets in summary.agreements.items():
        yield "register", "", place, agreement, targets
    for enforcement in summary.enforcements:
        place, (at_least, at_most) = enforcement.network or "", enforcement.hours
        fields = ("register", "listed_at", "first_blocked", "last_open")
        yield from _fields("hours", enforcement.target, place, enforcement, fields)
        yield "hours", enforcement.target, place, "at_least", at_least
        yield "hours", enforcement.target, place, "at_most", at_most
    for (place, method), targets in summary.methods.items():
        yield "methods", "", place, method, targets
    for time in summary.times:
        yield from _fields("times", time.step, time.place, time, ("count", "low", "middle", "high"))
    for proof in summary.evidence:
        yield from _fields("evidence", proof.target, proof.place, proof, ("measurement_id", "method", "confidence"))
        for what, values in (("rule", proof.rules), ("says", sentences(proof.evidence))):
            yield from (("evidence", proof.target, proof.place, what, value) for value in values)


def _fields(section: str, row: str, place: str, record: Any, names: Iterable[str]) -> Iterator[Fact]:
    for name in names:
        value = getattr(record, name)
        yield section, row, place, name, round(value, 6) if isinstance(value, float) else value


def harmless(value: Any) -> Any:
    """A text in one line that no spreadsheet runs; any other value as it is."""
    return without_formula(replace_unprintable(value, " ")) if isinstance(value, str) else value
