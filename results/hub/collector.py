"""Keeps what members send: one writer, many batches in one transaction, and no answer before it is on the disk."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from probe.timestamps import rfc3339
from results.db import read, write
from results.db.jsonl import BadRecord
from results.db.store import Store, StoreError
from results.export.exchange import same, with_expectation_of
from results.hub.membership import Member
from results.judge.judged import JudgedMeasurement, RoundRecord

if TYPE_CHECKING:
    from pathlib import Path

    from sqlite_utils import Database

    from results.db.store import Judge

MOST_WAITING = 4000
"""Records that may wait for the writer; with more of them it is busy, and says so."""
AT_ONCE = 1000
"""Records in one transaction, about."""

Record = tuple[JudgedMeasurement, RoundRecord | None] | BadRecord


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one record: `stored` and `known` are durable, `refused` says why."""

    line: int
    id: str | None = None
    status: Literal["stored", "known", "refused"]
    why: str | None = None


class Busy(Exception):
    """More waits than can be written soon."""


class _Batch(msgspec.Struct):
    member: Member
    records: Sequence[tuple[int, Record]]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[list[Answer]]


class Collector:
    """The only writer of what is received. It works in a thread of its own, on a connection of its own."""

    def __init__(self, path: Path, judge_by: Callable[[Store], Judge]) -> None:
        self._waiting: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._count = 0
        self._path, self._judge_by = path, judge_by
        self._thread = threading.Thread(target=self._work, name="collector", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return self._count

    def ensure_room(self) -> None:
        """Busy where enough waits already; asked before a batch is read, which is work as well."""
        if self._count >= MOST_WAITING:
            raise Busy

    async def keep(self, member: Member, records: Sequence[tuple[int, Record]]) -> list[Answer]:
        """A member's numbered records: what became of each, once that is durable. StoreError where nothing can be."""
        if not self._thread.is_alive():
            raise StoreError("nothing can be stored: the writer has ended")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[Answer]] = loop.create_future()
        self._count += len(records)
        self._waiting.put(_Batch(member, records, loop, done))
        try:
            return await asyncio.shield(done)
        finally:
            self._count -= len(records)

    def close(self) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        store = Store.open(self._path)
        try:
            store.db.execute("PRAGMA synchronous = FULL")  # what was acknowledged outlives a loss of power
            judge = self._judge_by(store)
            while (first := self._waiting.get()) is not None:
                batches, last = self._more(first)
                self._keep_all(store, judge, batches)
                if last:
                    return
        finally:
            store.close()

    def _more(self, first: _Batch) -> tuple[list[_Batch], bool]:
        """What else waits, up to what goes into one transaction; and whether this is the end."""
        batches, count = [first], len(first.records)
        while count < AT_ONCE:
            try:
                batch = self._waiting.get_nowait()
            except queue.Empty:
                break
            if batch is None:
                return batches, True
            batches.append(batch)
            count += len(batch.records)
        return batches, False

    def _keep_all(self, store: Store, judge: Judge, batches: Sequence[_Batch]) -> None:
        try:
            filing = Filing(store, judge, datetime.now(UTC))
            with store.writing():
                answers = [
                    [filing.file(batch.member, number, record) for number, record in batch.records] for batch in batches
                ]
        except Exception as error:  # the writer goes on whatever one transaction met
            why = error if isinstance(error, StoreError) else StoreError(f"{type(error).__name__}: {error}")
            for batch in batches:
                _tell(batch, None, why)
            return
        for batch, given in zip(batches, answers, strict=True):
            _tell(batch, given, None)


class Filing:
    """One transaction's worth of records, each in a savepoint of its own. The caller holds the transaction."""

    def __init__(self, store: Store, judge: Judge, now: datetime) -> None:
        self._db, self._judge, self._now = store.db, judge, rfc3339(now)
        self._ids = write.Ids()

    def file(self, member: Member, number: int, record: Record) -> Answer:
        if isinstance(record, BadRecord):
            return Answer(line=number, status="refused", why=str(record))
        finished, round_ = record
        name = finished.measurement.id
        self._db.execute("SAVEPOINT one")
        try:
            new = self._keep(member, finished, round_)
        except (BadRecord, sqlite3.IntegrityError) as error:
            self._db.execute("ROLLBACK TO one")
            self._ids.forget()
            why = str(error) if isinstance(error, BadRecord) else f"it contradicts what is stored already ({error})"
            return Answer(line=number, id=name, status="refused", why=why)
        finally:
            self._db.execute("RELEASE one")
        return Answer(line=number, id=name, status="stored" if new else "known")

    def _keep(self, member: Member, finished: JudgedMeasurement, round_: RoundRecord | None) -> bool:
        """True where it is new."""
        db, name = self._db, finished.measurement.id
        if (owner := _owner(db, name)) is not None:
            if owner != member.id or not same(read.finished(db, name), finished):
                raise BadRecord("another measurement has this id already")
            return False
        for one in (finished.measurement, *finished.controls):
            if db.execute("SELECT 1 FROM measurements WHERE id = ?", [one.id]).fetchone():
                raise BadRecord(f"another measurement has the id {one.id} already")
        self._keep_round(member, round_)
        judged = with_expectation_of(finished, self._judge(finished))
        write.save(db, self._ids, [self._repeating_its_own(member, judged)])
        (number,) = db.execute("SELECT number FROM measurements WHERE id = ?", [name]).fetchone()
        db.execute("INSERT INTO received (measurement, member, at) VALUES (?, ?, ?)", [number, member.id, self._now])
        return True

    def _keep_round(self, member: Member, round_: RoundRecord | None) -> None:
        """A round is one member's, and says one thing."""
        if round_ is None:
            return
        there = read.round_of(self._db, round_.id)
        if there is None:
            write.save_round(self._db, round_)
        elif there != round_:
            raise BadRecord("its round is not what was said of that round before")

    def _repeating_its_own(self, member: Member, finished: JudgedMeasurement) -> JudgedMeasurement:
        """A measurement repeats one of the same member's and of the same target, else it repeats nothing."""
        measurement = finished.measurement
        first = measurement.repeats
        if first is None:
            return finished
        query = (
            "SELECT 1 FROM measurements m JOIN received r ON r.measurement = m.number "
            "JOIN targets t ON t.id = m.target_id WHERE m.id = ? AND r.member = ? AND t.text = ? AND m.id <> ?"
        )
        if self._db.execute(query, [first, member.id, measurement.target.text, measurement.id]).fetchone():
            return finished
        return msgspec.structs.replace(finished, measurement=msgspec.structs.replace(measurement, repeats=None))


def _owner(db: Database, measurement_id: str) -> int | None:
    """Which member sent a measurement, 0 where none did; None where it is not there, and for a control."""
    row = db.execute(
        "SELECT ifnull(r.member, 0) FROM measurements m LEFT JOIN received r ON r.measurement = m.number "
        "WHERE m.id = ? AND m.control_of IS NULL",
        [measurement_id],
    ).fetchone()
    return int(row[0]) if row else None


def _tell(batch: _Batch, answers: list[Answer] | None, why: Exception | None) -> None:
    def tell() -> None:
        if batch.done.done():
            return
        if why is not None:
            batch.done.set_exception(why)
        else:
            batch.done.set_result(answers or [])

    try:
        batch.loop.call_soon_threadsafe(tell)
    except RuntimeError:
        pass  # nobody is there any more to hear it
