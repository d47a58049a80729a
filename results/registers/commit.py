"""A staged version into the register's tables: the only part of an import that other writers wait for.

Everything runs inside one transaction that the caller holds. Rows go in by the order of each index, so that pages are
written once and one after the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import msgspec

from probe.timestamps import rfc3339_of_epoch
from results.registers import history
from results.registers.loader import Loader, newest_entry
from results.registers.records import ImportReport, RegisterError


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a version beside its rows. `updated` stands in for the moment the files say, `now` for both."""

    name: str
    country: str
    format: str
    files: Sequence[str]
    updated: datetime | None
    now: datetime
    max_shrink: float | None


_ENTER = (
    """INSERT OR IGNORE INTO register_decisions (authority, number, date)
       SELECT authority, number, date FROM staged_decisions ORDER BY id""",
    """UPDATE staged_decisions AS s SET stored = (SELECT d.id FROM register_decisions d
       WHERE d.authority = s.authority AND d.number = s.number AND d.date = s.date)""",
    """INSERT INTO register_entries SELECT s.id + :base, :r, s.content, s.key, s.ref, d.stored, s.block_type,
       s.entry_type, s.basis, s.urgency, s.listed_on, s.listed_at, s.until, s.names, s.urls, s.subnets, s.resolved
       FROM staged_entries s CROSS JOIN staged_decisions d ON d.id = s.decision ORDER BY s.id""",
    "INSERT OR IGNORE INTO register_names SELECT name, how, entry + :base FROM staged_names ORDER BY 1, 2, 3",
    "INSERT OR IGNORE INTO register_urls SELECT hash, entry + :base FROM staged_urls ORDER BY 1, 2",
    """INSERT OR IGNORE INTO register_subnets
       SELECT family, prefix, network, entry + :base FROM staged_subnets ORDER BY 1, 2, 3, 4""",
    "INSERT OR IGNORE INTO register_addresses SELECT address, entry + :base FROM staged_addresses ORDER BY 1, 2",
)

# Rows that somebody else has stored while they were staged here.
_MEANWHILE = (
    """INSERT OR IGNORE INTO register_seen SELECT e.id FROM staged_entries s
       CROSS JOIN register_entries e ON e.register_id = :r AND e.content = s.content""",
    """DELETE FROM staged_entries WHERE EXISTS (SELECT 1 FROM register_entries e
       WHERE e.register_id = :r AND e.content = staged_entries.content)""",
    *(
        f"DELETE FROM {table} WHERE entry NOT IN (SELECT id FROM staged_entries)"  # noqa: S608 (constants)
        for table in ("staged_names", "staged_urls", "staged_subnets", "staged_addresses")
    ),
)


def enter(conn: sqlite3.Connection, register_id: int, loader: Loader, said: Said) -> ImportReport:
    """Make what the loader staged a version of the register. Raises RegisterError where there is nothing in it, or too
    little."""
    base = newest_entry(conn)
    if base != loader.newest:
        for statement in _MEANWHILE:
            conn.execute(statement, {"r": register_id})
    conn.execute("INSERT OR IGNORE INTO register_seen SELECT id + ? FROM staged_entries", (base,))
    entries = conn.execute("SELECT count(*) FROM register_seen").fetchone()[0]
    stated = said.updated or loader.updated
    at = int((stated or said.now).timestamp())
    around = history.neighbours(conn, register_id, at)
    added, removed = history.count_changes(conn, register_id, around.before)
    _refuse(entries, entries + removed - added, loader, said)
    for statement in _ENTER:
        conn.execute(statement, {"r": register_id, "base": base})
    version = (register_id, at)
    if conn.execute("SELECT 1 FROM register_versions WHERE register_id = ? AND at = ?", version).fetchone():
        history.forget(conn, register_id, at, around)
    history.record(conn, register_id, at, around)
    kept = loader.rows - loader.skipped
    told = int(stated.timestamp()) if stated else None
    counts = (loader.rows, kept, loader.skipped, entries)
    conn.execute(
        "INSERT OR REPLACE INTO register_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*version, told, said.format, *counts, "\n".join(said.files), int(said.now.timestamp())),
    )
    return ImportReport(
        register=said.name,
        country=said.country,
        format=said.format,
        rows=loader.rows,
        kept=kept,
        skipped=loader.skipped,
        entries=entries,
        added=added,
        removed=removed,
        updated=rfc3339_of_epoch(told) if told is not None else None,
        version=rfc3339_of_epoch(at),
        reasons=dict(loader.reasons.most_common()),
        problems=tuple(loader.problems),
    )


def _refuse(entries: int, before: int, loader: Loader, said: Said) -> None:
    files = ", ".join(said.files)
    if not entries:
        raise RegisterError(f"{files}: no row could be read ({loader.skipped} skipped); is it a {said.format}?")
    if said.max_shrink is not None and before - entries > said.max_shrink * before:
        raise RegisterError(
            f"{files}: {entries} entries where the version before has {before};"
            " sources have served truncated files; --force takes it all the same"
        )
