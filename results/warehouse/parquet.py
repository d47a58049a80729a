"""The archive format: Parquet in folders by country and date, on disk or in an object store.

    country=RU/date=2026-11-24/verdicts-3f2a….parquet
    country=RU/date=2026-11-24/observations-3f2a….parquet
    country=RU/date=2026-11-24/blobs-3f2a….parquet

Columns follow the schema. File names contain a hash of the content, so writing the same rows again changes nothing.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from probe.text import printable
from results.db.columns import chain_columns
from results.warehouse.errors import WarehouseError, redacted_url
from results.warehouse.rows import Batch
from results.warehouse.schema import (
    BLOBS,
    VERDICTS,
    WarehouseTable,
    arrow_schema,
    observations,
    quoted_name,
    sql_literal,
)

if TYPE_CHECKING:
    from results.warehouse.engine import Engine

UNKNOWN_COUNTRY = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name for a NULL partition value."""
FILE_NAME = re.compile(r"(verdicts|observations|blobs)-[0-9a-f]{16}\.parquet")
PARTITIONS = 'SELECT "country", "day" FROM "verdicts" GROUP BY "country", "day" ORDER BY "day", "country"'
ROWS_PER_GROUP = 50_000
MAX_ROW_GROUP_BYTES = 1 << 30
BLOBS_PER_QUERY = 500


