"""The schema in each engine's words."""

from __future__ import annotations

from results.warehouse.schema import Column, Table

DUCKDB = {
    "text": "VARCHAR",
    "word": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "time": "TIMESTAMP_MS",
    "day": "DATE",
    "bytes": "BLOB",
}
CLICKHOUSE = {
    "text": "String",
    "word": "String",
    "int": "Int64",
    "float": "Float64",
    "time": "DateTime64(3, 'UTC')",
    "day": "Date32",
    "bytes": "String",
}
CODECS = {
    "text": "ZSTD(3)",
    "int": "T64, ZSTD(1)",
    "float": "ZSTD(1)",
    "time": "DoubleDelta, ZSTD(1)",
    "bytes": "ZSTD(6)",
}


def duckdb(table: Table) -> str:
    """Without a primary key: its index would have to lie in memory, and what is there already is looked for."""
    columns = ", ".join(f"{quoted(c.name)} {DUCKDB[c.kind]}{'' if c.may_lack else ' NOT NULL'}" for c in table.columns)
    return f"CREATE TABLE IF NOT EXISTS {quoted(table.name)} ({columns})"


def clickhouse(table: Table, *, engine: str = "ReplacingMergeTree") -> str:
    """Rows of one key become one when parts are merged, and FINAL reads them as one before that."""
    columns = ",\n    ".join(f"{quoted(c.name)} {_clickhouse_type(c)}{_codec(c)}" for c in table.columns)
    by_month = f"\nPARTITION BY toYYYYMM({quoted(table.day)})" if table.day else ""
    key = ", ".join(map(quoted, table.key))
    made = f"CREATE TABLE IF NOT EXISTS {quoted(table.name)} (\n    {columns}\n)"
    return f"{made} ENGINE = {engine}{by_month}\nORDER BY ({key})"


def _clickhouse_type(column: Column) -> str:
    kind = CLICKHOUSE[column.kind]
    kind = f"Nullable({kind})" if column.may_lack else kind
    return f"LowCardinality({kind})" if column.kind == "word" else kind


def _codec(column: Column) -> str:
    return f" CODEC({CODECS[column.kind]})" if column.kind in CODECS else ""


def quoted(name: str) -> str:
    """A name of ours, as DuckDB and ClickHouse both take it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str, dialect: str) -> str:
    """Foreign text as a string of SQL: byte by byte where it is not plain."""
    if text.isascii() and text.isprintable() and not set(text) & {"'", "\\"}:
        return f"'{text}'"
    octets = f"unhex('{text.encode('utf-8', 'replace').hex()}')"
    return f"decode({octets})" if dialect == "duckdb" else octets
