"""DuckDB: one file, opened in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from probe.text import replace_unprintable
from results.warehouse.errors import WarehouseError, no_warehouse, open_elsewhere
from results.warehouse.schema import WarehouseTable, add_columns_ddl, all_tables, duckdb_ddl, quoted_name, sql_literal

if TYPE_CHECKING:
    import pyarrow as pa

SETTINGS = {
    "memory_limit": "2GB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
    "preserve_insertion_order": "false",
}


class DuckdbEngine:
    """An engine with transactions; the file's lock admits one writing process at a time."""

    dialect = "duckdb"

    def __init__(self, path: str, *, must_exist: bool = False) -> None:
        self._path = Path(path)
        if must_exist and not self._path.exists():
            raise WarehouseError(no_warehouse(path))
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The file and what DuckDB writes beside it are for their owner alone.
            os.umask(os.umask(0o077) | 0o077)
            self._connection = duckdb.connect(path, config=dict(SETTINGS))
            for table in all_tables():
                self._connection.execute(duckdb_ddl(table))
                columns = self._connection.execute(f"SELECT name FROM pragma_table_info('{table.name}')").fetchall()  # noqa: S608
                for statement in add_columns_ddl(table, {name for (name,) in columns}, self.dialect):
                    self._connection.execute(statement)
        except (duckdb.Error, OSError) as error:
            raise WarehouseError(f"{path}: {_error_text(error)}") from error

    def insert(self, table: WarehouseTable, batch: pa.Table) -> None:
        if batch.num_rows == 0:
            return
        self._connection.register("batch", batch)
        try:
            duplicate = self._connection.execute(_duplicates_sql(table)).fetchone()
            self._connection.execute(_insert_sql(table, unique=duplicate is None))
        except duckdb.Error as error:
            raise WarehouseError(f"{self._path}: {_error_text(error)}") from error
        finally:
            self._connection.unregister("batch")

    def query(self, sql: str) -> pa.Table:
        try:
            return self._connection.execute(sql).to_arrow_table()
        except duckdb.Error as error:
            raise WarehouseError(f"{self._path}: {_error_text(error)}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        try:
            self._connection.commit()
        except duckdb.Error as error:
            raise WarehouseError(f"{self._path}: {_error_text(error)}") from error

    def stored_bytes(self) -> dict[str, int]:
        """DuckDB reports blocks: a block counts for each table with a segment in it."""
        self._connection.execute("CHECKPOINT")
        size = self._connection.execute("PRAGMA database_size").fetchall()[0][2]
        sizes = {}
        for table in all_tables():
            segments = f"pragma_storage_info({sql_literal(table.name, self.dialect)}) WHERE block_id >= 0"
            (blocks,) = self._connection.execute(f"SELECT count(DISTINCT block_id) FROM {segments}").fetchall()[0]  # noqa: S608
            sizes[table.name] = int(blocks) * int(size)
        return sizes

    def close(self) -> None:
        self._connection.close()


def _duplicates_sql(table: WarehouseTable) -> str:
    """Find a key that a batch holds twice; checking is much faster than DISTINCT."""
    key = ", ".join(map(quoted_name, table.key))
    return f"SELECT 1 FROM batch GROUP BY {key} HAVING count(*) > 1 LIMIT 1"  # noqa: S608 our own names


def _insert_sql(table: WarehouseTable, *, unique: bool) -> str:
    """Insert rows with new keys; the day range lets DuckDB skip other row groups."""
    name, key = quoted_name(table.name), [quoted_name(column) for column in table.key]
    same = " AND ".join(f"t.{column} = b.{column}" for column in key)
    if table.day:
        day = quoted_name(table.day)
        same += f" AND t.{day} BETWEEN (SELECT min({day}) FROM batch) AND (SELECT max({day}) FROM batch)"  # noqa: S608
    rows = "batch" if unique else f"(SELECT DISTINCT ON ({', '.join(key)}) * FROM batch)"  # noqa: S608
    return f"INSERT INTO {name} BY NAME SELECT * FROM {rows} b WHERE NOT EXISTS (SELECT 1 FROM {name} t WHERE {same})"  # noqa: S608


def _error_text(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    if "Could not set lock" in text:
        return open_elsewhere()
    return replace_unprintable(text[:300])
