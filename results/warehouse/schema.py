"""The warehouse's tables, written once as data: every engine's DDL, and every batch's columns, are made of this.

`verdicts` has one wide row for each measurement and version of its judgement; version 0 came with the measurement. A
control has a row too, without an outcome. `observations` has one wide row for each step. `blobs` holds certificates and
pages, each once a month. Nothing is ever updated: what is written twice is the same row, and is read once.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import msgspec

from results.db.columns import all_columns

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "word", "int", "float", "time", "day", "bytes"]
"""`word` is text of which few different ones recur."""
OF_SQLITE: dict[str, Kind] = {"INTEGER": "int", "REAL": "float", "TEXT": "text"}
LONG = frozenset({"id", "error", "dns_answers", "http_url", "http_headers", "http_body_sha256", "http_curve"})
"""Of the steps' columns those that hardly recur."""


class Column(msgspec.Struct, frozen=True):
    """One column; one that `may_lack` holds NULL for what did not happen."""

    name: str
    kind: Kind
    may_lack: bool = True


class Table(msgspec.Struct, frozen=True):
    """One table. `key` is what tells its rows apart, in the order in which they are kept; all of it is always there."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    day: str | None = "day"
    """The column by whose month it is partitioned."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def _must(name: str, kind: Kind) -> Column:
    return Column(name, kind, False)


PLACE = (
    _must("target", "word"),
    Column("service", "word"),
    _must("vantage", "word"),
    Column("country", "word"),
    Column("asn", "int"),
    Column("network_name", "word"),
    _must("path", "word"),
    _must("vantage_key", "int"),
)
"""What was measured, and whence. `vantage_key` is a hash of the five that make the vantage."""
VERDICTS = Table(
    "verdicts",
    (
        _must("id", "text"),
        _must("version", "int"),
        _must("day", "day"),
        _must("started_at", "time"),
        *PLACE,
        Column("control_of", "text"),
        Column("repeats", "text"),
        Column("round_id", "text"),
        Column("network", "word"),
        _must("scheme", "word"),
        _must("host", "word"),
        _must("port", "int"),
        Column("request_path", "word"),
        _must("required", "int"),
        _must("runtime_s", "float"),
        Column("context", "text"),
        Column("outcome", "word"),
        Column("method", "word"),
        Column("trigger", "word"),
        Column("confidence", "word"),
        Column("rules", "word"),
        Column("evidence", "text"),
        Column("control", "word"),
        Column("rules_version", "word"),
        Column("register", "word"),
        Column("listed", "int"),
        Column("listed_since", "word"),
        Column("as_of", "word"),
        Column("expectation", "text"),
        Column("agreement", "word"),
    ),
    ("target", "vantage_key", "started_at", "id", "version"),
)
"""`day` is that of the measurement, of a control that of the measurement it was made for, so that both lie together;
`listed_since` the instant at which the earliest entry lists the target, else the day."""
BLOBS = Table("blobs", (_must("sha256", "text"), _must("day", "day"), _must("content", "bytes")), ("sha256", "day"))
"""`day` is the first of a month."""
LOADS = Table(
    "loads",
    (
        _must("source", "text"),
        _must("number", "int"),
        _must("position", "int"),
        _must("mark", "text"),
        _must("measurements", "int"),
        _must("at", "time"),
    ),
    ("source", "number"),
    None,
)
"""How far each source was read; of a source the row with the highest number counts. `mark` tells whether it is still
the source that it was."""


@cache
def observations() -> Table:
    """The steps' table, whose columns behind the place are those of the records themselves."""
    own = tuple(_step_column(name, sql) for name, sql in all_columns().items())
    return Table(
        "observations",
        (_must("measurement", "text"), _must("place", "int"), _must("day", "day"), *PLACE, *own),
        ("target", "vantage_key", "measurement", "place"),
    )


def _step_column(name: str, sql: str) -> Column:
    if name == "started_at":
        return _must(name, "time")
    kind = OF_SQLITE[sql]
    word: Kind = "word" if kind == "text" and name not in LONG else kind
    return Column(name, word, name not in ("id", "step", "role", "hop"))


def tables() -> tuple[Table, ...]:
    """Every table, what others refer to last."""
    return (BLOBS, observations(), VERDICTS, LOADS)


def arrow_schema(table: Table) -> pa.Schema:
    """The columns of a batch, in order."""
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
    return pa.schema([pa.field(c.name, kinds[c.kind], nullable=c.may_lack) for c in table.columns])
