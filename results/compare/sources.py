"""Sources of results: databases, files of records (ours and OONI's), folders of these."""

from __future__ import annotations

import os
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
from results import ooni
from results.compare.record import (
    MAX_EPOCH_S,
    MAX_TARGET_LENGTH,
    VANTAGE_FIELDS,
    ResultListing,
    ResultRecord,
    comparable_vantage,
    failing_family,
    is_valid,
    record_of,
)
from results.db.connect import BadDatabase, open_read_only, plain_columns
from results.db.jsonl import BadFile, BadRecord, decode, reason, records
from results.export.exchange import SkippedLine
from results.judge.verdict import Evidence, Repeat, evidence_from
from results.sql import NOT_REPEATED, statements

SQLITE_MAGIC = b"SQLite format 3\x00"
ENDINGS = (".db", ".sqlite", ".sqlite3", ".jsonl", ".ndjson", ".json")
COMPRESSED_ENDINGS = (".gz", ".zst")
MAX_FILES = 100_000
SQL = statements(__file__)
TABLES = ("measurements", "targets", "vantages", "verdicts", "rounds")
IN_PERIOD = "AND m.started_at >= ? AND m.started_at < ?"
BEFORE, AFTER = "m.started_at < ?", "m.started_at >= ?"
MARGIN_S = 86400.0
"""Around a period, as times are compared as text and may name another time zone."""


class OutsidePeriod(msgspec.Struct, frozen=True):
    """Measurements that were not read, as they are outside the period by more than MARGIN_S."""

    count: int


class SourceError(ValueError):
    """A source that cannot be read; the message names it."""


def read(
    source: Path | str, *, since: float | None = None, until: float | None = None
) -> Iterator[ResultRecord | SkippedLine | OutsidePeriod]:
    """Every record of a source, in its order; SkippedLine for each that cannot be read. Raises SourceError.

    What of a database is far outside `since` and `until` (seconds since 1970) is only counted.
    """
    source = Path(source)
    try:
        for file in files_of(source):
            try:
                if is_database(file):
                    yield from read_database(file, since=since, until=until)
                else:
                    yield from read_records(file)
            except (BadFile, BadDatabase) as error:
                if file == source:
                    raise SourceError(str(error)) from error
                yield SkippedLine(file, 0, str(error))
    except OSError as error:
        raise SourceError(f"{source}: {error.strerror or error}") from error


def files_of(source: Path) -> list[Path]:
    """The source itself, or the files of results in a folder, in a fixed order. Raises SourceError."""
    if not source.is_dir():
        if not source.exists():
            raise SourceError(_("{path}: no such file or folder").format(path=source))
        if not source.is_file():
            raise SourceError(_("{path}: neither a file nor a folder").format(path=source))
        return [source]
    found: list[Path] = []
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder, name) for name in sorted(names) if _is_results_file(name)]
        if len(found) > MAX_FILES:
            says = _("{path}: more than {count} files of results; give its subfolders one by one")
            raise SourceError(says.format(path=source, count=MAX_FILES))
    found = [file for file in found if file.is_file()]
    if not found:
        raise SourceError(no_results(source))
    return found


def no_results(where: Path | str, *more: str) -> str:
    """That there is no file with one of our endings, or of `more`."""
    says = _("{path}: no files of results in it ({endings}, also compressed as {compressed})")
    return says.format(path=where, endings=", ".join((*ENDINGS, *more)), compressed=", ".join(COMPRESSED_ENDINGS))


def _is_results_file(name: str) -> bool:
    """Whether a file in a folder is one of results, by its ending."""
    if name.startswith("."):
        return False
    plain = next((name.removesuffix(end) for end in COMPRESSED_ENDINGS if name.endswith(end)), name)
    return plain.endswith(ENDINGS)


