"""The hub's database: one thread writes what members upload, several answer queries, each for a limited time."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from probe.timestamps import rfc3339
from results.db import read, write
from results.db.jsonl import BadRecord
from results.db.migrations import Database
from results.db.store import Store, StoreError
from results.export.exchange import same
from results.hub.credentials import Member
from results.hub.limits import CLIENT, FairSlots, Overloaded, Places, RateLimits, TooManyRequests
from results.hub.request_body import ReceivedRecord
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.sql import statements

if TYPE_CHECKING:
    from results.db.store import Judge

SQL = statements(__file__)

T = TypeVar("T")
MAX_WAITING_RECORDS, MAX_WAITING_BYTES, MAX_ROOM_WAIT_S = 1000, 32 * 1024 * 1024, 30.0
RECORDS_PER_TRANSACTION = 500
"""About; all of them wait until the last is durable."""
THREADS, MAX_WAITING, MAX_WAITING_EACH = 2, 512, 64
TIMEOUT_S = 10.0
READ_S_PER_S, MAX_READ_S = 0.5, 120.0
"""Of one client."""
MAX_VALUE_BYTES = 32 * 1024 * 1024
BUSY_TIMEOUT_S = 10
INSTRUCTIONS_PER_CHECK = 20_000
"""Of SQLite's virtual machine, between two looks at the clock: about a millisecond."""


class RecordResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one record: `stored` and `known` are durable, `refused` has a reason."""

    line: int
    id: str | None = None
    status: Literal["stored", "known", "refused"]
    why: str | None = None


class QueryTimeout(Exception):
    """A query that took too long."""


class WarehouseUnavailable(Exception):
    """The shared warehouse cannot be reached now."""


class StoredBatch(NamedTuple):
    results: list[RecordResult]
    cpu_s: float
    """What judging and writing it took."""


class _QueuedBatch(NamedTuple):
    member: Member
    records: Sequence[tuple[int, ReceivedRecord]]
    done: Future[StoredBatch]


class Collector:
    """The only writer of uploads, in a thread and on a connection of its own."""

    def __init__(self, path: Path, judge_by: Callable[[Store], Judge]) -> None:
        self._queue: queue.SimpleQueue[_QueuedBatch | None] = queue.SimpleQueue()
        self.waiting = 0
        """How many records wait."""
        self._waiting_bytes = 0
        self._written = asyncio.Event()
        self._path, self._judge_by = path, judge_by
        self._thread = threading.Thread(target=self._work, name="collector", daemon=True)
        self._thread.start()

    async def wait_for_room(self) -> None:
        """Wait until few enough records and bytes wait to be written. Overloaded after MAX_ROOM_WAIT_S."""
        try:
            async with asyncio.timeout(MAX_ROOM_WAIT_S):
                while self.waiting >= MAX_WAITING_RECORDS or self._waiting_bytes >= MAX_WAITING_BYTES:
                    self._written.clear()
                    await self._written.wait()
        except TimeoutError as error:
            raise Overloaded from error

    async def store(
        self, member: Member, records: Sequence[tuple[int, ReceivedRecord]], plain_bytes: int = 0
    ) -> StoredBatch:
        """A result for each of a member's numbered records, once it is durable. StoreError where none can be stored."""
        if not self._thread.is_alive():
            raise StoreError("nothing can be stored: the writer has ended")
        batch = _QueuedBatch(member, records, Future())
        self.waiting += len(records)
        self._waiting_bytes += plain_bytes
        self._queue.put(batch)
        try:
            return await asyncio.shield(asyncio.wrap_future(batch.done))
        finally:
            self.waiting -= len(records)
            self._waiting_bytes -= plain_bytes
            self._written.set()

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        store = Store.open(self._path)
        try:
            store.db.execute("PRAGMA synchronous = FULL")  # what was acknowledged outlives a loss of power
            judge = self._judge_by(store)
            while (first := self._queue.get()) is not None:
                batches, is_last = self._with_more(first)
                self._store_all(store, judge, batches)
                if is_last:
                    return
        finally:
            store.close()

    def _with_more(self, first: _QueuedBatch) -> tuple[list[_QueuedBatch], bool]:
        """The batches for one transaction, and whether these are the last."""
        batches, count = [first], len(first.records)
        while count < RECORDS_PER_TRANSACTION:
            try:
                batch = self._queue.get_nowait()
            except queue.Empty:
                break
            if batch is None:
                return batches, True
            batches.append(batch)
            count += len(batch.records)
        return batches, False

    def _store_all(self, store: Store, judge: Judge, batches: Sequence[_QueuedBatch]) -> None:
        try:
            filing = Filing(store, judge, datetime.now(UTC))
            with store.writing():
                stored = [_file(filing, batch) for batch in batches]
        except Exception as error:  # the writer goes on whatever one transaction met
            why = error if isinstance(error, StoreError) else StoreError(f"{type(error).__name__}: {error}")
            for batch in batches:
                batch.done.set_exception(why)
            return
        for batch, of_batch in zip(batches, stored, strict=True):
            batch.done.set_result(of_batch)


