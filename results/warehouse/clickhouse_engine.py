"""A ClickHouse server or cluster, over its HTTP interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from results.warehouse import ddl
from results.warehouse.clickhouse_words import READING, STORED, said
from results.warehouse.engine import WarehouseError, hidden
from results.warehouse.schema import Table, tables

if TYPE_CHECKING:
    import pyarrow as pa

PORT, TLS_PORT = 8123, 8443
DATABASE = "reachprobe"
REPLICATED = "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')"


class ClickhouseEngine:
    """`clickhouse://USER:PASSWORD@HOST:PORT/DATABASE`; `?secure=1` for TLS, `?replicated=1` makes replicated tables.

    A batch is one insert of one table: a block of one month is there altogether or not at all.
    """

    dialect = "clickhouse"

    def __init__(self, url: str) -> None:
        self._url = hidden(url)
        parts = urlsplit(url)
        options = {name: values[-1] == "1" for name, values in parse_qs(parts.query).items()}
        unknown = sorted(options.keys() - {"secure", "replicated"})
        if unknown or not parts.hostname:
            raise WarehouseError(f"{self._url}: give clickhouse://USER@HOST:PORT/DATABASE, with ?secure=1 for TLS")
        secure = options.get("secure", False)
        database = unquote(parts.path.strip("/")) or DATABASE
        try:
            self._client: Any = clickhouse_connect.get_client(
                host=parts.hostname,
                port=parts.port or (TLS_PORT if secure else PORT),
                username=unquote(parts.username or "default"),
                password=unquote(parts.password or ""),
                secure=secure,
                settings=READING,
            )
            self._client.command(f"CREATE DATABASE IF NOT EXISTS {ddl.quoted(database)}")
            self._client.database = database
            engine = REPLICATED if options.get("replicated") else "ReplacingMergeTree"
            for table in tables():
                self._client.command(ddl.clickhouse(table, engine=engine))
        except (ClickHouseError, OSError, ValueError) as error:
            raise WarehouseError(f"{self._url}: {said(str(error))}; is the port its HTTP port?") from error

    def insert(self, table: Table, batch: pa.Table) -> None:
        if batch.num_rows == 0:
            return
        try:
            self._client.insert_arrow(table.name, batch)
        except (ClickHouseError, OSError) as error:
            raise WarehouseError(f"{self._url}: {said(str(error))}") from error

    def ask(self, sql: str) -> pa.Table:
        try:
            return self._client.query_arrow(sql, use_strings=True)
        except (ClickHouseError, OSError) as error:
            raise WarehouseError(f"{self._url}: {said(str(error))}") from error

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def stored_bytes(self) -> dict[str, int]:
        return {row["table"]: row["bytes"] for row in self.ask(STORED).to_pylist()}

    def close(self) -> None:
        self._client.close()