def is_database(file: Path) -> bool:
    """By its first bytes, whatever its name."""
    with file.open("rb") as opened:
        return opened.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def read_database(
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
                    yield _of_row(row)
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
    counts = [SQL["OUTSIDE"].format(later=later, when=when) for when in (BEFORE, AFTER)]
    return sum(connection.execute(count, [end]).fetchone()[0] for count, end in zip(counts, ends, strict=True))


def results_query(connection: sqlite3.Connection, path: Path) -> str:
    """RESULTS_QUERY for this schema version; reads only plain tables, never views. Raises BadDatabase."""
    for table in TABLES:
        plain_columns(connection, path, table)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(measurements)")}
    return SQL["RESULTS"].format(later=f"AND {NOT_REPEATED}" if "repeats" in columns else "")


@lru_cache(maxsize=1024, typed=True)
def _vantage(*values: Any) -> Vantage:
    """Cached, as millions of rows are of a few vantages."""
    return comparable_vantage(msgspec.convert(dict(zip(VANTAGE_FIELDS, values, strict=True)), Vantage))


@lru_cache(maxsize=1024)
def _listed_since(expectation: str) -> str | None:
    listing = msgspec.json.decode(expectation, type=ResultListing)
    return bounded(listing.since, 40) if listing.listed and listing.since else None


def _of_row(row: tuple[Any, ...]) -> ResultRecord:
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


class ResultVantage(msgspec.Struct):
    """The vantage of a row."""

    name: str
    country: str | None = None
    asn: int | None = None
    network_name: str | None = None
    path: str = "direct"


class ExportedTarget(msgspec.Struct):
    required: bool = True


class ExportedMeasurement(msgspec.Struct):
    target: ExportedTarget
    vantage: ResultVantage


class ExportedContext(msgspec.Struct):
    repeat: Repeat | None = None


class ExportedRecord(msgspec.Struct):
    """What an export says beside the row."""

    measurement: ExportedMeasurement
    context: ExportedContext


class ResultLine(msgspec.Struct, kw_only=True):
    """The documented row, as far as comparing needs it; `test_name` marks a record of OONI's."""

    kind: str = "target"
    test_name: str | None = None
    measurement_id: str | None = None
    target: str = ""
    service: str | None = None
    vantage: ResultVantage | None = None
    started_at: str = ""
    outcome: str = ""
    method: str | None = None
    confidence: str | None = None
    evidence: tuple[str, ...] = ()
    signals: tuple[Evidence, ...] = ()
    expectation: ResultListing | None = None
    agreement: str = "undecided"
    network: str | None = None
    repeated_by: str | None = None
    required: bool = True
    rules_version: str = ""
    record: ExportedRecord | None = None
    licence: Any = None
    """Only in a header."""


def read_records(path: Path) -> Iterator[ResultRecord | SkippedLine]:
    """Every record of a file, plain or compressed. Raises BadFile."""
    for number, line in records(path):
        try:
            if isinstance(line, BadRecord):
                raise line
            record = parse_line(line)
        except (BadRecord, ValueError, OverflowError) as error:
            yield SkippedLine(path, number, reason(error))
            continue
        if record is not None:
            yield record


def parse_line(line: bytes) -> ResultRecord | None:
    """The record of a line, None for a header or a repeated measurement. OONI's are judged now. Raises BadRecord."""
    row: ResultLine = decode(line, ResultLine)
    if row.test_name is not None:
        finished, _ = ooni.read_line(line)
        return None if _is_repeated(finished.context.repeat) else record_of(finished)
    if row.kind != "target" or row.repeated_by is not None or row.licence is not None:
        return None
    if row.record is not None and _is_repeated(row.record.context.repeat):
        return None
    return _record(row)


def _is_repeated(repeat: Repeat | None) -> bool:
    """Whether its repeat counts in its place."""
    return repeat is not None and repeat.outcome is not None


def _record(row: ResultLine) -> ResultRecord:
    if row.vantage is None or row.measurement_id is None:
        raise BadRecord("neither a result of reachprobe nor an OONI measurement")
    exported = row.record.measurement if row.record is not None else None
    place = exported.vantage if exported is not None else row.vantage
    listing = row.expectation or ResultListing()
    record = ResultRecord(
        id=bounded(row.measurement_id),
        at=epoch(row.started_at, needs_zone=True),
        target=bounded(row.target, MAX_TARGET_LENGTH),
        service=bounded(row.service) if row.service else None,
        required=exported.target.required if exported is not None else row.required,
        vantage=comparable_vantage(Vantage(**msgspec.structs.asdict(place))),
        outcome=row.outcome,
        method=row.method,
        agreement=row.agreement,
        confidence=row.confidence,
        failing=failing_family(row.outcome, (*row.signals, *row.evidence)),
        restricted=row.network == "restricted",
        since=bounded(listing.since, 40) if listing.listed and listing.since else None,
        rules_version=bounded(row.rules_version),
    )
    if not is_valid(record) or not record.target:
        raise BadRecord("unknown outcome, method or agreement")
    return record
