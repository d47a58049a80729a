"""The notification queue: each change is stored once and kept until every recipient has received it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from results.sql import statements

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.db.store import Store

SQL = statements(__file__)


class PastVerdict(msgspec.Struct, frozen=True):
    """The verdict on a target at one measurement, and what the register said then."""

    id: str
    at: str
    """UTC, RFC 3339."""
    outcome: str
    method: str | None = None
    trigger: str | None = None
    confidence: str | None = None
    register: str | None = None
    listed: int | None = None
    """Whether that register listed it then, 0 or 1."""
    as_of: str | None = None
    """The register's version that was asked."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One notification: `key` identifies it, `what` is its kind, `at` when it happened.

    `facts` has its `event`, a key of the texts' table `notice`, and what that text shows.
    """

    key: str
    what: str
    at: str
    """UTC, RFC 3339, to the second."""
    facts: dict[str, str]
    number: int = 0
    """The database's own."""


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient: enrolled since, last delivery, consecutive failures, and the earliest time of the next try."""

    name: str
    since: str
    told_at: str | None = None
    failures: int = 0
    not_before: str | None = None


def recent_verdicts(db: Database, target: str, vantage: str, path: str, until: str, limit: int) -> list[PastVerdict]:
    """The verdicts on a target by one path of a vantage until `until`, newest first, on the network it was on last;
    a measurement and its immediate repeat count once."""
    values = {"target": target, "name": vantage, "path": path, "until": until, "limit": limit}
    return [PastVerdict(*row) for row in db.execute(SQL["RECENT_VERDICTS"], values)]


def enrol(store: Store, names: Collection[str], now: str) -> None:
    """Add new recipients, who get what happens from now on; remove all others and what waited for them."""
    known = {row[0] for row in store.db.execute("SELECT name FROM receivers")}
    if known == set(names):
        return
    with store.writing():
        for name in known - set(names):
            store.db.execute("DELETE FROM receivers WHERE name = ?", [name])
        for name in set(names) - known:
            store.db.execute("INSERT INTO receivers (name, since, failures) VALUES (?, ?, 0)", [name, now])


def queue(store: Store, notices: Iterable[Notice], wanted: Mapping[str, Collection[str]]) -> int:
    """Store new notices for every recipient that wants the kind and was enrolled by then; returns how many were new."""
    since = dict(store.db.execute("SELECT name, since FROM receivers").fetchall())
    new = 0
    with store.writing():
        for notice in notices:
            cursor = store.db.execute(
                "INSERT OR IGNORE INTO notices (key, what, at, said) VALUES (?, ?, ?, ?)",
                [notice.key, notice.what, notice.at, msgspec.json.encode(notice.facts).decode()],
            )
            if cursor.rowcount != 1:
                continue
            new += 1
            for name, kinds in wanted.items():
                if notice.what in kinds and name in since and since[name] <= notice.at:
                    store.db.execute("INSERT INTO untold VALUES (?, ?)", [name, cursor.lastrowid])
    return new


def known(db: Database, key: str) -> bool:
    """Whether a notice with this key was stored before."""
    return db.execute("SELECT 1 FROM notices WHERE key = ?", [key]).fetchone() is not None


def waiting(db: Database, receiver: str) -> list[Notice]:
    """The notices not yet delivered to a recipient, oldest first."""
    rows = db.execute(SQL["WAITING"], [receiver])
    return [Notice(number=row[0], key=row[1], what=row[2], at=row[3], facts=_facts(row[4])) for row in rows]


def _facts(stored: str) -> dict[str, str]:
    """What was stored of an event; earlier versions stored an English sentence."""
    try:
        return msgspec.json.decode(stored, type=dict[str, str])
    except msgspec.DecodeError:
        return {"event": "text", "text": stored}


def waiting_counts(db: Database) -> dict[str, int]:
    """Recipient -> number of waiting notices."""
    return dict(db.execute(SQL["WAITING_COUNTS"]).fetchall())


def receivers(db: Database) -> list[Receiver]:
    """Every recipient, by name."""
    rows = db.execute("SELECT name, since, told_at, failures, not_before FROM receivers ORDER BY name")
    names = Receiver.__struct_fields__
    return [Receiver(**dict(zip(names, row, strict=True))) for row in rows]


def claim(store: Store, receiver: Receiver, not_before: str) -> bool:
    """Count a try as failed before it begins, so that a crash loses no notice and two processes do not send the same;
    False if another was first."""
    with store.writing():
        values = [not_before, receiver.name, receiver.failures, receiver.not_before, receiver.told_at]
        return store.db.execute(SQL["CLAIM"], values).rowcount == 1


def mark_delivered(store: Store, receiver: str, notices: Iterable[Notice], now: str) -> None:
    """Record that these notices were delivered."""
    with store.writing():
        for notice in notices:
            store.db.execute("DELETE FROM untold WHERE receiver = ? AND notice = ?", [receiver, notice.number])
        store.db.execute(SQL["DELIVERED"], [now, receiver])


def forget(store: Store, before: str) -> int:
    """Delete notices older than `before`; returns how many of them were never delivered."""
    if store.db.execute("SELECT 1 FROM notices WHERE at < ? LIMIT 1", [before]).fetchone() is None:
        return 0
    lost = int(store.db.execute(SQL["LOST"], [before]).fetchone()[0])
    with store.writing():
        store.db.execute("DELETE FROM notices WHERE at < ?", [before])
    return lost
