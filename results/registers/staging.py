"""Staging a register version in temporary tables, in batches, and storing it in one transaction."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from gettext import gettext as _

import msgspec

from probe.text import bounded
from probe.timestamps import rfc3339_of_epoch
from results.registers import names
from results.registers.formats import RegisterItem
from results.registers.records import (
    EXACT,
    MASK,
    URL_LISTS_HOST,
    URL_ONLY,
    BadRow,
    ImportReport,
    RawRow,
    RegisterEntry,
    RegisterError,
    RowProblem,
)
from results.sql import statements

SQL = statements(__file__)


BATCH = 8_000
MAX_AHEAD = timedelta(days=1)
"""By how much a list's own date may lie ahead of our clock."""
MAX_PROBLEMS, MAX_WHY = 100, 500
MAX_REASONS, OTHER_REASONS = 200, "other problems"
"""Kinds of problems that are counted apart."""
SEEN_BITS = 24
CACHE_KIB = {"main": 24576, "temp": 16384}


def hash64(text: str) -> int:
    """A signed 64-bit hash, as SQLite's integers are."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


class StagedVersion:
    """Stages new rows, numbered from 1; rows whose content is stored already are only marked as seen."""

    def __init__(self, conn: sqlite3.Connection, register_id: int | None) -> None:
        self.conn, self.register_id = conn, register_id
        self.rows = self.skipped = self.staged = 0
        self.updated: datetime | None = None
        self.reasons: Counter[str] = Counter()
        self.problems: list[RowProblem] = []
        self._pending: dict[bytes, tuple[int, RegisterEntry]] = {}
        self._perhaps = bytearray(1 << SEEN_BITS - 3)
        self._seen: list[tuple[int]] = []
        self._decisions: dict[tuple[str, str, str], int] = {}
        self.newest = newest_entry(conn)
        self._caches = {name: conn.execute(f"PRAGMA {name}.cache_size").fetchone()[0] for name in CACHE_KIB}
        for name, size in CACHE_KIB.items():
            conn.execute(f"PRAGMA {name}.cache_size = -{size}")
        _run(conn, "STAGES")

    def close(self) -> None:
        """Give disk and caches back."""
        _run(self.conn, "DROP")
        for name, size in self._caches.items():
            self.conn.execute(f"PRAGMA {name}.cache_size = {size}")

    def load(self, items: Iterable[RegisterItem]) -> None:
        for item in items:
            if isinstance(item, RawRow):
                self.rows += 1
                self._take(item)
            elif isinstance(item, RowProblem):
                self._report(item)
                self.rows += item.skipped
            elif self.updated is None or item.at > self.updated:
                self.updated = item.at
        self._flush()

    def _take(self, raw: RawRow) -> None:
        digest = hashlib.blake2b(raw.content, digest_size=16).digest()
        if digest in self._pending:
            return
        if found := self._stored(digest):
            self._seen.append(found)
        elif not self._is_staged(digest):
            self._parse(raw, digest)
        if len(self._seen) >= BATCH or len(self._pending) >= BATCH:
            self._flush()

    def _is_staged(self, digest: bytes) -> bool:
        """Asks the table only where a bit says that such a row can have been there."""
        place = int.from_bytes(digest[: SEEN_BITS // 8], "big")
        byte, bit = place >> 3, 1 << (place & 7)
        if not self._perhaps[byte] & bit:
            self._perhaps[byte] |= bit
            return False
        found = self.conn.execute("SELECT 1 FROM staged_entries WHERE content = ?", (digest,)).fetchone()
        return found is not None

    def _stored(self, digest: bytes) -> tuple[int] | None:
        if self.register_id is None:
            return None
        find = "SELECT id FROM register_entries WHERE register_id = ? AND content = ?"
        found: tuple[int] | None = self.conn.execute(find, (self.register_id, digest)).fetchone()
        return found

    def _parse(self, raw: RawRow, digest: bytes) -> None:
        try:
            entry = raw.parse()
        except BadRow as error:
            self._report(RowProblem(raw.source, raw.line, str(error)))
            return
        for remark in entry.remarks:
            self._report(RowProblem(raw.source, raw.line, remark, False))
        self.staged += 1
        self._pending[digest] = (self.staged, entry)

    def stated(self, now: datetime) -> datetime | None:
        """When the files say the version is from; a time that lies ahead is reported and not believed."""
        if self.updated is None or self.updated <= now + MAX_AHEAD:
            return self.updated
        self._report(RowProblem("version", 0, f"a date that lies ahead: '{self.updated.isoformat()}'", False))
        return None

    def _report(self, problem: RowProblem) -> None:
        self.skipped += problem.skipped
        problem = problem._replace(why=bounded(problem.why, MAX_WHY))
        # The kind of a problem is its text without what is quoted from the row.
        kind = re.split("['\"]", problem.why, maxsplit=1)[0].strip() or problem.why
        self.reasons[kind if kind in self.reasons or len(self.reasons) < MAX_REASONS else OTHER_REASONS] += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def _flush(self) -> None:
        pending, self._pending = self._pending, {}
        insert = self.conn.executemany
        insert(
            f"INSERT INTO staged_entries VALUES ({','.join('?' * 16)})",  # noqa: S608
            [self._entry_row(number, digest, entry) for digest, (number, entry) in pending.items()],
        )
        entries = list(pending.values())
        insert("INSERT INTO staged_names VALUES (?, ?, ?)", _name_rows(entries))
        insert(
            "INSERT INTO staged_urls VALUES (?, ?)",
            [(hash64(url.key), number) for number, entry in entries for url in entry.urls if url.scheme == "http"],
        )
        insert(
            "INSERT INTO staged_subnets VALUES (?, ?, ?, ?)",
            [(len(n.packed), n.prefix, n.packed, number) for number, entry in entries for n in entry.subnets],
        )
        insert(
            "INSERT INTO staged_addresses VALUES (?, ?)",
            [(packed, number) for number, entry in entries for packed in entry.resolved],
        )
        insert("INSERT OR IGNORE INTO register_seen VALUES (?)", self._seen)
        self._seen = []

    def _entry_row(self, number: int, digest: bytes, entry: RegisterEntry) -> tuple[object, ...]:
        return (
            number,
            digest,
            hash64(entry.key),
            entry.ref,
            self._decision(entry),
            entry.block_type,
            entry.entry_type,
            entry.basis,
            entry.urgency,
            entry.listed_on,
            entry.listed_at,
            entry.until,
            " ".join([*entry.names, *(f"*.{mask}" for mask in entry.masks)]) or None,
            "\n".join(url.text for url in entry.urls) or None,
            " ".join(map(names.subnet_text, entry.subnets)) or None,
            " ".join(map(names.address_text, entry.resolved)) or None,
        )

    def _decision(self, entry: RegisterEntry) -> int:
        wanted = (entry.authority or "", entry.decision_number or "", entry.decision_date or "")
        if (found := self._decisions.get(wanted)) is not None:
            return found
        if len(self._decisions) > 20 * BATCH:
            self._decisions.clear()
        insert = "INSERT OR IGNORE INTO staged_decisions (authority, number, date) VALUES (?, ?, ?)"
        cursor = self.conn.execute(insert, wanted)
        number = cursor.lastrowid
        if cursor.rowcount == 0:
            query = "SELECT id FROM staged_decisions WHERE authority = ? AND number = ? AND date = ?"
            number = self.conn.execute(query, wanted).fetchone()[0]
        self._decisions[wanted] = number = int(number or 0)
        return number


def newest_entry(conn: sqlite3.Connection) -> int:
    """The highest number an entry has; none is ever taken away."""
    return int(conn.execute("SELECT coalesce(max(id), 0) FROM register_entries").fetchone()[0])


def _name_rows(entries: list[tuple[int, RegisterEntry]]) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    for number, entry in entries:
        how = URL_ONLY if entry.urls else EXACT
        hosts = {url.host: URL_ONLY for url in entry.urls if url.scheme == "http"}
        hosts |= {url.host: URL_LISTS_HOST for url in entry.urls if url.scheme != "http"}
        found.extend((host, how, number) for host in entry.names if host not in hosts)
        found.extend((host, kind, number) for host, kind in hosts.items())
        found.extend((mask, MASK, number) for mask in entry.masks)
    return found


class VersionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A version without its rows; `updated` replaces the time that the files state, `now` is used without either."""

    name: str
    country: str
    format: str
    files: Sequence[str]
    updated: datetime | None
    now: datetime
    max_shrink: float | None


