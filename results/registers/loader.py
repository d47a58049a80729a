"""Rows of one register version into temporary tables, in batches. The register's own tables are only read."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from datetime import datetime

from results.registers import names, schema
from results.registers.records import BadRow, Entry, Format, Problem, Raw
from results.registers.source import Source

BATCH = 8_000
MAX_PROBLEMS = 100
SEEN_BITS = 24
CACHE_KIB = {"main": 24576, "temp": 16384}
STAGES = {
    "register_seen": "entry_id INTEGER PRIMARY KEY",
    "staged_decisions": """id INTEGER PRIMARY KEY, authority TEXT, number TEXT, date TEXT, stored INTEGER,
        UNIQUE (authority, number, date)""",
    "staged_entries": """id INTEGER PRIMARY KEY, content BLOB UNIQUE, key INTEGER, ref TEXT, decision INTEGER,
        block_type TEXT, entry_type TEXT, basis TEXT, urgency TEXT, listed_on TEXT, listed_at INTEGER, until TEXT,
        names TEXT, urls TEXT, subnets TEXT, resolved TEXT""",
    "staged_names": "name TEXT, how INTEGER, entry INTEGER",
    "staged_urls": "hash INTEGER, entry INTEGER",
    "staged_subnets": "family INTEGER, prefix INTEGER, network BLOB, entry INTEGER",
    "staged_addresses": "address BLOB, entry INTEGER",
}
"""On the disk, and gone with the connection: a process that dies leaves nothing behind."""


def hash64(text: str) -> int:
    """A signed 64-bit hash, as SQLite's integers are."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


class Loader:
    """Takes rows as they come. A row whose content is stored already is only marked as seen; what is new is staged, its
    entries numbered from 1."""

    def __init__(self, conn: sqlite3.Connection, register_id: int | None) -> None:
        self.conn, self.register_id = conn, register_id
        self.rows = self.skipped = self.staged = 0
        self.updated: datetime | None = None
        self.reasons: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self._pending: dict[bytes, tuple[int, Entry]] = {}
        self._perhaps = bytearray(1 << SEEN_BITS - 3)
        self._seen: list[tuple[int]] = []
        self._decisions: dict[tuple[str, str, str], int] = {}
        self.newest = newest_entry(conn)
        self._caches = {name: conn.execute(f"PRAGMA {name}.cache_size").fetchone()[0] for name in CACHE_KIB}
        for name, size in CACHE_KIB.items():
            conn.execute(f"PRAGMA {name}.cache_size = -{size}")
        for name, columns in STAGES.items():
            conn.execute(f"CREATE TEMP TABLE {name} ({columns})")

    def close(self) -> None:
        """Give disk and caches back."""
        for name in STAGES:
            self.conn.execute(f"DROP TABLE IF EXISTS temp.{name}")
        for name, size in self._caches.items():
            self.conn.execute(f"PRAGMA {name}.cache_size = {size}")

    def load(self, format_: Format, files: list[Source]) -> None:
        for item in format_.read(files):
            if isinstance(item, Raw):
                self.rows += 1
                self._take(item)
            elif isinstance(item, Problem):
                self._report(item)
                self.rows += item.skipped
            elif self.updated is None or item.at > self.updated:
                self.updated = item.at
        self._flush()

    def _take(self, raw: Raw) -> None:
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

    def _parse(self, raw: Raw, digest: bytes) -> None:
        try:
            entry = raw.parse()
        except BadRow as error:
            self._report(Problem(raw.source, raw.line, str(error)))
            return
        for remark in entry.remarks:
            self._report(Problem(raw.source, raw.line, remark, False))
        self.staged += 1
        self._pending[digest] = (self.staged, entry)

    def _report(self, problem: Problem) -> None:
        self.skipped += problem.skipped
        self.reasons[_reason(problem.why)] += 1
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
        insert("INSERT INTO staged_urls VALUES (?, ?)", _url_rows(entries))
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

    def _entry_row(self, number: int, digest: bytes, entry: Entry) -> tuple[object, ...]:
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

    def _decision(self, entry: Entry) -> int:
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


def _reason(why: str) -> str:
    """The kind of a problem: its words without the quoted text that differs from row to row."""
    head, _, _ = why.partition("'")
    return head.partition('"')[0].strip() or why


def _name_rows(entries: list[tuple[int, Entry]]) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    for number, entry in entries:
        how = schema.URL_ONLY if entry.urls else schema.EXACT
        hosts = {url.host: schema.URL_ONLY for url in entry.urls if url.scheme == "http"}
        hosts |= {url.host: schema.URL_LISTS_HOST for url in entry.urls if url.scheme != "http"}
        found.extend((host, how, number) for host in entry.names if host not in hosts)
        found.extend((host, kind, number) for host, kind in hosts.items())
        found.extend((mask, schema.MASK, number) for mask in entry.masks)
    return found


def _url_rows(entries: list[tuple[int, Entry]]) -> list[tuple[int, int]]:
    return [(hash64(url.key), number) for number, entry in entries for url in entry.urls if url.scheme == "http"]
