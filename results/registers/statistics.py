"""How large and how old the stored registers are."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from probe.timestamps import rfc3339_of_epoch

if TYPE_CHECKING:
    from sqlite_utils import Database


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """One register: its newest version's counts, its age in days, and what its entries in force are like."""

    register: str
    country: str
    format: str
    as_of: str
    age_days: float
    stale: bool
    versions: int
    first_version: str
    rows: int
    kept: int
    skipped: int
    entries: int
    names: int
    urls: int
    subnets: int
    resolved_addresses: int
    block_types: dict[str, int]
    authorities: dict[str, int]
    bases: dict[str, int]


_NEWEST = """SELECT r.id, r.name, r.country, v.format, v.at, v.rows, v.kept, v.skipped, v.entries,
    (SELECT count(*) FROM register_versions w WHERE w.register_id = r.id),
    (SELECT min(at) FROM register_versions w WHERE w.register_id = r.id)
    FROM registers r JOIN register_versions v ON v.register_id = r.id
    AND v.at = (SELECT max(at) FROM register_versions w WHERE w.register_id = r.id) ORDER BY r.name"""
_KINDS = """SELECT e.block_type, d.authority, e.basis, count(*)
    FROM register_spans s JOIN register_entries e ON e.id = s.entry_id JOIN register_decisions d ON d.id = e.decision_id
    WHERE s.gone IS NULL AND s.register_id = ? GROUP BY 1, 2, 3"""


def newest_versions(db: Database, country: str | None = None) -> dict[str, int]:
    """The time (Unix time) of the newest stored version of each register, of all countries or of one."""
    query = """SELECT r.name, max(v.at) FROM registers r JOIN register_versions v ON v.register_id = r.id
        WHERE ?1 IS NULL OR r.country = ?1 GROUP BY r.name ORDER BY r.name"""
    return dict(db.conn.execute(query, (country,)).fetchall())


def statistics(db: Database, now: datetime, max_age_days: Callable[[str], float]) -> list[Statistics]:
    """Every stored register, by name; `max_age_days` gives the age in days from which each is stale."""
    conn = db.conn
    found = []
    for number, name, country, format_, at, rows, kept, skipped, entries, versions, first in conn.execute(
        _NEWEST
    ).fetchall():
        kinds = conn.execute(_KINDS, (number,)).fetchall()
        age = (now.timestamp() - at) / 86400
        found.append(
            Statistics(
                register=name,
                country=country,
                format=format_,
                as_of=rfc3339_of_epoch(at),
                age_days=round(age, 3),
                stale=age > max_age_days(name),
                versions=versions,
                first_version=rfc3339_of_epoch(first),
                rows=rows,
                kept=kept,
                skipped=skipped,
                entries=entries,
                names=_distinct(conn, number, "register_names", "i.name"),
                urls=_distinct(conn, number, "register_urls", "i.hash"),
                subnets=_distinct(conn, number, "register_subnets", "i.network || '/' || i.prefix"),
                resolved_addresses=_distinct(conn, number, "register_addresses", "i.address"),
                block_types=_summed((kind, count) for kind, _, _, count in kinds),
                authorities=_summed((authority or "none", count) for _, authority, _, count in kinds),
                bases=_summed((basis or "not told", count) for _, _, basis, count in kinds),
            )
        )
    return found


def _summed(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for what, count in counts:
        found[what] += count
    return dict(found.most_common())


def _distinct(conn: sqlite3.Connection, register_id: int, table: str, what: str) -> int:
    query = f"""SELECT count(DISTINCT {what}) FROM {table} i CROSS JOIN register_spans s ON s.entry_id = i.entry_id
        WHERE s.gone IS NULL AND s.register_id = ?"""  # noqa: S608 (constants)
    return int(conn.execute(query, (register_id,)).fetchone()[0])