class FilePath:
    """One file or folder of an fsspec file system."""

    def __init__(self, system: Any, path: str) -> None:
        self.system = system
        self.path = path

    def __str__(self) -> str:
        return str(self.system.unstrip_protocol(self.path))

    @property
    def name(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2]

    def open(self, mode: str = "rb") -> BinaryIO:
        return cast(BinaryIO, self.system.open(self.path, mode))

    def is_folder(self) -> bool:
        return bool(self.system.isdir(self.path))

    def exists(self) -> bool:
        return bool(self.system.exists(self.path))

    def files(self) -> Iterator[FilePath]:
        """The files below this folder, sorted, without hidden ones."""
        for folder, folders, names in self.system.walk(self.path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith("."):
                    yield FilePath(self.system, f"{folder.rstrip('/')}/{name}")


def open_path(url: str) -> FilePath:
    """A local path or a URL such as s3://BUCKET/PREFIX. Raises WarehouseError if no file system handles it."""
    try:
        return FilePath(*url_to_fs(url))
    except ImportError as error:
        raise WarehouseError(f"{redacted_url(url)!r}: {error}") from error
    except ValueError as error:
        says = _("{url}: {error}; give a path, or a file://, s3://, gs:// or memory:// URL")
        raise WarehouseError(says.format(url=redacted_url(url), error=str(error)[:200])) from error


@contextmanager
def filesystem_errors(location: FilePath | str) -> Iterator[None]:
    """Raise errors of a file system as WarehouseError; object stores raise many kinds."""
    try:
        yield
    except WarehouseError:
        raise
    except (OSError, ValueError, fsspec.exceptions.FSTimeoutError) as error:
        raise WarehouseError(f"{redacted_url(str(location))}: {str(error)[:300] or type(error).__name__}") from error


def list_partitions(
    engine: Engine, since: date | None = None, until: date | None = None
) -> list[tuple[str | None, date]]:
    """The countries and days of a warehouse from `since` to before `until`."""
    rows = engine.query(PARTITIONS).to_pylist()
    return [
        (row["country"], row["day"])
        for row in rows
        if (since is None or row["day"] >= since) and (until is None or row["day"] < until)
    ]


def write_partition(engine: Engine, to: FilePath, country: str | None, day: date) -> int:
    """Write one partition as files; return its number of measurements. Raises WarehouseError."""
    verdicts = _partition_rows(engine, VERDICTS, country, day)
    steps = _partition_rows(engine, observations(), country, day)
    folder = f"country={_escaped(country)}/date={day.isoformat()}"
    tables = [(VERDICTS, verdicts), (observations(), steps), (BLOBS, read_blobs(engine, blob_hashes(steps), day))]
    with filesystem_errors(to):
        for table, rows in tables:
            if rows.num_rows:
                _write(to, folder, table, rows)
    return int(verdicts.num_rows)


def _partition_rows(engine: Engine, table: WarehouseTable, country: str | None, day: date) -> pa.Table:
    """A table's rows of one partition; control measurements belong to the country of their own vantage point."""
    where = f'"country" = {sql_literal(country, engine.dialect)}' if country is not None else '"country" IS NULL'
    key = ", ".join(map(quoted_name, table.key))
    columns = ", ".join(map(quoted_name, table.names))
    where += f" AND \"day\" = '{day.isoformat()}'"
    query = f"SELECT {columns} FROM {quoted_name(table.name)} WHERE {where} ORDER BY {key}"  # noqa: S608
    return fit_to_schema(engine.query(query), table)


def blob_hashes(steps: pa.Table) -> set[str]:
    """SHA-256 hashes of the certificates and pages of these steps, without malformed ones."""
    chains = [text for column in chain_columns() for text in pc.unique(steps[column]).to_pylist() if text]
    pages = [text for text in pc.unique(steps["http_body_sha256"]).to_pylist() if text]
    return {sha256 for text in (*chains, *pages) for sha256 in re.findall(r"[0-9a-f]{64}", text)}


def read_blobs(engine: Engine, hashes: Iterable[str], day: date) -> pa.Table:
    """The stored blobs with these hashes of that day's month."""
    wanted, tables = sorted(hashes), [arrow_schema(BLOBS).empty_table()]
    month = day.replace(day=1).isoformat()
    for start in range(0, len(wanted), BLOBS_PER_QUERY):
        listed = ", ".join(f"'{sha256}'" for sha256 in wanted[start : start + BLOBS_PER_QUERY])
        query = f'SELECT * FROM "blobs" WHERE "day" = \'{month}\' AND "sha256" IN ({listed})'  # noqa: S608
        tables.append(fit_to_schema(engine.query(query), BLOBS))
    return pa.concat_tables(tables)


def _escaped(country: str | None) -> str:
    """The country as a path segment that cannot leave its folder."""
    if country is None:
        return UNKNOWN_COUNTRY
    return quote(country, safe="") if country.strip(".") else quote(country, safe="").replace(".", "%2E") or "%00"


def _write(to: FilePath, folder: str, table: WarehouseTable, rows: pa.Table) -> None:
    """Write atomically: upload or write a temporary file, then move it into place."""
    out = io.BytesIO()
    pq.write_table(rows, out, compression="zstd", row_group_size=ROWS_PER_GROUP)
    data = out.getvalue()
    name = f"{table.name}-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    target = f"{to.path.rstrip('/')}/{folder}/{name}"
    to.system.makedirs(target.rpartition("/")[0], exist_ok=True)
    if to.system.exists(target):
        return
    unfinished = f"{target.rpartition('/')[0]}/.{name}.part"
    to.system.pipe_file(unfinished, data)
    to.system.mv(unfinished, target)


def parquet_batches(file: FilePath, position: int = 0, mark: str = "") -> Iterator[Batch]:
    """A file's rows after the first `position` row groups. Raises WarehouseError for a foreign file."""
    kind = FILE_NAME.fullmatch(file.name)
    if kind is None:
        says = _("{path}: not a file name of the archive, such as verdicts-0123456789abcdef.parquet")
        raise WarehouseError(says.format(path=file))
    table = {table.name: table for table in (VERDICTS, observations(), BLOBS)}[kind[1]]
    try:
        with filesystem_errors(file), file.open() as opened:
            parquet_file = pq.ParquetFile(opened)
            groups = parquet_file.metadata.num_row_groups
            if any(parquet_file.metadata.row_group(n).total_byte_size > MAX_ROW_GROUP_BYTES for n in range(groups)):
                says = _("{path}: a row group of more than {size} MiB")
                raise WarehouseError(says.format(path=file, size=MAX_ROW_GROUP_BYTES >> 20))
            for number in range(position if mark == file.name else 0, groups):
                rows = fit_to_schema(parquet_file.read_row_group(number), table)
                count = rows.num_rows if table is VERDICTS else 0
                yield Batch([(table, rows)], count, number + 1, file.name, total=groups)
    except pa.ArrowException as error:
        raise WarehouseError(f"{file}: {printable(str(error))}") from error


def fit_to_schema(rows: pa.Table, table: WarehouseTable) -> pa.Table:
    """Rows with the schema's columns and types, NULL where missing. Raises WarehouseError if they do not fit."""
    schema = arrow_schema(table)
    columns: list[Any] = []
    for field in schema:
        if field.name not in rows.column_names:
            if not field.nullable:
                says = _("table {table}: no column {column}")
                raise WarehouseError(says.format(table=table.name, column=field.name))
            columns.append(pa.nulls(rows.num_rows, field.type))
            continue
        column = rows[field.name]
        column = column if column.type == field.type else pc.cast(column, field.type)
        if column.null_count and not field.nullable:
            says = _("table {table}: missing values in column {column}")
            raise WarehouseError(says.format(table=table.name, column=field.name))
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)
