"""Rows of one register version into its tables, in batches."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache

from results.registers import history, names, schema
from results.registers.records import BadRow, Entry, Format, ImportReport, Problem, Raw, RegisterError
from results.registers.source import Source

BATCH = 8_000
MAX_PROBLEMS = 100
CACHE_KIB = 49152


def hash64(text: str) -> int:
    """A signed 64-bit hash, as SQLite's integers are."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)


class Loader:
    """Takes rows as they come, writes in batches. A row whose content is stored already is only marked as seen."""

    def __init__(self, conn: sqlite3.Connection, register_id: int) -> None:
        self.conn, self.register_id = conn, register_id
        self.rows = self.skipped = 0
        self.updated: datetime | None = None
        self.reasons: Counter[str] = Counter()
        self.problems: list[Problem] = []
        self._pending: dict[bytes, tuple[int, Entry]] = {}
        self._seen: list[tuple[int]] = []
        self._decisions: dict[tuple[str, str, str], int] = {}
        self._next = int(conn.execute("SELECT coalesce(max(id), 0) + 1 FROM register_entries").fetchone()[0])
        self._cache = conn.execute("PRAGMA cache_size").fetchone()[0]
        conn.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        conn.execute("CREATE TEMP TABLE IF NOT EXISTS register_seen (entry_id INTEGER PRIMARY KEY)")
        conn.execute("DELETE FROM register_seen")

    def close(self) -> None:
        """Give the cache back. The seen table stays for the connection's life, empty on the next import."""
        self.conn.execute(f"PRAGMA cache_size = {self._cache}")

    def load(self, format_: Format, files: list[Source]) -> None:
        find = "SELECT id FROM register_entries WHERE register_id = ? AND content = ?"
        for item in format_.read(files):
            if isinstance(item, Raw):
                self.rows += 1
                digest = hashlib.blake2b(item.content, digest_size=16).digest()
                if digest in self._pending:
                    continue
                found = self.conn.execute(find, (self.register_id, digest)).fetchone()
                if found:
                    self._seen.append(found)
                else:
                    self._parse(item, digest)
                if len(self._seen) >= BATCH or len(self._pending) >= BATCH:
                    self._flush()
            elif isinstance(item, Problem):
                self._report(item)
                self.rows += item.skipped
            elif self.updated is None or item.at > self.updated:
                self.updated = item.at
        self._flush()

    def _parse(self, raw: Raw, digest: bytes) -> None:
        try:
            entry = raw.parse()
        except BadRow as error:
            self._report(Problem(raw.source, raw.line, str(error)))
            return
        for remark in entry.remarks:
            self._report(Problem(raw.source, raw.line, remark, False))
        self._pending[digest] = (self._next, entry)
        self._next += 1

    def _report(self, problem: Problem) -> None:
        self.skipped += problem.skipped
        self.reasons[_reason(problem.why)] += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def _flush(self) -> None:
        pending, self._pending = self._pending, {}
        insert = self.conn.executemany
        insert(
            f"INSERT INTO register_entries VALUES ({','.join('?' * 17)})",  # noqa: S608
            [self._entry_row(number, digest, entry) for digest, (number, entry) in pending.items()],
        )
        entries = list(pending.values())
        # Sorted, so that neighbours on a page are written together.
        insert("INSERT OR IGNORE INTO register_names VALUES (?, ?, ?)", sorted(_name_rows(entries)))
        insert("INSERT OR IGNORE INTO register_urls VALUES (?, ?)", sorted(_url_rows(entries)))
        insert(
            "INSERT OR IGNORE INTO register_subnets VALUES (?, ?, ?, ?)",
            sorted((len(n.packed), n.prefix, n.packed, number) for number, entry in entries for n in entry.subnets),
        )
        insert(
            "INSERT OR IGNORE INTO register_addresses VALUES (?, ?)",
            sorted((packed, number) for number, entry in entries for packed in entry.resolved),
        )
        insert("INSERT OR IGNORE INTO register_seen VALUES (?)", self._seen)
        insert("INSERT OR IGNORE INTO register_seen VALUES (?)", [(number,) for number, _ in entries])
        self._seen = []

    def _entry_row(self, number: int, digest: bytes, entry: Entry) -> tuple[object, ...]:
        return (
            number,
            self.register_id,
            digest,
            hash64(f"{self.register_id}|{entry.key}"),
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
        insert = "INSERT OR IGNORE INTO register_decisions (authority, number, date) VALUES (?, ?, ?)"
        cursor = self.conn.execute(insert, wanted)
        number = cursor.lastrowid
        if cursor.rowcount == 0:
            query = "SELECT id FROM register_decisions WHERE authority = ? AND number = ? AND date = ?"
            number = self.conn.execute(query, wanted).fetchone()[0]
        self._decisions[wanted] = number = int(number or 0)
        return number

    def finish(
        self,
        name: str,
        country: str,
        format_: str,
        files: list[str],
        updated: datetime | None,
        now: datetime,
        max_shrink: float | None,
    ) -> ImportReport:
        entries = self.conn.execute("SELECT count(*) FROM register_seen").fetchone()[0]
        if not entries:
            raise RegisterError(
                f"{', '.join(files)}: no row could be read ({self.skipped} skipped); is it a {format_}?"
            )
        stated = updated or self.updated
        at = int((stated or now).timestamp())
        around = history.neighbours(self.conn, self.register_id, at)
        added, removed = history.count_changes(self.conn, self.register_id, around.before)
        if max_shrink is not None and removed - added > max_shrink * (entries + removed - added):
            raise RegisterError(
                f"{', '.join(files)}: {entries} entries where the version before has {entries + removed - added};"
                " sources have served truncated files; --force takes it all the same"
            )
        version = (self.register_id, at)
        if self.conn.execute("SELECT 1 FROM register_versions WHERE register_id = ? AND at = ?", version).fetchone():
            history.forget(self.conn, self.register_id, at, around)
        history.record(self.conn, self.register_id, at, around)
        kept = self.rows - self.skipped
        told = int(stated.timestamp()) if stated else None
        counts = (self.rows, kept, self.skipped, entries)
        self.conn.execute(
            "INSERT OR REPLACE INTO register_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*version, told, format_, *counts, "\n".join(files), int(now.timestamp())),
        )
        return ImportReport(
            register=name,
            country=country,
            format=format_,
            rows=self.rows,
            kept=kept,
            skipped=self.skipped,
            entries=entries,
            added=added,
            removed=removed,
            updated=instant(told) if told is not None else None,
            version=instant(at),
            reasons=dict(self.reasons.most_common()),
            problems=tuple(self.problems),
        )


@lru_cache(maxsize=4096)
def instant(epoch: int) -> str:
    """Seconds since the epoch as RFC 3339 UTC."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
