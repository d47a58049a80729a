"""What an engine has to be able to do, and which one a URL names. One file an engine."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from probe.text import replace_unprintable

if TYPE_CHECKING:
    import pyarrow as pa

    from results.warehouse.schema import Table

URLS = "duckdb:///FOLDER/FILE.duckdb, chdb:///FOLDER or clickhouse://USER@HOST:PORT/DATABASE"
EXTRA = "pip install 'reachprobe[{}]'"


class WarehouseError(ValueError):
    """A warehouse that cannot be used so; the message names it and the way out."""


class TooLong(WarehouseError):
    """A question that takes longer than was given for it."""


class Engine(Protocol):
    """One open warehouse, its tables made where there were none."""

    dialect: str
    """By which Ibis writes SQL for it."""

    def insert(self, table: Table, batch: pa.Table) -> None:
        """Keep these rows. Rows with a key that is there already change nothing that is read."""

    def ask(self, sql: str) -> pa.Table:
        """What a query gives; every row once, however often it was inserted."""

    def together(self) -> AbstractContextManager[None]:
        """What is inserted within is there altogether or not at all, where the engine has transactions."""

    def stored_bytes(self) -> dict[str, int]:
        """Table -> bytes on the disk, as far as the engine tells."""

    def close(self) -> None: ...


def open_engine(url: str, *, must_exist: bool = False) -> Engine:
    """The warehouse of a URL, made where there is none unless it must exist. WarehouseError says what is wrong."""
    kind = kind_of(url)
    try:
        if kind == "duckdb":
            from results.warehouse.duckdb_engine import DuckdbEngine

            return DuckdbEngine(_place(url), must_exist=must_exist)
        if kind == "chdb":
            from results.warehouse.chdb_engine import ChdbEngine

            return ChdbEngine(_place(url), must_exist=must_exist)
        if kind == "clickhouse":
            from results.warehouse.clickhouse_engine import ClickhouseEngine

            return ClickhouseEngine(url, must_exist=must_exist)
    except ModuleNotFoundError as error:
        extra = "chdb" if kind == "chdb" else "warehouse"
        raise WarehouseError(f"{kind}: {error.name} is not installed; {EXTRA.format(extra)}") from error
    raise WarehouseError(f"{hidden(url)!r} is no warehouse; give {URLS}")


def kind_of(url: str) -> str:
    """Which engine a URL names. WarehouseError where it is no URL."""
    try:
        return urlsplit(url).scheme
    except ValueError as error:
        raise WarehouseError(f"{hidden(url)!r}: {error}; give {URLS}") from error


def _place(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc or not parts.path.strip("/") or parts.query or parts.fragment:
        raise WarehouseError(f"{hidden(url)!r}: write three slashes before the path, as {parts.scheme}:///var/lib/NAME")
    return "/" + parts.path.lstrip("/")


def hidden(url: str) -> str:
    """The URL as it may be shown: without a password, on one bounded line."""
    before, at, after = url.rpartition("@")
    scheme, slashes, user = before.partition("://")
    shown = f"{scheme}{slashes}{user.partition(':')[0]}@{after}" if at else url
    return replace_unprintable(shown[:200])
