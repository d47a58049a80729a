"""A ClickHouse server or cluster, reached over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from gettext import gettext as _
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from results.warehouse.errors import (
    TIMEOUT_CODE,
    WarehouseError,
    WarehouseTimeout,
    clickhouse_error_text,
    no_warehouse,
    redacted_url,
    server_code,
)
from results.warehouse.schema import (
    READ_SETTINGS,
    STORED_BYTES_SQL,
    WRITE_SETTINGS,
    WarehouseTable,
    add_columns_ddl,
    all_tables,
    clickhouse_ddl,
    quoted_name,
    sql_literal,
)

if TYPE_CHECKING:
    import pyarrow as pa

HTTP_PORT, TLS_PORT = 8123, 8443
DATABASE = "reachprobe"
CONNECT_TIMEOUT_S, QUERY_TIMEOUT_S = 10, 300
REPLICATED_ENGINE = "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')"
# Its errors are in our own messages already.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())


class ClickhouseEngine:
    """`clickhouse://USER:PASSWORD@HOST:PORT/DATABASE`; `?secure=1` for TLS, `?replicated=1` makes replicated tables.

    Inserts are atomic by table and month. Existing tables are not created again, so a read-only user can query.
    Threads may share it. A query that runs longer than `timeout_s` raises WarehouseTimeout.
    """

    dialect = "clickhouse"

    def __init__(
        self,
        url: str,
        *,
        must_exist: bool = False,
        timeout_s: int = QUERY_TIMEOUT_S,
        connect_timeout_s: int = CONNECT_TIMEOUT_S,
    ) -> None:
        self._url = redacted_url(url)
        parts, options = self._parse_url(url)
        database = unquote(parts.path.strip("/")) or DATABASE
        secure = options.get("secure", False)
        with self._mapped_errors():
            # A session would lock out other threads and is known to one replica only.
            self._client: Any = clickhouse_connect.get_client(
                host=parts.hostname,
                port=parts.port or (TLS_PORT if secure else HTTP_PORT),
                username=unquote(parts.username or "default"),
                password=unquote(parts.password or ""),
                secure=secure,
                settings=READ_SETTINGS | {"max_execution_time": timeout_s},
                connect_timeout=connect_timeout_s,
                send_receive_timeout=timeout_s + connect_timeout_s,
                autogenerate_session_id=False,
            )
        try:
            self._prepare(database, must_exist=must_exist, replicated=options.get("replicated", False))
        except BaseException:
            self.close()
            raise

    def insert(self, table: WarehouseTable, batch: pa.Table) -> None:
        if batch.num_rows == 0:
            return
        with self._mapped_errors():
            self._client.insert_arrow(table.name, batch, settings=WRITE_SETTINGS)

    def query(self, sql: str) -> pa.Table:
        with self._mapped_errors():
            return self._client.query_arrow(sql, use_strings=True)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def stored_bytes(self) -> dict[str, int]:
        return {row["table"]: row["bytes"] for row in self.query(STORED_BYTES_SQL).to_pylist()}

    def close(self) -> None:
        self._client.close()

    def _parse_url(self, url: str) -> tuple[SplitResult, dict[str, bool]]:
        parts = urlsplit(url)
        options = {name: values[-1] == "1" for name, values in parse_qs(parts.query).items()}
        try:
            is_valid = bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_valid = False
        if options.keys() - {"secure", "replicated"} or not is_valid:
            says = _("{url}: give clickhouse://USER@HOST:PORT/DATABASE, with ?secure=1 for TLS")
            raise WarehouseError(says.format(url=self._url))
        return parts, options

    def _prepare(self, database: str, *, must_exist: bool, replicated: bool) -> None:
        """Create missing tables and columns; raise WarehouseError if they `must_exist`."""
        literal = sql_literal(database, self.dialect)
        existing = self.query(f"SELECT name FROM system.tables WHERE database = {literal}").to_pylist()  # noqa: S608 a literal
        missing = [table for table in all_tables() if table.name not in {row["name"] for row in existing}]
        if missing and must_exist:
            raise WarehouseError(no_warehouse(self._url))
        has_database = self.query(f"SELECT name FROM system.databases WHERE name = {literal}").num_rows  # noqa: S608 a literal
        columns = self.query(f"SELECT table, name FROM system.columns WHERE database = {literal}").to_pylist()  # noqa: S608 a literal
        engine = REPLICATED_ENGINE if replicated else "ReplacingMergeTree"
        with self._mapped_errors():
            if not has_database:
                self._client.command(f"CREATE DATABASE IF NOT EXISTS {quoted_name(database)}")
            self._client.database = database
            for table in missing:
                self._client.command(clickhouse_ddl(table, engine=engine))
            for table in (table for table in all_tables() if table not in missing):
                existing_columns = [row["name"] for row in columns if row["table"] == table.name]
                for statement in add_columns_ddl(table, existing_columns, self.dialect):
                    self._client.command(statement)

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        """Raise connection and server errors as WarehouseError."""
        try:
            yield
        except (ClickHouseError, OSError, ValueError, LookupError) as error:
            kind = WarehouseTimeout if server_code(error) == TIMEOUT_CODE else WarehouseError
            raise kind(f"{self._url}: {clickhouse_error_text(error)}") from error
