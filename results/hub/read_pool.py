"""Runs read-only queries on the hub's database in threads, each for a limited time."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from results.db.sqlite_utils_shim import Database
from results.hub.collector import Overloaded

T = TypeVar("T")
THREADS, MAX_WAITING = 2, 64
TIMEOUT_S = 10.0
MAX_VALUE_BYTES = 32 * 1024 * 1024
BUSY_TIMEOUT_S = 10
INSTRUCTIONS_PER_CHECK = 20_000
"""Of SQLite's virtual machine, between two looks at the clock: about a millisecond."""


class QueryTimeout(Exception):
    """A query that took too long."""


class WarehouseUnavailable(Exception):
    """The shared warehouse cannot be reached now."""


class ReadPool:
    """Connections for reading while the collector writes; each query sees one state of the database."""

    def __init__(self, path: Path, threads: int = THREADS) -> None:
        self._address = f"file:{quote(str(path.resolve()))}?mode=ro"
        self._executor = ThreadPoolExecutor(threads, "reading")
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._waiting = 0

    async def run(self, query: Callable[[Database], T], timeout_s: float = TIMEOUT_S) -> T:
        """The result of `query`, which must fetch all rows. QueryTimeout or Overloaded."""
        if self._waiting >= MAX_WAITING:
            raise Overloaded
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, query, timeout_s)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._executor.shutdown()
        for connection in self._open:
            connection.close()
        self._open.clear()

    def _run(self, query: Callable[[Database], T], timeout_s: float) -> T:
        db: Database | None = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = self._connect()
        until = time.monotonic() + timeout_s
        db.conn.set_progress_handler(lambda: time.monotonic() > until, INSTRUCTIONS_PER_CHECK)
        try:
            return query(db)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise QueryTimeout from error
            raise
        finally:
            db.conn.set_progress_handler(None, 0)
            db.conn.rollback()

    def _connect(self) -> Database:
        connection = sqlite3.connect(self._address, uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
        connection.execute("PRAGMA query_only = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        self._open.append(connection)
        return Database(connection)
