"""Databases as sources: opened read only, of any schema version, their values checked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from gettext import gettext as _
from pathlib import Path
from typing import Any

import msgspec

from probe.model import Vantage
from probe.text import bounded, printable
from probe.timestamps import epoch, rfc3339_of_epoch
from results.compare.record import (
    MAX_EPOCH_S,
    MAX_TARGET_LENGTH,
    VANTAGE_FIELDS,
    ResultListing,
    ResultRecord,
    comparable_vantage,
    failing_family,
    is_valid,
)
from results.db.connect import BadDatabase, open_read_only, plain_columns
from results.export.exchange import SkippedLine
from results.judge.verdict import evidence_from
from results.sql import NOT_REPEATED

TABLES = ("measurements", "targets", "vantages", "verdicts", "rounds")
RESULTS_QUERY = """
SELECT m.id, m.started_at, t.text, t.service, t.required, w.name, w.country, w.asn, w.network_name, w.path,
    v.outcome, v.method, v.agreement, v.confidence, v.evidence,
    ifnull(r.network, m.context) LIKE '%restricted%', v.expectation, v.rules_version
FROM measurements m JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
JOIN verdicts v ON v.measurement = m.number LEFT JOIN rounds r ON r.id = m.round_id
WHERE m.control_of IS NULL {later}
"""
IN_PERIOD = "AND m.started_at >= ? AND m.started_at < ?"
OUTSIDE_QUERY = "SELECT count(*) FROM measurements m WHERE m.control_of IS NULL {later} AND {when}"
BEFORE, AFTER = "m.started_at < ?", "m.started_at >= ?"
MARGIN_S = 86400.0
"""Around a period, as times are compared as text and may name another time zone."""


class OutsidePeriod(msgspec.Struct, frozen=True):
    """Measurements that were not read, as they are outside the period by more than MARGIN_S."""

    count: int


def read(
    path: Path, *, since: float | None = None, until: float | None = None
) -> Iterator[ResultRecord | SkippedLine | OutsidePeriod]:
    """Every counted measurement with its verdict. Raises BadDatabase.

    What is outside `since` and `until` (seconds since 1970) by more than MARGIN_S is only counted.
    """
    try:
        with closing(open_read_only(path)) as connection:
            query, ends = results_query(connection, path), period_bounds(since, until)
            if ends:
                yield OutsidePeriod(_count_outside(connection, query, ends))
                query += IN_PERIOD
            for number, row in enumerate(connection.execute(query, ends), 1):
                try:
                    yield _record(row)
                except (ValueError, TypeError, OverflowError, RecursionError) as error:
                    yield SkippedLine(path, number, printable(str(error)))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # SQLite's own message about a damaged schema may be no UTF-8.
        says = _("{path}: cannot be read as a database ({error})")
        raise BadDatabase(says.format(path=path, error=printable(str(error), 200))) from error


def period_bounds(since: float | None, until: float | None) -> list[str]:
    """The parameters of IN_PERIOD, MARGIN_S wider on both sides; none for an unbounded period."""
    if since is None and until is None:
        return []
    first = rfc3339_of_epoch(max(since - MARGIN_S, 0), "milliseconds") if since is not None else ""
    last = rfc3339_of_epoch(max(min(until + MARGIN_S, MAX_EPOCH_S), 0), "milliseconds") if until is not None else "9"
    return [first, max(first, last)]


def _count_outside(connection: sqlite3.Connection, query: str, ends: list[str]) -> int:
    later = f"AND {NOT_REPEATED}" if NOT_REPEATED in query else ""
    counts = [OUTSIDE_QUERY.format(later=later, when=when) for when in (BEFORE, AFTER)]
    return sum(connection.execute(count, [end]).fetchone()[0] for count, end in zip(counts, ends, strict=True))


def results_query(connection: sqlite3.Connection, path: Path) -> str:
    """RESULTS_QUERY for this schema version; reads only plain tables, never views. Raises BadDatabase."""
    for table in TABLES:
        plain_columns(connection, path, table)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(measurements)")}
    return RESULTS_QUERY.format(later=f"AND {NOT_REPEATED}" if "repeats" in columns else "")


@lru_cache(maxsize=1024, typed=True)
def _vantage(*values: Any) -> Vantage:
    """Cached, as millions of rows are of a few vantages."""
    return comparable_vantage(msgspec.convert(dict(zip(VANTAGE_FIELDS, values, strict=True)), Vantage))


@lru_cache(maxsize=1024)
def _listed_since(expectation: str) -> str | None:
    listing = msgspec.json.decode(expectation, type=ResultListing)
    return bounded(listing.since, 40) if listing.listed and listing.since else None


def _record(row: tuple[Any, ...]) -> ResultRecord:
    since = _listed_since(row[16]) if row[16] else None
    record = ResultRecord(
        id=bounded(row[0]),
        at=epoch(row[1], needs_zone=True),
        target=bounded(row[2], MAX_TARGET_LENGTH),
        service=bounded(row[3]) if row[3] else None,
        required=bool(row[4]),
        vantage=_vantage(*row[5:10]),
        outcome=row[10],
        method=row[11],
        agreement=row[12],
        confidence=row[13],
        failing=failing_family(row[10], evidence_from(row[14])),
        restricted=bool(row[15]),
        since=since,
        rules_version=bounded(row[17]),
    )
    if not is_valid(record):
        raise ValueError(
            f"an outcome {record.outcome!r} with method {record.method!r} and agreement {record.agreement!r}"
        )
    return record
