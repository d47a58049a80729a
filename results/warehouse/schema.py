"""The warehouse's tables as data, with their DDL for each engine and their Arrow schemas.

`verdicts` has a row for each measurement and version of its verdict (version 0 came with the measurement), and for
each control, without an outcome. `observations` has a row for each step, `blobs` certificates and pages, once a month.
Rows are never updated; duplicates are read once.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Literal

import msgspec

from results.db.columns import all_columns

if TYPE_CHECKING:
    import pyarrow as pa

ColumnKind = Literal["text", "word", "int", "float", "time", "day", "bytes"]
"""`word` is text with few distinct values."""
KINDS_BY_SQLITE_TYPE: dict[str, ColumnKind] = {"INTEGER": "int", "REAL": "float", "TEXT": "text"}
DISTINCT_TEXTS = frozenset({"id", "error", "dns_answers", "http_url", "http_headers", "http_body_sha256", "http_curve"})
"""Text columns of steps with mostly distinct values."""


class WarehouseColumn(msgspec.Struct, frozen=True):
    """One column; NULL means that it did not happen."""

    name: str
    kind: ColumnKind
    nullable: bool = True


class WarehouseTable(msgspec.Struct, frozen=True):
    """One table; `key` identifies a row and sets the sort order, and is never NULL."""

    name: str
    columns: tuple[WarehouseColumn, ...]
    key: tuple[str, ...]
    day: str | None = "day"
    """The column whose month partitions the table."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def _required(name: str, kind: ColumnKind) -> WarehouseColumn:
    return WarehouseColumn(name, kind, False)


ORIGIN = (
    _required("target", "word"),
    WarehouseColumn("service", "word"),
    _required("vantage", "word"),
    WarehouseColumn("country", "word"),
    WarehouseColumn("asn", "int"),
    WarehouseColumn("network_name", "word"),
    _required("path", "word"),
    _required("vantage_key", "int"),
)
"""Target and vantage point. `vantage_key` is a hash of the five columns of the vantage point."""
VERDICTS = WarehouseTable(
    "verdicts",
    (
        _required("id", "text"),
        _required("version", "int"),
        _required("day", "day"),
        _required("started_at", "time"),
        *ORIGIN,
        WarehouseColumn("control_of", "text"),
        WarehouseColumn("repeats", "text"),
        WarehouseColumn("round_id", "text"),
        WarehouseColumn("network", "word"),
        _required("scheme", "word"),
        _required("host", "word"),
        _required("port", "int"),
        WarehouseColumn("request_path", "word"),
        _required("required", "int"),
        _required("runtime_s", "float"),
        WarehouseColumn("context", "text"),
        WarehouseColumn("outcome", "word"),
        WarehouseColumn("method", "word"),
        WarehouseColumn("trigger", "word"),
        WarehouseColumn("confidence", "word"),
        WarehouseColumn("rules", "word"),
        WarehouseColumn("evidence", "text"),
        WarehouseColumn("control", "word"),
        WarehouseColumn("rules_version", "word"),
        WarehouseColumn("register", "word"),
        WarehouseColumn("listed", "int"),
        WarehouseColumn("listed_since", "word"),
        WarehouseColumn("as_of", "word"),
        WarehouseColumn("expectation", "text"),
        WarehouseColumn("agreement", "word"),
    ),
    ("target", "vantage_key", "started_at", "id", "version"),
)
"""`day`: of the measurement, also for its controls; `listed_since`: time of the earliest entry, else its day."""
BLOBS = WarehouseTable(
    "blobs", (_required("sha256", "text"), _required("day", "day"), _required("content", "bytes")), ("sha256", "day")
)
"""`day` is the first of the month."""
LOADS = WarehouseTable(
    "loads",
    (
        _required("source", "text"),
        _required("number", "int"),
        _required("position", "int"),
        _required("mark", "text"),
        _required("measurements", "int"),
        _required("at", "time"),
    ),
    ("source", "number"),
    None,
)
"""How far each source was read, in the row with its highest number; `mark` detects a replaced source."""


@cache
def observations() -> WarehouseTable:
    """The table of steps: the columns of the origin, then those of the database."""
    own = tuple(_step_column(name, sql) for name, sql in all_columns().items())
    return WarehouseTable(
        "observations",
        (_required("measurement", "text"), _required("place", "int"), _required("day", "day"), *ORIGIN, *own),
        ("target", "vantage_key", "measurement", "place"),
    )


def _step_column(name: str, sql: str) -> WarehouseColumn:
    if name == "started_at":
        return _required(name, "time")
    kind = KINDS_BY_SQLITE_TYPE[sql]
    word: ColumnKind = "word" if kind == "text" and name not in DISTINCT_TEXTS else kind
    return WarehouseColumn(name, word, name not in ("id", "step", "role", "hop"))


def all_tables() -> tuple[WarehouseTable, ...]:
    """Every table, referenced ones first."""
    return (BLOBS, observations(), VERDICTS, LOADS)


def arrow_schema(table: WarehouseTable) -> pa.Schema:
    """The Arrow schema of a table's batches."""
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "word": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "time": pa.timestamp("ms"),
        "day": pa.date32(),
        "bytes": pa.binary(),
    }
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
DUCKDB_TYPES = {
    "text": "VARCHAR",
    "word": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "time": "TIMESTAMP_MS",
    "day": "DATE",
    "bytes": "BLOB",
}
CLICKHOUSE_TYPES = {
    "text": "String",
    "word": "String",
    "int": "Int64",
    "float": "Float64",
    "time": "DateTime64(3, 'UTC')",
    "day": "Date32",
    "bytes": "String",
}
CLICKHOUSE_CODECS = {
    "text": "ZSTD(3)",
    "int": "T64, ZSTD(1)",
    "float": "ZSTD(1)",
    "time": "DoubleDelta, ZSTD(1)",
    "bytes": "ZSTD(6)",
}


def duckdb_ddl(table: WarehouseTable) -> str:
    """DuckDB's DDL, without a primary key, whose index would have to fit into memory."""
    columns = ", ".join(
        f"{quoted_name(c.name)} {DUCKDB_TYPES[c.kind]}{'' if c.nullable else ' NOT NULL'}" for c in table.columns
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
        + (DUCKDB_TYPES[column.kind] if dialect == "duckdb" else _clickhouse_type(column) + _codec(column))
        for column in table.columns
        if column.name not in existing
    ]


def _clickhouse_type(column: WarehouseColumn) -> str:
    kind = CLICKHOUSE_TYPES[column.kind]
    kind = f"Nullable({kind})" if column.nullable else kind
    return f"LowCardinality({kind})" if column.kind == "word" else kind


def _codec(column: WarehouseColumn) -> str:
    return f" CODEC({CLICKHOUSE_CODECS[column.kind]})" if column.kind in CLICKHOUSE_CODECS else ""


def quoted_name(name: str) -> str:
    """A quoted identifier for DuckDB and ClickHouse."""
    return '"' + name.replace('"', '""') + '"'


def sql_literal(text: str, dialect: str) -> str:
    """Untrusted text as an SQL string, hex-encoded unless it is plain ASCII."""
    if text.isascii() and text.isprintable() and not set(text) & {"'", "\\"}:
        return f"'{text}'"
    octets = f"unhex('{text.encode('utf-8', 'replace').hex()}')"
    return f"decode({octets})" if dialect == "duckdb" else octets
