"""DuckDB: one file, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from probe.text import replace_unprintable
from results.warehouse import ddl
from results.warehouse.ddl import literal
from results.warehouse.engine import WarehouseError
from results.warehouse.schema import Table, tables

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY = "2GB"
SETTINGS = {
    "memory_limit": MEMORY,
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
    "preserve_insertion_order": "false",
}


class DuckdbEngine:
    """Each batch with its position is one transaction. One process writes at a time, which the file's lock sees to."""

    dialect = "duckdb"

    def __init__(self, place: str, *, must_exist: bool = False) -> None:
        self._path = Path(place)
        if must_exist and not self._path.exists():
            raise WarehouseError(f"{place}: there is no warehouse yet; `reachprobe warehouse load` makes it")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = duckdb.connect(place, config=dict(SETTINGS))
            for table in tables():
                self._connection.execute(ddl.duckdb(table))
        except (duckdb.Error, OSError) as error:
            raise WarehouseError(f"{place}: {_said(error)}") from error

    def insert(self, table: Table, batch: pa.Table) -> None:
        if batch.num_rows == 0:
            return
        self._connection.register("batch", batch)
        try:
            twice = self._connection.execute(_twice(table)).fetchone()
            self._connection.execute(_insert(table, once=twice is None))
        except duckdb.Error as error:
            raise WarehouseError(f"{self._path}: {_said(error)}") from error
        finally:
            self._connection.unregister("batch")

    def ask(self, sql: str) -> pa.Table:
        try:
            return self._connection.execute(sql).to_arrow_table()
        except duckdb.Error as error:
            raise WarehouseError(f"{self._path}: {_said(error)}") from error

    @contextmanager
    def together(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        try:
            self._connection.commit()
        except duckdb.Error as error:
            raise WarehouseError(f"{self._path}: {_said(error)}") from error

    def stored_bytes(self) -> dict[str, int]:
        """DuckDB tells blocks, not bytes, of a table: a block counts for each table that has a segment in it."""
        self._connection.execute("CHECKPOINT")
        size = self._connection.execute("PRAGMA database_size").fetchall()[0][2]
        found = {}
        for table in tables():
            segments = f"pragma_storage_info({literal(table.name, self.dialect)}) WHERE block_id >= 0"
            (blocks,) = self._connection.execute(f"SELECT count(DISTINCT block_id) FROM {segments}").fetchall()[0]  # noqa: S608
            found[table.name] = int(blocks) * int(size)
        return found

    def close(self) -> None:
        self._connection.close()


def _twice(table: Table) -> str:
    """Whether a batch holds a key twice, which is told much faster than it is mended."""
    key = ", ".join(map(ddl.quoted, table.key))
    return f"SELECT 1 FROM batch GROUP BY {key} HAVING count(*) > 1 LIMIT 1"  # noqa: S608 our own names


def _insert(table: Table, *, once: bool) -> str:
    """Rows whose key is there already stay out; row groups of other days are not looked at for it."""
    name, key = ddl.quoted(table.name), [ddl.quoted(column) for column in table.key]
    same = " AND ".join(f"t.{column} = b.{column}" for column in key)
    if table.day:
        day = ddl.quoted(table.day)
        same += f" AND t.{day} BETWEEN (SELECT min({day}) FROM batch) AND (SELECT max({day}) FROM batch)"  # noqa: S608
    rows = "batch" if once else f"(SELECT DISTINCT ON ({', '.join(key)}) * FROM batch)"  # noqa: S608
    return f"INSERT INTO {name} SELECT * FROM {rows} b WHERE NOT EXISTS (SELECT 1 FROM {name} t WHERE {same})"  # noqa: S608


def _said(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    if "Could not set lock" in text:
        return "another process has it open; wait for its end, or stop it"
    return replace_unprintable(text[:300])
