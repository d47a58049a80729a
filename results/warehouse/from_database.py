"""Reads the measurements of an untrusted database as batches, in the order of their numbers."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from probe.model import Vantage
from probe.text import printable
from results.compare.sources import results_query
from results.db.columns import all_columns, chain_columns
from results.db.connect import BadDatabase, open_read_only, plain_columns
from results.sql import statements
from results.warehouse.errors import WarehouseError
from results.warehouse.rows import (
    Batch,
    LoadSource,
    Row,
    parse_day,
    parse_time,
    source_key,
    to_arrow,
    vantage_key,
)
from results.warehouse.schema import BLOBS, VERDICTS, observations

if TYPE_CHECKING:
    import pyarrow as pa

    from results.warehouse.schema import WarehouseTable

MEASUREMENTS_PER_BATCH = 4000
MAX_BODY_BYTES = 16 * 1024 * 1024
SQL = statements(__file__)
OWN_ID = "CASE WHEN o.id LIKE '.%' THEN m.id || o.id ELSE o.id END"


def database_source(path: Path) -> LoadSource:
    """The database as a source; its key contains its creation time, because hubs often share a path."""
    return LoadSource(
        str(path), source_key(f"{path.name}/{_created_at(path)}", path.name), partial(database_batches, path)
    )


def _created_at(path: Path) -> str:
    try:
        with closing(open_read_only(path)) as connection:
            return str(connection.execute("SELECT min(applied_at) FROM _sqlite_migrations").fetchone()[0])
    except (sqlite3.Error, UnicodeDecodeError):
        return str(path.resolve())  # unreadable: database_batches reports it


def database_batches(path: Path, position: int = 0, mark: str = "") -> Iterator[Batch]:
    """Batches after measurement number `position` if its id is still `mark`, else from the start. Raises WarehouseError
    for an unreadable database."""
    try:
        with closing(open_read_only(path)) as connection:
            results_query(connection, path)
            for table in ("observations", "certificates", "bodies"):
                plain_columns(connection, path, table)
            reader = _Reader(connection)
            if reader.id_of(position) != mark:
                position = 0
            while (last := reader.last_of(position)) is not None:
                yield reader.batch(position, last)
                position = last
    except (sqlite3.Error, UnicodeDecodeError, BadDatabase) as error:
        raise WarehouseError(f"{path}: {printable(str(error))}") from error


class _Reader:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        existing = {row[1] for row in connection.execute("PRAGMA table_info(observations)")}
        columns = ", ".join(_column_sql(name) if name in existing else "NULL" for name in all_columns())
        self._steps_query = SQL["OBSERVATIONS"].replace("{columns}", columns)
        existing = {row[1] for row in connection.execute("PRAGMA table_info(measurements)")}
        self._verdicts_query = SQL["VERDICTS"].replace("{m.repeats}", "m.repeats" if "repeats" in existing else "NULL")
        self._vantage = cache(self._vantage_key)
        self._chain = cache(self._chain_hashes)
        self._sent_blobs: set[tuple[str, str]] = set()
        self._total = connection.execute("SELECT max(number) FROM measurements").fetchone()[0]

    def id_of(self, number: int) -> str:
        row = self._connection.execute("SELECT id FROM measurements WHERE number = ?", [number]).fetchone()
        return str(row[0]) if row else ""

    def last_of(self, position: int) -> int | None:
        """The number of the last measurement in the batch after a position."""
        last: int | None = self._connection.execute(SQL["LAST"], [position, MEASUREMENTS_PER_BATCH]).fetchone()[0]
        return last

    def batch(self, position: int, last: int) -> Batch:
        """The measurements after `position` up to `last`."""
        verdicts, verdict_errors = self._table(VERDICTS, self._verdicts_query, (position, last))
        steps, step_errors = self._table(observations(), self._steps_query, (position, last))
        blobs, blob_errors = to_arrow(BLOBS, list(self._blobs(steps)))
        errors = verdict_errors + step_errors + blob_errors
        return Batch(
            tables=[(BLOBS, blobs), (observations(), steps), (VERDICTS, verdicts)],
            measurements=verdicts.num_rows,
            position=last,
            mark=self.id_of(last),
            skipped=len(errors),
            why=errors[0] if errors else None,
            total=self._total,
        )

    def _table(self, table: WarehouseTable, query: str, between: tuple[int, int]) -> tuple[pa.Table, list[str]]:
        """The rows of a query with days, times, vantage keys and certificate chains converted, and their errors."""
        rows: list[Row] = []
        errors: list[str] = []
        day, started_at, vantage = map(table.names.index, ("day", "started_at", "vantage_key"))
        chains = [index for index, name in enumerate(table.names) if name in chain_columns()]
        for values in self._connection.execute(query, between):
            row = list(values)
            try:
                row[day], row[vantage] = parse_day(row[day]), self._vantage(row[vantage])
                row[started_at] = parse_time(row[started_at])
                for index in chains:
                    row[index] = self._chain(row[index]) if row[index] is not None else None
                rows.append(row)
            except (ValueError, TypeError) as error:
                errors.append(printable(str(error)))
        arrow_table, row_errors = to_arrow(table, rows)
        return arrow_table, errors + row_errors

    def _vantage_key(self, number: int) -> int:
        row = self._connection.execute(
            "SELECT name, country, asn, network_name, path FROM vantages WHERE id = ?", [number]
        ).fetchone()
        return vantage_key(Vantage(**dict(zip(Vantage.__struct_fields__, row, strict=True))))

    def _chain_hashes(self, text: str) -> str:
        hashes = [self._certificate_hash(number) for number in msgspec.json.decode(text, type=list[int])]
        return msgspec.json.encode(hashes).decode()

    def _certificate_hash(self, number: int) -> str | None:
        row = self._connection.execute("SELECT sha256 FROM certificates WHERE id = ?", [number]).fetchone()
        return row[0] if row else None

    def _blobs(self, steps: pa.Table) -> Iterator[Row]:
        """Certificates and pages of these steps, each once a month."""
        wanted: set[tuple[str, str]] = set()
        months = [f"{day:%Y-%m}-01" for day in steps["day"].to_pylist()]
        for column in (*chain_columns(), "http_body_sha256"):
            for value, month in zip(steps[column].to_pylist(), months, strict=True):
                if value is not None:
                    hashes = [value] if column not in chain_columns() else msgspec.json.decode(value)
                    wanted.update((sha256, month) for sha256 in hashes if sha256)
        for sha256, month in sorted(wanted - self._sent_blobs):
            content = self._content(sha256)
            if content is not None:
                yield sha256, parse_day(month), content
        self._sent_blobs |= wanted

    def _content(self, sha256: str) -> bytes | None:
        row = self._connection.execute("SELECT der FROM certificates WHERE sha256 = ?", [sha256]).fetchone()
        if row:
            return bytes(row[0])
        row = self._connection.execute("SELECT zlib FROM bodies WHERE sha256 = ?", [sha256]).fetchone()
        if row is None:
            return None
        try:
            return zlib.decompressobj().decompress(row[0], MAX_BODY_BYTES)
        except zlib.error:
            return None


def _column_sql(name: str) -> str:
    return OWN_ID if name == "id" else f"o.{name}"