def _file(filing: Filing, batch: _QueuedBatch) -> StoredBatch:
    began = time.thread_time()
    results = [filing.file(batch.member, *record) for record in batch.records]
    return StoredBatch(results, time.thread_time() - began)


class Filing:
    """Stores the records of one transaction, which the caller holds; each in a savepoint."""

    def __init__(self, store: Store, judge: Judge, now: datetime) -> None:
        self._db, self._judge, self._now = store.db, judge, rfc3339(now)
        self._ids = write.Ids()

    def file(self, member: Member, number: int, record: ReceivedRecord) -> RecordResult:
        if isinstance(record, BadRecord):
            return RecordResult(line=number, status="refused", why=str(record))
        judged, round_ = record
        name = judged.measurement.id
        self._db.execute("SAVEPOINT one")
        try:
            is_new = self._store(member, judged, round_)
        except (BadRecord, sqlite3.IntegrityError) as error:
            self._db.execute("ROLLBACK TO one")
            self._ids.forget()
            why = str(error) if isinstance(error, BadRecord) else f"contradicts stored data ({error})"
            return RecordResult(line=number, id=name, status="refused", why=why)
        finally:
            self._db.execute("RELEASE one")
        return RecordResult(line=number, id=name, status="stored" if is_new else "known")

    def _store(self, member: Member, judged: JudgedMeasurement, round_: RoundRecord | None) -> bool:
        """False where it is stored already."""
        db, name = self._db, judged.measurement.id
        if (owner := db.execute(SQL["FIND_OWNER"], [name]).fetchone()) is not None:
            if owner[0] != member.id or not same(read.finished(db, name), judged):
                raise BadRecord("another measurement has the id {id} already", id=name)
            return False
        for one in (judged.measurement, *judged.controls):
            if db.execute("SELECT 1 FROM measurements WHERE id = ?", [one.id]).fetchone():
                raise BadRecord("another measurement has the id {id} already", id=one.id)
        self._store_round(round_)
        rejudged = self._judge(judged)  # with the expectation of this hub's own registers, or none
        write.save(db, self._ids, [self._repeating_own(member, rejudged)])
        (number,) = db.execute("SELECT number FROM measurements WHERE id = ?", [name]).fetchone()
        db.execute("INSERT INTO received (measurement, member, at) VALUES (?, ?, ?)", [number, member.id, self._now])
        return True

    def _store_round(self, round_: RoundRecord | None) -> None:
        if round_ is None:
            return
        stored = read.round_of(self._db, round_.id)
        if stored is None:
            write.save_round(self._db, round_)
        elif stored != round_:
            raise BadRecord("its round differs from the stored round with that id")

    def _repeating_own(self, member: Member, judged: JudgedMeasurement) -> JudgedMeasurement:
        """Without `repeats` where that is not of the same member and target."""
        measurement = judged.measurement
        if measurement.repeats is None:
            return judged
        values = [measurement.repeats, member.id, measurement.target.text, measurement.id]
        if self._db.execute(SQL["FIND_REPEATED"], values).fetchone():
            return judged
        return msgspec.structs.replace(judged, measurement=msgspec.structs.replace(measurement, repeats=None))


class ReadPool:
    """Connections for reading while the collector writes; each query sees one state of the database."""

    def __init__(self, path: Path, threads: int = THREADS) -> None:
        self._address = f"file:{quote(str(path.resolve()))}?mode=ro"
        self._executor = ThreadPoolExecutor(threads, "reading")
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._slots = FairSlots(threads, 1, Places(MAX_WAITING_EACH, MAX_WAITING, "questions"))
        self._time = RateLimits(READ_S_PER_S, MAX_READ_S)

    async def run(self, query: Callable[[Database], T], timeout_s: float = TIMEOUT_S) -> T:
        """The result of `query`, which must fetch all rows. QueryTimeout, TooManyRequests or Overloaded.

        Clients take turns, and each may use READ_S_PER_S of a thread's time.
        """
        client = CLIENT.get()
        if wait := self._time.wait_s(client, 0.001):
            raise TooManyRequests(wait, "these questions take too much of the hub's time")
        answering = asyncio.ensure_future(self._run_in_turn(client, query, timeout_s))
        answering.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(answering)  # a client that goes away keeps its turn until the thread is free

    async def _run_in_turn(self, client: str, query: Callable[[Database], T], timeout_s: float) -> T:
        async with self._slots.slot(client):
            began = time.monotonic()
            try:
                return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, query, timeout_s)
            finally:
                self._time.spend(client, time.monotonic() - began)

    async def run_patiently(self, query: Callable[[Database], T]) -> T:
        """The same for a part of a download, which waits for time of its client's own."""
        while True:
            try:
                return await self.run(query)
            except TooManyRequests as error:
                await asyncio.sleep(error.wait_s)

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
