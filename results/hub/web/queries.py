"""Queries for the pages beyond results.aggregate, with their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from results.aggregate.questions import Aggregates, MatrixRow, Period
from results.aggregate.sqlite import IN_PERIOD, NETWORK, NEWEST, PAIRS, SqliteAggregates, period_parameters
from results.sql import COUNTED

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = TypeVar("Row", bound=msgspec.Struct)
EXPECTATION = """
json_extract(expectation, '$.register') AS register, json_extract(expectation, '$.listed') AS listed,
ifnull(json_extract(expectation, '$.listed_at'), json_extract(expectation, '$.since')) AS listed_at
"""
CELLS = f"""{NEWEST}
SELECT service, text, country, asn, network_name, path, outcome, method, agreement, count(DISTINCT name),
    max(started_at), "trigger", {EXPECTATION}
FROM newest WHERE place = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 12, 9, 13, 14, 15
"""  # noqa: S608 constants only, here and below
SELECTED_PAIRS = """
pairs (target_id, vantage_id) AS (
    SELECT t.id, w.id FROM targets t CROSS JOIN vantages w
    WHERE (:service IS NULL OR t.service = :service) AND (:target IS NULL OR t.text = :target)
        AND (:vantage IS NULL OR w.name = :vantage)
)"""
LATEST = f"""{NEWEST.replace(PAIRS, SELECTED_PAIRS)}
SELECT service, text, name, country, asn, network_name, path, id, started_at, outcome, method, "trigger", confidence,
    agreement, {EXPECTATION}
FROM newest WHERE place = 1 ORDER BY started_at DESC, id LIMIT :most
"""  # noqa: S608
DAYS = f"""
SELECT substr(m.started_at, 1, 10), t.text, {NETWORK}, w.path, v.outcome, count(*)
FROM targets t CROSS JOIN vantages w CROSS JOIN measurements m ON m.target_id = t.id AND m.vantage_id = w.id
JOIN verdicts v ON v.measurement = m.number
WHERE (:service IS NULL OR t.service = :service) AND (:target IS NULL OR t.text = :target)
    AND {COUNTED} AND {IN_PERIOD.format(at="m")}
GROUP BY 1, 2, 3, 4, 5, 6, 7 LIMIT :most
"""  # noqa: S608
LAST_SEEN = f"""
WITH RECURSIVE {PAIRS}
SELECT w.name, ifnull(max(iif(w.path = 'direct', w.country, NULL)), max(w.country)), min((
    SELECT m.started_at FROM measurements m WHERE m.target_id = p.target_id AND m.vantage_id = p.vantage_id
        AND m.control_of IS NULL ORDER BY m.started_at LIMIT 1
)), max((
    SELECT m.started_at FROM measurements m WHERE m.target_id = p.target_id AND m.vantage_id = p.vantage_id
        AND m.control_of IS NULL ORDER BY m.started_at DESC LIMIT 1
)), count(DISTINCT t.text)
FROM pairs p JOIN vantages w ON w.id = p.vantage_id JOIN targets t ON t.id = p.target_id GROUP BY 1 ORDER BY 4 DESC, 1
"""  # noqa: S608
CORRECTIONS = f"""
SELECT c.at, t.service, t.text, w.name, {NETWORK}, w.path, m.id, c.was_outcome, c.was_method, c.was_agreement,
    c.was_rules_version, c.outcome, c.method, c.agreement, c.rules_version
FROM corrections c JOIN measurements m ON m.number = c.measurement JOIN targets t ON t.id = m.target_id
JOIN vantages w ON w.id = m.vantage_id
WHERE (:measurement IS NULL OR m.id = :measurement) AND c.at >= :since AND c.at < :until
ORDER BY c.number DESC LIMIT :most
"""  # noqa: S608
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


def required(db: Database) -> set[tuple[str | None, str]]:
    """Services with those of their targets that are required."""
    return set(db.execute("SELECT DISTINCT service, text FROM targets WHERE required").fetchall())


def latest(
    db: Database, period: Period, *, service: str | None = None, target: str | None = None, vantage: str | None = None
) -> list[LatestRow]:
    """The latest findings on a service, a target or of a vantage point, newest first."""
    which = {"service": service, "target": target, "vantage": vantage, "most": MAX_LATEST}
    return _rows(db, LatestRow, LATEST, period_parameters(period) | which)


def days(db: Database, period: Period, *, service: str | None = None, target: str | None = None) -> list[DayRow]:
    """Findings by day and network."""
    return _rows(db, DayRow, DAYS, period_parameters(period) | {"service": service, "target": target, "most": MAX_DAYS})


def vantages(db: Database) -> list[VantageRow]:
    """All vantage points, by their last measurement."""
    return _rows(db, VantageRow, LAST_SEEN, {})


def corrections(db: Database, period: Period, measurement: str | None = None) -> list[CorrectionRow]:
    """Changed verdicts of the period, newest first; of one measurement, or of all."""
    which = {"measurement": measurement, "most": MAX_CORRECTIONS}
    return _rows(db, CorrectionRow, CORRECTIONS, period_parameters(period) | which)


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


def countries(db: Database) -> list[str]:
    query = "SELECT DISTINCT country FROM vantages WHERE country IS NOT NULL ORDER BY 1"
    return [row[0] for row in db.execute(query).fetchall()]


def _rows(db: Database, kind: type[Row], query: str, given: dict[str, Any]) -> list[Row]:
    names = kind.__struct_fields__
    once: dict[Any, Any] = {}  # the same text is kept once, however many rows have it: a tenth of the memory
    return [
        kind(**{name: once.setdefault(value, value) for name, value in zip(names, row, strict=True)})
        for row in db.execute(query, given)
    ]


class PageAnswers(Aggregates, Protocol):
    """The queries of results.aggregate.questions, and what the matrix needs beyond them."""

    def cells(self, period: Period) -> list[CellRow]:
        """The matrix, with what the register said of each row."""

    def required(self, period: Period) -> set[tuple[str | None, str]]:
        """Services with their required targets; of the period at least."""

    def countries(self) -> list[str]:
        """All countries of vantage points."""


class OwnAnswers(SqliteAggregates):
    """Aggregates from the hub's own database."""

    def __init__(self, db: Database) -> None:
        super().__init__(db.conn)
        self._db = db

    def cells(self, period: Period) -> list[CellRow]:
        return _rows(self._db, CellRow, CELLS, period_parameters(period))

    def required(self, period: Period) -> set[tuple[str | None, str]]:
        return required(self._db)

    def countries(self) -> list[str]:
        return countries(self._db)
