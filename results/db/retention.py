"""Retention: deletes old measurements, and the oldest beyond a size limit; checks for a full disk.

Registers, consent and fingerprints are never touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from probe.timestamps import rfc3339
from results.db.columns import columns_of_kind
from results.db.store import Store, StoreError, explained
from results.sql import statements

if TYPE_CHECKING:
    from sqlite_utils import Database

SQL = statements(__file__)

BATCH = 500
NEEDED_BYTES = 16 * 1024 * 1024
"""What must be free on the disk before a round begins."""
ALWAYS_KEPT_DAYS = 7
EMPTY_SHARE = 0.25
"""From which share of empty pages on the file is written anew."""


class PruneResult(msgspec.Struct, frozen=True):
    """How many measurements were deleted for their age and for the size limit, and the file's size after it."""

    old: int
    above_limit: int
    bytes: int


def ensure_room(database: Path) -> None:
    """StoreError where the disk is so full that a round's measurements might not find room."""
    free = shutil.disk_usage(database.parent if database.parent.exists() else "/").free
    if free < NEEDED_BYTES:
        says = _("{folder}: the disk is full ({size} MB free), not measuring; free some space; no stored data was lost")
        raise StoreError(says.format(folder=database.parent, size=f"{free / 1e6:.1f}"))


def cutoff(keep_days: int, now: datetime) -> str:
    """The moment before which measurements are too old (UTC, RFC 3339)."""
    try:
        return rfc3339(now - timedelta(days=keep_days), "seconds")
    except OverflowError:
        return "0001"


def count_old(db: Database, before: str, vantage: str | None = None) -> int:
    """How many measurements are older, without their controls; of every vantage, or of one."""
    return len(db.execute(SQL["OLDEST"], [before, vantage, vantage, -1]).fetchall())


def used_bytes(db: Database) -> int:
    """What the database holds, without its empty pages."""
    pages, empty, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - empty) * size)


def prune(
    store: Store, *, keep_days: int, now: datetime, max_bytes: int | None = None, vantage: str | None = None
) -> PruneResult:
    """Delete what is older than `keep_days`, then the oldest until no more than `max_bytes` are used, of every vantage
    or one, in small transactions. The limit never takes the last week. The caller holds the lock."""
    old, above = sum(_delete(store, cutoff(keep_days, now), vantage, BATCH)), 0
    if old:
        _drop_unused(store)
    if max_bytes is not None and used_bytes(store.db) > max_bytes:
        recent = cutoff(ALWAYS_KEPT_DAYS, now)
        step = max(BATCH, count_old(store.db, recent, vantage) // 20)
        for deleted in _delete(store, recent, vantage, step):
            above += deleted
            _drop_unused(store)
            if used_bytes(store.db) <= max_bytes:
                break
    if old or above:
        _give_back(store)
    return PruneResult(old, above, used_bytes(store.db))


def tidy(store: Store, *, keep_days: int, max_bytes: int | None, now: datetime, vantage: str) -> PruneResult | None:
    """Prune this machine's own measurements, never imported ones, about once a day; None if nothing was due."""
    overdue = store.db.execute(SQL["OLDEST"], [cutoff(keep_days + 1, now), vantage, vantage, 1]).fetchone()
    if overdue is None and (max_bytes is None or used_bytes(store.db) <= max_bytes):
        return None
    return prune(store, keep_days=keep_days, max_bytes=max_bytes, now=now, vantage=vantage)


def _delete(store: Store, before: str, vantage: str | None, batch: int) -> Iterator[int]:
    """Delete older measurements, oldest first, in batches; yields the size of each batch."""
    while True:
        with store.writing():
            numbers = store.db.execute(SQL["OLDEST"], [before, vantage, vantage, batch]).fetchall()
            # Controls, observations and verdicts go with their measurement.
            store.db.conn.executemany("DELETE FROM measurements WHERE number = ?", numbers)
        if not numbers:
            return
        yield len(numbers)


def _drop_unused(store: Store) -> None:
    """Certificates, bodies and rounds that no measurement needs any more."""
    certificates = " UNION ".join(
        f"SELECT value FROM observations, json_each({name}) WHERE {name} IS NOT NULL"  # noqa: S608 our own names
        for name in columns_of_kind("certificates")
    )
    bodies = " UNION ".join(
        f"SELECT {name} FROM observations WHERE {name} IS NOT NULL"  # noqa: S608 our own names
        for name in columns_of_kind("body")
    )
    db = store.db
    # One query finds the unused rounds; SQLite would check all measurements for each deleted round.
    db.execute("PRAGMA foreign_keys = OFF")
    try:
        with store.writing():
            db.execute(f"DELETE FROM certificates WHERE id NOT IN ({certificates})")  # noqa: S608
            db.execute(f"DELETE FROM bodies WHERE sha256 NOT IN ({bodies})")  # noqa: S608
            db.execute(
                "DELETE FROM rounds WHERE id NOT IN (SELECT round_id FROM measurements WHERE round_id IS NOT NULL)"
            )
    finally:
        db.execute("PRAGMA foreign_keys = ON")
    store.forget_ids()


def _give_back(store: Store) -> None:
    """Rewrite the file without its empty pages, if that is worth it and the disk has room for it twice."""
    db = store.db
    pages, empty = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    room = shutil.disk_usage(store.path.parent).free > 2 * used_bytes(db) + NEEDED_BYTES
    try:
        with explained(store.path):
            if empty >= EMPTY_SHARE * pages and room:
                db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except StoreError:
        return  # another program reads; the empty pages are used again anyway
