"""Rows on their way into the warehouse: columns of the schema's types, and what did not fit them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from probe.timestamps import parse_time
from results.warehouse.schema import Table, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

    from probe.model import Vantage

Row = Sequence[Any]
FIRST, LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Within what every engine can keep."""
LARGEST = 2**63


class Batch(msgspec.Struct):
    """What is read at once: rows of each table, how many measurements they are, and where their source then stands."""

    tables: list[tuple[Table, pa.Table]]
    measurements: int
    position: int
    mark: str
    skipped: int = 0
    why: str | None = None
    """Why the first of those was."""
    total: int | None = None
    """How far positions go in this source, where that is known."""


def time_of(text: str) -> datetime:
    """A record's time, to the millisecond. ValueError where it is none, or none that an engine can keep."""
    at = parse_time(text)
    if not FIRST <= at < LAST:
        raise ValueError(f"the time {text[:40]!r}")
    at = at.replace(tzinfo=None)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def day_of(text: str) -> date:
    return time_of(text).date()


def vantage_key(vantage: Vantage) -> int:
    """The same number for the same vantage everywhere."""
    told = msgspec.json.encode(msgspec.structs.astuple(vantage))
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "big", signed=True)


def table_of(table: Table, rows: Sequence[Row]) -> tuple[pa.Table, list[str]]:
    """The rows as columns; why those that do not fit were left out."""
    import pyarrow as pa

    schema = arrow_schema(table)
    try:
        return _columns(schema, rows), []
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError):
        pass
    kept, why = [], []
    for row in rows:
        try:
            _columns(schema, [row])
            kept.append(row)
        except (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError) as error:
            why.append(str(error).partition("\n")[0])
    return _columns(schema, kept), why


def _columns(schema: pa.Schema, rows: Sequence[Row]) -> pa.Table:
    import pyarrow as pa

    values: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(schema)
    made = pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)], schema=schema
    )
    for name, column in zip(schema.names, made.columns, strict=True):
        if column.null_count and not schema.field(name).nullable:
            raise ValueError(f"no {name}")
    return made
