"""The database: measurements, observations and verdicts in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from gettext import gettext as _
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from probe.model import Measurement, Target, Vantage
from probe.timestamps import rfc3339
from results.db import read, write
from results.db.connect import StoreError as StoreError
from results.db.connect import connect
from results.db.connect import explained as explained
from results.judge.judged import JudgedMeasurement, RoundRecord, Spent
from results.judge.verdict import Context, Earlier, Rate
from results.sql import statements

if TYPE_CHECKING:
    from sqlite_utils import Database

SQL = statements(__file__)
SHORTEST_PREFIX = 4
UNSTORABLE = (OverflowError, UnicodeError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
"""The errors for a value that the database cannot hold: a bug or unexpected input."""
LOOKED_BACK, REMEMBERED = 1000, 12
ENDS_A_SERIES = ("reachable", "denied", "down")

Judge = Callable[[JudgedMeasurement], JudgedMeasurement]
"""A finished measurement judged again: the same measurement, controls and context, a new verdict."""


class Store:
    """One open database. `open` makes it, brings an older one up to date, and refuses a newer one."""

    def __init__(self, db: Database, path: Path) -> None:
        self.db = db
        self.path = path
        self._ids = write.Ids()

    @classmethod
    def open(cls, path: Path, *, must_exist: bool = False) -> Store:
        """Open the database at `path`, or make it. StoreError for one that is newer, damaged or locked."""
        if must_exist and not path.exists():
            says = _("{path}: no database yet; `reachprobe check` or `run` creates it; --db selects another")
            raise StoreError(says.format(path=path))
        with explained(path):
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                says = _("{path}: {error}; choose another with --db")
                raise StoreError(says.format(path=path.parent, error=error.strerror)) from error
            return cls(connect(path), path)

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def save_round(self, round_: RoundRecord, *, network_key: str | None = None, spent: Spent | None = None) -> None:
        """Store a round; `network_key` identifies its network among those of this machine."""
        with self.writing():
            write.save_round(self.db, round_, network_key)
            write.spend(self.db, spent)

    def save(self, records: Iterable[JudgedMeasurement], *, spent: Spent | None = None) -> list[JudgedMeasurement]:
        """Store records and their traffic in one transaction, and return what was stored.

        A record that holds what the database cannot is stored without its observations, with an internal error.
        """
        batch = list(records)
        try:
            self._save(batch, spent)
        except UNSTORABLE:
            batch = [self._save_one(record) for record in batch]
            with self.writing():
                write.spend(self.db, spent)
        return batch

    def _save(self, batch: list[JudgedMeasurement], spent: Spent | None) -> None:
        with self._saving(spent):
            write.save(self.db, self._ids, batch)

    def _save_one(self, record: JudgedMeasurement) -> JudgedMeasurement:
        try:
            with self._saving(None):
                write.save(self.db, self._ids, [record])
        except UNSTORABLE as bug:
            from results.judge.classify import unjudged

            lost = msgspec.structs.replace(record.measurement, observations=())
            record = unjudged(lost, record.context, bug, record.round_id)
            self._save([record], None)
        return record

    def repeated(self, first: JudgedMeasurement, again: JudgedMeasurement, *, spent: Spent | None = None) -> None:
        """Store the repeat of a stored measurement, and the first one's new context and verdict, in one transaction."""
        with self._saving(spent):
            write.save(self.db, self._ids, [again])
            write.save_context(self.db, first)
            write.save_verdicts(self.db, [first])

    @contextmanager
    def _saving(self, spent: Spent | None) -> Iterator[None]:
        try:
            with self.writing():
                yield
                write.spend(self.db, spent)
        except BaseException:
            self._ids.forget()
            raise

    def find(self, prefix: str) -> str:
        """The one measurement whose id begins so. StoreError where there is none, or more than one."""
        if len(prefix) < SHORTEST_PREFIX:
            says = _("{id}: give at least the first {count} characters of the id")
            raise StoreError(says.format(id=repr(prefix), count=SHORTEST_PREFIX))
        found = self._beginning(prefix)
        if not found:
            says = _("no measurement {id} in {path}; see `reachprobe results list`")
            raise StoreError(says.format(id=repr(prefix), path=self.path))
        if len(found) > 1:
            says = _("{id} matches several ids: {ids}")
            raise StoreError(says.format(id=repr(prefix), ids=", ".join(found)))
        return found[0]

    def short(self, measurement_id: str) -> str:
        """The shortest beginning of an id that names no other measurement."""
        prefixes = (measurement_id[:length] for length in range(SHORTEST_PREFIX, len(measurement_id)))
        return next((prefix for prefix in prefixes if len(self._beginning(prefix)) < 2), measurement_id)

    def _beginning(self, prefix: str) -> list[str]:
        """Ids that begin so, at most three; controls are found by what they control."""
        rows = self.db.execute(
            "SELECT id FROM measurements WHERE id >= ? AND id < ? AND control_of IS NULL ORDER BY id LIMIT 3",
            [prefix, prefix + "\U0010ffff"],
        )
        return [row[0] for row in rows.fetchall()]

    def measurement(self, id_prefix: str) -> Measurement:
        return read.measurement(self.db, self.find(id_prefix))

    def finished(self, id_prefix: str) -> JudgedMeasurement:
        """A measurement with its controls, context and current verdict."""
        return read.finished(self.db, self.find(id_prefix))

    def rows(self, limit: int | None = None, repeated: bool = True, **filters: str | None) -> Iterator[dict[str, Any]]:
        """The rows of `results list --json`, newest first: see `loading.rows` for the filters."""
        return read.rows(self.db, limit=limit, repeated=repeated, oldest_first=False, **filters)

    def latest_outcome(
        self, target: Target, vantage: Vantage, before: str, *, network: str | None = None
    ) -> str | None:
        """The last outcome of `target` on this network and path, before a UTC time."""
        values = [network, *msgspec.structs.astuple(vantage), target.text, before, None, 1]
        row = self.db.execute(SQL["HISTORY"], values).fetchone()
        return row[1] if row else None

    def history(
        self,
        target: Target,
        vantage: Vantage,
        before: str,
        *,
        apart_from: str | None = None,
        network: str | None = None,
    ) -> tuple[Earlier, ...]:
        """How `target` failed on this network and path since it was last reachable, before a UTC time, oldest first.

        At most the REMEMBERED newest are returned, and the oldest of an unbroken run of the same method. A measurement
        that was repeated immediately is left out.
        """
        values = [network, *msgspec.structs.astuple(vantage), target.text, before, apart_from, LOOKED_BACK]
        rows = self.db.execute(SQL["HISTORY"], values)
        since = takewhile(lambda row: row[1] != "reachable", rows)
        return _remembered([Earlier(at=at, method=failed_by) for at, _, failed_by in since if failed_by is not None])

    def recorded_failures(self, target: str, vantage: Vantage, before: str) -> tuple[Earlier, ...]:
        """How a target failed on this network in other programs' records while a control got through, oldest first.

        A record in which it was reachable, or failed for the control too, begins the series anew.
        """
        rows = self.db.execute(SQL["RECORDED"], [target, vantage.name, vantage.path, before, LOOKED_BACK])
        since = takewhile(lambda row: row[1] not in ENDS_A_SERIES, rows)
        return _remembered([Earlier(at=at, method=method) for at, outcome, method in since if outcome == "blocked"])

    def judge_series(self, target: str, vantage: Vantage, after: str, judge: Judge) -> None:
        """Judge the recorded blocks after a UTC time again where what was recorded before them has changed."""
        values = [target, vantage.name, vantage.path, after]
        changed: list[str] = []
        for measurement_id, at, context in self.db.execute(SQL["RECORDED_BLOCKS"], values).fetchall():
            known = msgspec.json.decode(context, type=Context).earlier
            if known != self.recorded_failures(target, vantage, at):
                changed.append(measurement_id)
        for _changed in self._judge_again(changed, lambda old: judge(self.in_series(old))):
            pass

    def in_series(self, recorded: JudgedMeasurement) -> JudgedMeasurement:
        """A recorded measurement with its context's earlier failures as they now are."""
        measurement = recorded.measurement
        earlier = self.recorded_failures(measurement.target.text, measurement.vantage, measurement.started_at)
        context = msgspec.structs.replace(recorded.context, earlier=earlier)
        return msgspec.structs.replace(recorded, context=context)

    def rates(
        self,
        target: Target,
        vantage: Vantage,
        before: str,
        *,
        apart_from: str | None = None,
        network: str | None = None,
    ) -> tuple[Rate, ...]:
        """The run of slow answers that ends with the last measurement of `target`, at most the REMEMBERED newest."""
        values = [network, *msgspec.structs.astuple(vantage), target.text, before, apart_from, 1]
        row = self.db.execute(SQL["RATES"], values).fetchone()
        return msgspec.json.decode(row[0] or "{}", type=Context).rates[-REMEMBERED:] if row else ()

    def reclassify(self, judge: Judge) -> Iterator[tuple[JudgedMeasurement, JudgedMeasurement]]:
        """Judge every stored measurement again; yields those whose conclusion or agreement changed, old and new.

        The judge's context is stored, and changes are recorded as corrections.
        """
        judged = "SELECT m.id FROM measurements m JOIN verdicts v ON v.measurement = m.number ORDER BY m.number"
        yield from self._judge_again([row[0] for row in self.db.execute(judged)], judge)

    def _judge_again(self, ids: Sequence[str], judge: Judge) -> Iterator[tuple[JudgedMeasurement, JudgedMeasurement]]:
        at = rfc3339(datetime.now(UTC))
        for start in range(0, len(ids), 200):
            changed: list[tuple[JudgedMeasurement, JudgedMeasurement]] = []
            with self.writing():
                for measurement_id in ids[start : start + 200]:
                    old = read.finished(self.db, measurement_id)
                    new = judge(old)
                    if new.context != old.context:
                        write.save_context(self.db, new)
                    if new != msgspec.structs.replace(old, context=new.context):
                        write.save_verdicts(self.db, [new])
                        write.save_correction(self.db, old, new, at)
                    if _conclusion(new) != _conclusion(old):
                        changed.append((old, new))
            yield from changed

    def judged_with_others(self, fingerprints: str | None) -> int:
        """How many verdicts were made with other published fingerprints than those of this digest."""
        query = """SELECT count(*) FROM measurements m JOIN verdicts v ON v.measurement = m.number
            WHERE json_extract(m.context, '$.fingerprints') IS NOT ?"""
        return int(self.db.execute(query, [fingerprints]).fetchone()[0])

    def consent(self) -> int | None:
        """The newest version of the text that was consented to; None without consent."""
        version: int | None = self.db.execute("SELECT max(text_version) FROM consents").fetchone()[0]
        return version

    def forget_ids(self) -> None:
        """After rows were deleted: ids are looked up again."""
        self._ids.forget()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that locks before it reads, so that another writer makes it wait, not fail."""
        with explained(self.path):
            self.db.conn.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.db.conn.rollback()
                raise
            self.db.conn.commit()

    def record_consent(self, text_version: int, given_at: str, language: str | None = None) -> None:
        """`language` is that of the text that was shown."""
        row = [given_at, text_version, language]
        with self.writing():
            self.db.execute("INSERT INTO consents (given_at, text_version, language) VALUES (?, ?, ?)", row)


def _conclusion(record: JudgedMeasurement) -> tuple[object, ...]:
    """What a change of is a change for the reader, unlike other evidence or another version of the rules."""
    verdict = record.verdict
    return verdict.outcome, verdict.method, verdict.trigger, verdict.confidence, verdict.rules, record.agreement


class Pause(msgspec.Struct, frozen=True):
    """`until` is UTC, RFC 3339; None: until it is ended."""

    until: str | None


def pause(store: Store, until: str | None) -> None:
    """Begin a pause, in place of any before."""
    with store.writing():
        store.db.execute("INSERT OR REPLACE INTO pauses (id, until) VALUES (1, ?)", [until])


def resume(store: Store, now: str) -> bool:
    """End the pause; whether there was one at `now`."""
    was = paused(store.db, now) is not None
    with store.writing():
        store.db.execute("DELETE FROM pauses")
    return was


def paused(db: Database, now: str) -> Pause | None:
    """The pause in force at `now` (UTC, RFC 3339), None where there is none."""
    row = db.execute("SELECT until FROM pauses WHERE until IS NULL OR until > ?", [now]).fetchone()
    return Pause(row[0]) if row else None


def _remembered(found: list[Earlier]) -> tuple[Earlier, ...]:
    """The REMEMBERED newest of the failures given newest first, and the oldest of an unbroken run; oldest first."""
    newest, rest = found[:REMEMBERED], found[REMEMBERED:]
    run = list(takewhile(lambda earlier: earlier.method == newest[-1].method, rest))
    return tuple(reversed([*newest, *run[-1:]]))