def _run(conn: sqlite3.Connection, section: str, values: Mapping[str, int | None] | None = None) -> None:
    for statement in SQL[section].split(";\n"):
        conn.execute(statement, values or {})


def store_version(conn: sqlite3.Connection, register_id: int, staged: StagedVersion, info: VersionInfo) -> ImportReport:
    """Store the staged rows as a version of the register. Raises RegisterError if they are none or too few."""
    base = newest_entry(conn)
    if base != staged.newest:
        _run(conn, "MEANWHILE", {"r": register_id})
    conn.execute("INSERT OR IGNORE INTO register_seen SELECT id + ? FROM staged_entries", (base,))
    entries = conn.execute("SELECT count(*) FROM register_seen").fetchone()[0]
    stated = info.updated or staged.stated(info.now)
    at = int((stated or info.now).timestamp())
    before, after = conn.execute(SQL["AROUND"], {"r": register_id, "t": at}).fetchone()
    earlier = {"v": -1 if before is None else before, "r": register_id}
    added, removed = conn.execute(SQL["CHANGES"], earlier).fetchone()
    _refuse(entries, entries + removed - added, staged, info)
    _run(conn, "ENTER", {"r": register_id, "base": base})
    spans = {"r": register_id, "t": at, "p": before, "s": after}
    version = (register_id, at)
    if conn.execute("SELECT 1 FROM register_versions WHERE register_id = ? AND at = ?", version).fetchone():
        _run(conn, "FORGET", spans)
    _run(conn, "APPEND" if after is None else "INSERT", spans)
    kept = staged.rows - staged.skipped
    stated_at = int(stated.timestamp()) if stated else None
    counts = (staged.rows, kept, staged.skipped, entries)
    conn.execute(
        "INSERT OR REPLACE INTO register_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*version, stated_at, info.format, *counts, "\n".join(info.files), int(info.now.timestamp())),
    )
    return ImportReport(
        register=info.name,
        country=info.country,
        format=info.format,
        rows=staged.rows,
        kept=kept,
        skipped=staged.skipped,
        entries=entries,
        added=added,
        removed=removed,
        updated=rfc3339_of_epoch(stated_at) if stated_at is not None else None,
        version=rfc3339_of_epoch(at),
        reasons=dict(staged.reasons.most_common()),
        problems=tuple(staged.problems),
    )


def _refuse(entries: int, before: int, staged: StagedVersion, info: VersionInfo) -> None:
    files = ", ".join(info.files)
    if not entries:
        raise RegisterError(
            _("{files}: no row could be read ({skipped} skipped); is the format {format}?").format(
                files=files, skipped=staged.skipped, format=info.format
            )
        )
    if info.max_shrink is not None and before - entries > info.max_shrink * before:
        raise RegisterError(
            _(
                "{files}: only {entries} entries, but {before} in the previous version; the file may be truncated."
                " --force imports it anyway"
            ).format(files=files, entries=entries, before=before)
        )
