"""Reads a hub's database for those who ask: in threads of its own, read only, and each question for a limited time."""

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
from results.hub.collector import Busy

T = TypeVar("T")
THREADS, MOST_WAITING = 2, 64
LONGEST_S = 10.0
LONGEST_VALUE = 32 * 1024 * 1024
BUSY_TIMEOUT_S = 10
INSTRUCTIONS = 20_000
"""Of SQLite's, between two looks at the clock: a millisecond or so."""


class TooSlow(Exception):
    """A question that takes longer to answer than anybody waits."""


class Away(Exception):
    """What is asked elsewhere than in this database, and cannot be reached now."""


class Reading:
    """Answers questions about the database. The collector writes meanwhile; each question sees one state of it."""

    def __init__(self, path: Path, threads: int = THREADS) -> None:
        self._address = f"file:{quote(str(path.resolve()))}?mode=ro"
        self._threads = ThreadPoolExecutor(threads, "reading")
        self._own = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._waiting = 0

    async def ask(self, question: Callable[[Database], T], longest_s: float = LONGEST_S) -> T:
        """What `question` finds; it runs in another thread. Raises TooSlow after `longest_s` in the database, or Busy.

        It must fetch what it returns: the connection is another's afterwards.
        """
        if self._waiting >= MOST_WAITING:
            raise Busy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, question, longest_s)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown()
        for connection in self._open:
            connection.close()
        self._open.clear()

    def _answer(self, question: Callable[[Database], T], longest_s: float) -> T:
        db: Database | None = getattr(self._own, "db", None)
        if db is None:
            db = self._own.db = self._connect()
        until = time.monotonic() + longest_s
        db.conn.set_progress_handler(lambda: time.monotonic() > until, INSTRUCTIONS)
        try:
            return question(db)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise TooSlow from error
            raise
        finally:
            db.conn.set_progress_handler(None, 0)
            db.conn.rollback()

    def _connect(self) -> Database:
        connection = sqlite3.connect(self._address, uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
        connection.execute("PRAGMA query_only = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        self._open.append(connection)
        return Database(connection)
