"""The interface of a warehouse engine, and the engine for a URL."""

from __future__ import annotations

from contextlib import AbstractContextManager
from gettext import gettext as _
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from results.warehouse.errors import WarehouseError, redacted_url

if TYPE_CHECKING:
    import pyarrow as pa

    from results.warehouse.schema import WarehouseTable

URL_FORMS = "duckdb:///FOLDER/FILE.duckdb, chdb:///FOLDER, clickhouse://USER@HOST:PORT/DATABASE"


class Engine(Protocol):
    """One open warehouse with its tables."""

    dialect: str
    """Name of the SQL dialect, as Ibis and sqlglot know it."""

    def insert(self, table: WarehouseTable, batch: pa.Table) -> None:
        """Store these rows; a row whose key is already stored changes no query result."""

    def query(self, sql: str) -> pa.Table:
        """The result of a query; each row counts once, however often it was inserted."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make inserts atomic if the engine has transactions."""

    def stored_bytes(self) -> dict[str, int]:
        """Bytes on disk by table."""

    def close(self) -> None: ...


def open_engine(url: str, *, must_exist: bool = False) -> Engine:
    """Open the warehouse at a URL; create it if missing, unless it `must_exist`. Raises WarehouseError."""
    kind = engine_kind(url)
    try:
        if kind == "duckdb":
            from results.warehouse.duckdb_engine import DuckdbEngine

            return DuckdbEngine(_local_path(url), must_exist=must_exist)
        if kind == "chdb":
            from results.warehouse.chdb_engine import ChdbEngine

            return ChdbEngine(_local_path(url), must_exist=must_exist)
        if kind == "clickhouse":
            from results.warehouse.clickhouse_engine import ClickhouseEngine

            return ClickhouseEngine(url, must_exist=must_exist)
    except ModuleNotFoundError as error:
        extra = "chdb" if kind == "chdb" else "warehouse"
        says = _("{kind}: {name} is not installed: pip install 'reachprobe[{extra}]'")
        raise WarehouseError(says.format(kind=kind, name=error.name, extra=extra)) from error
    raise WarehouseError(_("not a warehouse: {url}; give {forms}").format(url=redacted_url(url), forms=URL_FORMS))


def engine_kind(url: str) -> str:
    """The engine that a URL names. Raises WarehouseError for an invalid URL."""
    try:
        return urlsplit(url).scheme
    except ValueError as error:
        says = _("{url}: {error}; give {forms}")
        raise WarehouseError(says.format(url=redacted_url(url), error=error, forms=URL_FORMS)) from error


def _local_path(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc or not parts.path.strip("/") or parts.query or parts.fragment:
        says = _("{url}: write three slashes before the path, such as {scheme}:///var/lib/NAME")
        raise WarehouseError(says.format(url=redacted_url(url), scheme=parts.scheme))
    return "/" + parts.path.lstrip("/")
