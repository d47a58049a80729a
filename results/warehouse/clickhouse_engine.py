"""A ClickHouse server or cluster, over its HTTP interface."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from results.warehouse import ddl
from results.warehouse.clickhouse_errors import READING, STORED, TOO_LONG, WRITING, code_of, refused
from results.warehouse.engine import TooLong, WarehouseError, hidden
from results.warehouse.schema import Table, tables

if TYPE_CHECKING:
    import pyarrow as pa

PORT, TLS_PORT = 8123, 8443
DATABASE = "reachprobe"
CONNECT_S, LONGEST_S = 10, 300
REPLICATED = "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')"
FORM = "give clickhouse://USER@HOST:PORT/DATABASE, with ?secure=1 for TLS"
# What it would log of a server that is away is said by us.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())


class ClickhouseEngine:
    """`clickhouse://USER:PASSWORD@HOST:PORT/DATABASE`; `?secure=1` for TLS, `?replicated=1` makes replicated tables.

    A batch is one insert of one table: a block of one month is there altogether or not at all. Where the tables are
    there, nothing is made, so that who may only read can ask. Threads may share it. A query takes no longer than
    `longest_s`, else TooLong.
    """

    dialect = "clickhouse"

    def __init__(
        self, url: str, *, must_exist: bool = False, longest_s: int = LONGEST_S, connect_s: int = CONNECT_S
    ) -> None:
        self._url = hidden(url)
        parts, options = self._read(url)
        database = unquote(parts.path.strip("/")) or DATABASE
        secure = options.get("secure", False)
        with self._in_words():
            # Without a session, which would be locked while it is asked, and known to one replica alone.
            self._client: Any = clickhouse_connect.get_client(
                host=parts.hostname,
                port=parts.port or (TLS_PORT if secure else PORT),
                username=unquote(parts.username or "default"),
                password=unquote(parts.password or ""),
                secure=secure,
                settings=READING | {"max_execution_time": longest_s},
                connect_timeout=connect_s,
                send_receive_timeout=longest_s + connect_s,
                autogenerate_session_id=False,
            )
        try:
            self._prepare(database, must_exist=must_exist, replicated=options.get("replicated", False))
        except BaseException:
            self.close()
            raise

    def insert(self, table: Table, batch: pa.Table) -> None:
        if batch.num_rows == 0:
            return
        with self._in_words():
            self._client.insert_arrow(table.name, batch, settings=WRITING)

    def ask(self, sql: str) -> pa.Table:
        with self._in_words():
            return self._client.query_arrow(sql, use_strings=True)

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def stored_bytes(self) -> dict[str, int]:
        return {row["table"]: row["bytes"] for row in self.ask(STORED).to_pylist()}

    def close(self) -> None:
        self._client.close()

    def _read(self, url: str) -> tuple[SplitResult, dict[str, bool]]:
        parts = urlsplit(url)
        options = {name: values[-1] == "1" for name, values in parse_qs(parts.query).items()}
        try:
            is_understood = bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_understood = False
        if options.keys() - {"secure", "replicated"} or not is_understood:
            raise WarehouseError(f"{self._url}: {FORM}")
        return parts, options

    def _prepare(self, database: str, *, must_exist: bool, replicated: bool) -> None:
        """Make what is not there yet, unless it must be there."""
        named = ddl.literal(database, self.dialect)
        known = self.ask(f"SELECT name FROM system.tables WHERE database = {named}").to_pylist()  # noqa: S608 a literal
        missing = [table for table in tables() if table.name not in {row["name"] for row in known}]
        if missing and must_exist:
            raise WarehouseError(f"{self._url}: there is no warehouse yet; `reachprobe warehouse load` makes it")
        there = self.ask(f"SELECT name FROM system.databases WHERE name = {named}").num_rows  # noqa: S608 a literal
        engine = REPLICATED if replicated else "ReplacingMergeTree"
        with self._in_words():
            if not there:
                self._client.command(f"CREATE DATABASE IF NOT EXISTS {ddl.quoted(database)}")
            self._client.database = database
            for table in missing:
                self._client.command(ddl.clickhouse(table, engine=engine))

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """What goes wrong on the way there, and what the server says."""
        try:
            yield
        except (ClickHouseError, OSError, ValueError, LookupError) as error:
            kind = TooLong if code_of(error) == TOO_LONG else WarehouseError
            raise kind(f"{self._url}: {refused(error)}") from error
