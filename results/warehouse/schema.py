"""The warehouse's tables by schema.toml, with their DDL for each engine and their Arrow schemas.

Rows are never updated; duplicates are read once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from results.db.columns import all_columns

if TYPE_CHECKING:
    import pyarrow as pa

TOML: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
KINDS: dict[str, dict[str, str]] = TOML["kind"]
"""Kind of column -> its types in Arrow, Ibis, DuckDB and ClickHouse, and ClickHouse's codec."""
KINDS_BY_SQLITE_TYPE = {"INTEGER": "int", "REAL": "float", "TEXT": "text"}
DISTINCT_TEXTS = frozenset({"id", "error", "dns_answers", "http_url", "http_headers", "http_body_sha256", "http_curve"})
"""Text columns of steps with mostly distinct values."""


class WarehouseColumn(msgspec.Struct, frozen=True):
    """One column; NULL means that it did not happen."""

    name: str
    kind: str
    nullable: bool = True


class WarehouseTable(msgspec.Struct, frozen=True):
    """One table; `key` identifies a row and sets the sort order, and is never NULL."""

    name: str
    columns: tuple[WarehouseColumn, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def day(self) -> str | None:
        """The column whose month partitions the table."""
        return "day" if "day" in self.names else None


def _table(name: str) -> WarehouseTable:
    table = TOML["table"][name]
    return WarehouseTable(name, tuple(_columns(table["columns"])), tuple(table["key"]))


def _columns(texts: Sequence[str]) -> Iterator[WarehouseColumn]:
    for text in texts:
        if text == "{origin}":
            yield from _columns(TOML["part"]["origin"])
        elif text == "{steps}":
            yield from (_step_column(name, sql) for name, sql in all_columns().items())
        else:
            name, kind = text.split()
            yield WarehouseColumn(name, kind.removesuffix("?"), kind.endswith("?"))


def _step_column(name: str, sql: str) -> WarehouseColumn:
    if name == "started_at":
        return WarehouseColumn(name, "time", False)
    kind = KINDS_BY_SQLITE_TYPE[sql]
    word = "word" if kind == "text" and name not in DISTINCT_TEXTS else kind
    return WarehouseColumn(name, word, name not in ("id", "step", "role", "hop"))


VERDICTS, BLOBS, LOADS = _table("verdicts"), _table("blobs"), _table("loads")


@cache
def observations() -> WarehouseTable:
    """The table of steps: the columns of the origin, then those of the database."""
    return _table("observations")


def all_tables() -> tuple[WarehouseTable, ...]:
    """Every table, referenced ones first."""
    return (BLOBS, observations(), VERDICTS, LOADS)


def arrow_schema(table: WarehouseTable) -> pa.Schema:
    """The Arrow schema of a table's batches."""
    import pyarrow as pa

    kinds = {kind: pa.type_for_alias(types["arrow"]) for kind, types in KINDS.items()}
    return pa.schema([pa.field(c.name, kinds[c.kind], nullable=c.nullable) for c in table.columns])


STORED_BYTES_SQL = (
    "SELECT table, toInt64(sum(bytes_on_disk)) AS bytes FROM system.parts "
    "WHERE active AND database = currentDatabase() GROUP BY table"
)
READ_SETTINGS = {
    "final": 1,
    "do_not_merge_across_partitions_select_final": 1,
    "join_use_nulls": 1,
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
}
"""Read each row once before parts are merged (duplicates share a month); NULL where a join finds nothing."""
WRITE_SETTINGS = {"max_partitions_per_insert_block": 0}
"""A batch may span over a hundred months, since clocks can be wrong."""


def duckdb_ddl(table: WarehouseTable) -> str:
    """DuckDB's DDL, without a primary key, whose index would have to fit into memory."""
    columns = ", ".join(
        f"{quoted_name(c.name)} {KINDS[c.kind]['duckdb']}{'' if c.nullable else ' NOT NULL'}" for c in table.columns
    )
    return f"CREATE TABLE IF NOT EXISTS {quoted_name(table.name)} ({columns})"


def clickhouse_ddl(table: WarehouseTable, *, engine: str = "ReplacingMergeTree") -> str:
    """ClickHouse's DDL; rows with the same key are merged, and FINAL reads them as one before that."""
    columns = ",\n    ".join(f"{quoted_name(c.name)} {_clickhouse_type(c)}{_codec(c)}" for c in table.columns)
    by_month = f"\nPARTITION BY toYYYYMM({quoted_name(table.day)})" if table.day else ""
    key = ", ".join(map(quoted_name, table.key))
    statement = f"CREATE TABLE IF NOT EXISTS {quoted_name(table.name)} (\n    {columns}\n)"
    return f"{statement} ENGINE = {engine}{by_month}\nORDER BY ({key})"


def add_columns_ddl(table: WarehouseTable, existing: Collection[str], dialect: str) -> list[str]:
    """Statements that add columns which a table of an earlier version lacks."""
    statement = f"ALTER TABLE {quoted_name(table.name)} ADD COLUMN IF NOT EXISTS"
    return [
        f"{statement} {quoted_name(column.name)} "
        + (KINDS[column.kind]["duckdb"] if dialect == "duckdb" else _clickhouse_type(column) + _codec(column))
        for column in table.columns
        if column.name not in existing
    ]


def _clickhouse_type(column: WarehouseColumn) -> str:
    kind = KINDS[column.kind]["clickhouse"]
    kind = f"Nullable({kind})" if column.nullable else kind
    return f"LowCardinality({kind})" if column.kind == "word" else kind


def _codec(column: WarehouseColumn) -> str:
    codec = KINDS[column.kind].get("codec")
    return f" CODEC({codec})" if codec else ""


def quoted_name(name: str) -> str:
    """A quoted identifier for DuckDB and ClickHouse."""
    return '"' + name.replace('"', '""') + '"'


def sql_literal(text: str, dialect: str) -> str:
    """Untrusted text as an SQL string, hex-encoded unless it is plain ASCII."""
    if text.isascii() and text.isprintable() and not set(text) & {"'", "\\"}:
        return f"'{text}'"
    octets = f"unhex('{text.encode('utf-8', 'replace').hex()}')"
    return f"decode({octets})" if dialect == "duckdb" else octets
