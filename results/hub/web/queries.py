"""Queries for the pages beyond results.aggregate, with their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from results.aggregate import outages as aggregate_outages
from results.aggregate import questions
from results.aggregate.outages import NetworkInterval
from results.aggregate.questions import Aggregates, MatrixRow, Period, SqliteAggregates, period_parameters
from results.sql import statements

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = TypeVar("Row", bound=msgspec.Struct)
SQL = statements(__file__, **questions.SQL)
MAX_LATEST, MAX_DAYS, MAX_CORRECTIONS = 2000, 200_000, 5000


class CellRow(MatrixRow, frozen=True, kw_only=True):
    """The matrix's rows by trigger and by what the register said."""

    trigger: str | None
    register: str | None
    listed: int | None
    listed_at: str | None


class LatestRow(msgspec.Struct, frozen=True, kw_only=True):
    """A vantage point's latest measurement of a target."""

    service: str | None
    target: str
    vantage: str
    country: str | None
    asn: int | None
    network_name: str | None
    path: str
    id: str
    at: str
    outcome: str
    method: str | None
    trigger: str | None
    confidence: str | None
    agreement: str
    register: str | None
    listed: int | None
    listed_at: str | None


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """Findings with one outcome, on a UTC day and network."""

    day: str
    target: str
    country: str | None
    asn: int | None
    network_name: str | None
    path: str
    outcome: str
    findings: int


class VantageRow(msgspec.Struct, frozen=True, kw_only=True):
    """A vantage point's first and last measurement."""

    vantage: str
    country: str | None
    first_at: str
    last_at: str
    targets: int


class CorrectionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict that changed when it was recomputed."""

    at: str
    service: str | None
    target: str
    vantage: str
    country: str | None
    asn: int | None
    network_name: str | None
    path: str
    id: str
    was_outcome: str
    was_method: str | None
    was_agreement: str
    was_rules_version: str
    outcome: str
    method: str | None
    agreement: str
    rules_version: str


class OutageRow(msgspec.Struct, frozen=True, kw_only=True):
    """An outage or a time without data; its beginning and end are after one time and not after another."""

    vantage: str
    country: str | None
    asn: int | None
    network_name: str | None
    state: str
    kind: str | None
    reason: str | None
    begin_earliest: str | None
    begin_latest: str | None
    end_earliest: str | None
    end_latest: str | None
    at_least_h: float
    at_most_h: float | None
    rounds: int
    ongoing: bool


def outages(db: Database, period: Period) -> list[NetworkInterval]:
    """Outages and times without data, oldest first, by the rounds of the period."""
    rounds = aggregate_outages.rounds_of(db, period.since or "", period.until or "~")
    return aggregate_outages.network_intervals(rounds.values())


def outage_row(one: NetworkInterval) -> OutageRow:
    """The flat row of an interval."""
    line = aggregate_outages.line_of(one)
    begin, end, (least, most) = line.pop("begin"), line.pop("end"), line.pop("hours")
    return OutageRow(
        **line,
        begin_earliest=begin["earliest"],
        begin_latest=begin["latest"],
        end_earliest=end["earliest"],
        end_latest=end["latest"],
        at_least_h=least,
        at_most_h=most,
    )


def required(db: Database) -> set[tuple[str | None, str]]:
    """Services with those of their targets that are required."""
    return OwnAnswers(db.conn).required(Period())


def countries(db: Database) -> list[str]:
    """The countries of all vantage points."""
    return OwnAnswers(db.conn).countries()


def latest(
    db: Database, period: Period, *, service: str | None = None, target: str | None = None, vantage: str | None = None
) -> list[LatestRow]:
    """The latest findings on a service, a target or of a vantage point, newest first."""
    which = {"service": service, "target": target, "vantage": vantage, "most": MAX_LATEST}
    return _rows(db, LatestRow, SQL["LATEST"], period_parameters(period) | which)


def days(db: Database, period: Period, *, service: str | None = None, target: str | None = None) -> list[DayRow]:
    """Findings by day and network."""
    return _rows(
        db, DayRow, SQL["DAYS"], period_parameters(period) | {"service": service, "target": target, "most": MAX_DAYS}
    )


def vantages(db: Database) -> list[VantageRow]:
    """All vantage points, by their last measurement."""
    return _rows(db, VantageRow, SQL["LAST_SEEN"], {})


def corrections(db: Database, period: Period, measurement: str | None = None) -> list[CorrectionRow]:
    """Changed verdicts of the period, newest first; of one measurement, or of all."""
    which = {"measurement": measurement, "most": MAX_CORRECTIONS}
    return _rows(db, CorrectionRow, SQL["CORRECTIONS"], period_parameters(period) | which)


def newest_number(db: Database) -> int:
    """Grows with each measurement that is stored."""
    return int(db.execute("SELECT max(number) FROM measurements").fetchone()[0] or 0)


def oldest_id(db: Database) -> str | None:
    query = "SELECT id FROM measurements WHERE control_of IS NULL ORDER BY started_at, id LIMIT 1"
    row = db.execute(query).fetchone()
    return row[0] if row else None


def is_known(db: Database, service: str | None, target: str | None) -> bool:
    """Whether this service, or target, was ever measured."""
    query = "SELECT 1 FROM targets WHERE (? IS NULL OR service = ?) AND (? IS NULL OR text = ?) LIMIT 1"
    return db.execute(query, [service, service, target, target]).fetchone() is not None


def has_vantage(db: Database, name: str) -> bool:
    return db.execute("SELECT 1 FROM vantages WHERE name = ? LIMIT 1", [name]).fetchone() is not None


def _rows(db: Database, kind: type[Row], query: str, given: dict[str, Any]) -> list[Row]:
    names = kind.__struct_fields__
    once: dict[Any, Any] = {}  # the same text is kept once, however many rows have it: a tenth of the memory
    return [
        kind(**{name: once.setdefault(value, value) for name, value in zip(names, row, strict=True)})
        for row in db.execute(query, given)
    ]


class PageAnswers(Aggregates):
    """The questions of results.aggregate, and what the matrix needs beyond them."""

    def cells(self, period: Period) -> list[CellRow]:
        """The matrix, with what the register said of each row."""
        return self._ask(CellRow, "cells", period)

    def required(self, period: Period) -> set[tuple[str | None, str]]:
        """Services with their required targets; of the period at least."""
        return {(row["service"], row["target"]) for row in self._rows("required", period)}

    def countries(self) -> list[str]:
        """All countries of vantage points."""
        return sorted(row["country"] for row in self._rows("countries", Period()))


class OwnAnswers(SqliteAggregates, PageAnswers):
    """Answers from the hub's own database."""

    sql = SQL
