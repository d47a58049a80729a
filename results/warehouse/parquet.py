"""The archive and exchange form: Parquet in folders by country and date, as object stores keep it.

    country=RU/date=2026-11-24/verdicts-3f2a….parquet
    country=RU/date=2026-11-24/observations-3f2a….parquet
    country=RU/date=2026-11-24/blobs-3f2a….parquet

Columns are those of the schema. A file is named by what is in it, so that writing the same again changes nothing, and
several may write to one place. A country that is not known is Hive's own word for that.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from probe.text import printable
from results.db.columns import chain_columns
from results.warehouse.batch import Batch
from results.warehouse.ddl import literal, quoted
from results.warehouse.engine import WarehouseError
from results.warehouse.filesystem import Place, reached
from results.warehouse.schema import BLOBS, VERDICTS, Table, arrow_schema, observations

if TYPE_CHECKING:
    from results.warehouse.engine import Engine

UNKNOWN = "__HIVE_DEFAULT_PARTITION__"
NAME = re.compile(r"(verdicts|observations|blobs)-[0-9a-f]{16}\.parquet")
PARTITIONS = 'SELECT "country", "day" FROM "verdicts" GROUP BY "country", "day" ORDER BY "day", "country"'
ROWS = 50_000
LARGEST = 1 << 30


def partitions(engine: Engine, since: date | None = None, until: date | None = None) -> list[tuple[str | None, date]]:
    """The countries and days of a warehouse, from `since` up to and without `until`."""
    found = [(row["country"], row["day"]) for row in engine.ask(PARTITIONS).to_pylist()]
    return [one for one in found if (since is None or one[1] >= since) and (until is None or one[1] < until)]


def write(engine: Engine, to: Place, country: str | None, day: date) -> int:
    """One partition of the warehouse as files; how many measurements they hold. WarehouseError."""
    verdicts = _of(engine, VERDICTS, country, day)
    steps = _of(engine, observations(), country, day)
    folder = f"country={_escaped(country)}/date={day.isoformat()}"
    tables = [(VERDICTS, verdicts), (observations(), steps), (BLOBS, _blobs(engine, steps, day))]
    with reached(to):
        for table, rows in tables:
            if rows.num_rows:
                _write(to, folder, table, rows)
    return int(verdicts.num_rows)


def _of(engine: Engine, table: Table, country: str | None, day: date) -> pa.Table:
    """A partition's rows; the steps of a control from another country lie with it, not with what it controls."""
    where = f'"country" = {literal(country, engine.dialect)}' if country is not None else '"country" IS NULL'
    key = ", ".join(map(quoted, table.key))
    columns = ", ".join(map(quoted, table.names))
    query = f"SELECT {columns} FROM {quoted(table.name)} WHERE {where} AND \"day\" = '{day.isoformat()}' ORDER BY {key}"  # noqa: S608
    return fitted(engine.ask(query), table)


def _blobs(engine: Engine, steps: pa.Table, day: date) -> pa.Table:
    wanted = sorted(named(steps))
    found = [blobs(engine, wanted[n : n + 500], day) for n in range(0, len(wanted), 500)]
    return pa.concat_tables(found) if found else arrow_schema(BLOBS).empty_table()


def named(steps: pa.Table) -> set[str]:
    """The certificates and pages that steps name, by SHA-256; foreign words are none."""
    chains = [text for column in chain_columns() for text in pc.unique(steps[column]).to_pylist() if text]
    pages = [text for text in pc.unique(steps["http_body_sha256"]).to_pylist() if text]
    return {found for text in (*chains, *pages) for found in re.findall(r"[0-9a-f]{64}", text)}


def blobs(engine: Engine, hashes: list[str], day: date) -> pa.Table:
    """These certificates and pages, as far as they are there, of that day's month."""
    listed = ", ".join(f"'{one}'" for one in hashes)
    query = f'SELECT * FROM "blobs" WHERE "day" = \'{day.replace(day=1).isoformat()}\' AND "sha256" IN ({listed})'  # noqa: S608
    return fitted(engine.ask(query), BLOBS)


def _escaped(country: str | None) -> str:
    """As part of a path: a hostile country leads nowhere else."""
    if country is None:
        return UNKNOWN
    return quote(country, safe="") if country.strip(".") else quote(country, safe="").replace(".", "%2E") or "%00"


def _write(to: Place, folder: str, table: Table, rows: pa.Table) -> None:
    """Whole or not at all: object stores put a file at once; on a disk it is moved to its place when it is whole."""
    out = io.BytesIO()
    pq.write_table(rows, out, compression="zstd", row_group_size=ROWS)
    data = out.getvalue()
    name = f"{table.name}-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    target = f"{to.path.rstrip('/')}/{folder}/{name}"
    to.system.makedirs(target.rpartition("/")[0], exist_ok=True)
    if to.system.exists(target):
        return
    unfinished = f"{target.rpartition('/')[0]}/.{name}.part"
    to.system.pipe_file(unfinished, data)
    to.system.mv(unfinished, target)


def batches(file: Place, position: int = 0, mark: str = "") -> Iterator[Batch]:
    """A file's rows behind the first `position` row groups. WarehouseError where it is none of ours."""
    kind = NAME.fullmatch(file.name)
    if kind is None:
        raise WarehouseError(f"{file}: its name is not of the archive's form, as verdicts-0123456789abcdef.parquet")
    table = {one.name: one for one in (VERDICTS, observations(), BLOBS)}[kind[1]]
    try:
        with reached(file), file.open() as opened:
            whole = pq.ParquetFile(opened)
            groups = whole.metadata.num_row_groups
            if any(whole.metadata.row_group(n).total_byte_size > LARGEST for n in range(groups)):
                raise WarehouseError(f"{file}: a row group of more than {LARGEST >> 20} MiB")
            for number in range(position if mark == file.name else 0, groups):
                rows = fitted(whole.read_row_group(number), table)
                count = rows.num_rows if table is VERDICTS else 0
                yield Batch([(table, rows)], count, number + 1, file.name, total=groups)
    except pa.ArrowException as error:
        raise WarehouseError(f"{file}: {printable(str(error))}") from error


def fitted(rows: pa.Table, table: Table) -> pa.Table:
    """Rows of an engine or a file with the schema's columns and types; what it lacks is NULL. WarehouseError."""
    schema = arrow_schema(table)
    columns: list[Any] = []
    for field in schema:
        if field.name not in rows.column_names:
            if not field.nullable:
                raise WarehouseError(f"a table of {table.name} without the column {field.name}")
            columns.append(pa.nulls(rows.num_rows, field.type))
            continue
        column = rows[field.name]
        column = column if column.type == field.type else pc.cast(column, field.type)
        if column.null_count and not field.nullable:
            raise WarehouseError(f"a table of {table.name} with nothing in its column {field.name}")
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)
