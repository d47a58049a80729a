"""The measurements of many sources, each once and sorted by row, in a temporary SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import msgspec

from probe.model import Vantage
from results.compare.record import VANTAGE_FIELDS, ResultRecord, RowMeasurement, day_of
from results.compare.sources import OutsidePeriod, read
from results.export.exchange import SkippedLine
from results.judge.rules import is_in_force
from results.sql import statements

RowKind = Literal["service", "target"]
CACHE_KIB = 24 * 1024
"""Of SQLite, once for pages and once for sorting."""
MAX_SKIPPED_EXAMPLES = 20
FIELDS = ("at", "target", "service", "required", "name", "country", "asn", "network_name", "path", "outcome", "method",
          "agreement", "confidence", "failing", "restricted", "since", "rules_version")  # fmt: skip
TABLE = f"CREATE TABLE seen (id TEXT PRIMARY KEY, {', '.join(FIELDS)})"
IS_BETTER = (
    "(excluded.agreement <> 'undecided', is_in_force(excluded.rules_version), excluded.rules_version, "
    + ", ".join(f"ifnull(excluded.{field}, '')" for field in FIELDS)
    + ") > (agreement <> 'undecided', is_in_force(rules_version), rules_version, "
    + ", ".join(f"ifnull({field}, '')" for field in FIELDS)
    + ")"
)
INSERT = f"""
INSERT INTO seen VALUES ({", ".join("?" * (len(FIELDS) + 1))})
ON CONFLICT (id) DO UPDATE SET {", ".join(f"{field} = excluded.{field}" for field in FIELDS)} WHERE {IS_BETTER}
"""  # noqa: S608 constants only
SQL = statements(__file__, VANTAGE=", ".join(VANTAGE_FIELDS))
_vantage_values = attrgetter(*VANTAGE_FIELDS)


class VantageSeries(msgspec.Struct, frozen=True):
    """A row's measurements at one vantage, oldest first; to be read once, before the next series."""

    vantage: Vantage
    measurements: Iterator[RowMeasurement]


class IndexRow(msgspec.Struct, frozen=True):
    """A service, or a target that is in none; its series are to be read once, before the next row."""

    name: str
    is_service: bool
    series: Iterator[VantageSeries]


class SourceCounts(msgspec.Struct):
    """How many records were read, and how many left out."""

    read: int = 0
    skipped: int = 0
    skipped_examples: list[SkippedLine] = []
    """At most MAX_SKIPPED_EXAMPLES."""
    duplicates: int = 0
    """Also in another source, perhaps with another verdict."""
    outside: int = 0
    """Before or after the period."""
    future: int = 0


class MeasurementIndex:
    """All measurements of all sources."""

    def __init__(self, connection: sqlite3.Connection, counts: SourceCounts) -> None:
        self._connection = connection
        self.counts = counts

    def vantages(self) -> list[Vantage]:
        """Every vantage with a measurement, in a fixed order."""
        rows = self._connection.execute(SQL["VANTAGES"])
        return [_vantage(row) for row in rows]

    def days(self) -> list[str]:
        """Every UTC day with a measurement, oldest first."""
        rows = self._connection.execute("SELECT DISTINCT CAST(at / 86400 AS INTEGER) FROM seen ORDER BY 1")
        return [day_of(number * 86400) for (number,) in rows]

    def rows(self, of: RowKind = "service") -> Iterator[IndexRow]:
        """The rows in order. A target that any source assigns to a service belongs to that service."""
        found = self._connection.execute(SQL["BY_SERVICE"] if of == "service" else SQL["BY_TARGET"])
        for (name, is_service), rows in groupby(found, key=lambda row: row[:2]):
            yield IndexRow(name, bool(is_service), _series(rows))


def _series(rows: Iterable[tuple[Any, ...]]) -> Iterator[VantageSeries]:
    for place, measurements in groupby(rows, key=lambda row: row[2:7]):
        yield VantageSeries(_vantage(place), (_measurement(row[7:]) for row in measurements))


def _vantage(row: tuple[Any, ...]) -> Vantage:
    return Vantage(**dict(zip(VANTAGE_FIELDS, row, strict=True)))


def _measurement(row: tuple[Any, ...]) -> RowMeasurement:
    values = dict(zip(RowMeasurement.__struct_fields__, row, strict=True))
    return RowMeasurement(**{**values, "required": bool(values["required"]), "restricted": bool(values["restricted"])})


@contextmanager
def gather(
    sources: Iterable[Path | str], *, since: float | None = None, until: float | None = None, now: float | None = None
) -> Iterator[MeasurementIndex]:
    """Index all of `sources`, in any order. Raises SourceError.

    `since` and `until` (seconds since 1970) bound the period; later times than `now` are left out.
    """
    counts = SourceCounts()
    with closing(sqlite3.connect("")) as connection:
        connection.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIB};"
            f"PRAGMA temp_store = FILE; {TABLE};"
        )
        connection.create_function("is_in_force", 1, is_in_force, deterministic=True)
        for source in sources:
            records = _in_period(read(source, since=since, until=until), counts, since, until, now)
            connection.executemany(INSERT, map(_values, records))
        indexed = connection.execute("SELECT count(*) FROM seen").fetchone()[0]
        counts.duplicates = counts.read - indexed
        connection.execute(SQL["SERVICES"])
        connection.execute("CREATE INDEX temp.services_once ON services (target)")
        yield MeasurementIndex(connection, counts)


def _in_period(
    found: Iterable[ResultRecord | SkippedLine | OutsidePeriod],
    counts: SourceCounts,
    since: float | None,
    until: float | None,
    now: float | None,
) -> Iterator[ResultRecord]:
    for item in found:
        if isinstance(item, SkippedLine):
            counts.skipped += 1
            if len(counts.skipped_examples) < MAX_SKIPPED_EXAMPLES:
                counts.skipped_examples.append(item)
        elif isinstance(item, OutsidePeriod):
            counts.outside += item.count
        elif now is not None and item.at > now:
            counts.future += 1
        elif (since is not None and item.at < since) or (until is not None and item.at >= until):
            counts.outside += 1
        else:
            counts.read += 1
            yield item


def _values(record: ResultRecord) -> tuple[Any, ...]:
    return (
        record.id, record.at, record.target, record.service, record.required, *_vantage_values(record.vantage),
        record.outcome, record.method, record.agreement, record.confidence, record.failing, record.restricted,
        record.since, record.rules_version,
    )  # fmt: skip
