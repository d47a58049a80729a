"""How large and how old the stored registers are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from results.registers.importing import instant

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


_COUNTS = {
    "block_types": "e.block_type",
    "authorities": "CASE d.authority WHEN '' THEN 'none' ELSE d.authority END",
    "bases": "coalesce(e.basis, 'not told')",
}
_IN_FORCE = """register_spans s JOIN register_entries e ON e.id = s.entry_id JOIN register_decisions d ON d.id = e.decision_id
    WHERE s.gone IS NULL AND e.register_id = ?"""
_INDEXED = {
    "names": ("register_names", "count(DISTINCT i.name)"),
    "urls": ("register_urls", "count(DISTINCT i.hash)"),
    "subnets": ("register_subnets", "count(DISTINCT i.network || '/' || i.prefix)"),
    "resolved_addresses": ("register_addresses", "count(DISTINCT i.address)"),
}


def statistics(db: Database, now: datetime, max_age_days: float) -> list[Statistics]:
    """Every stored register, by name."""
    conn = db.conn
    query = """SELECT r.id, r.name, r.country, v.format, v.at, v.rows, v.kept, v.skipped, v.entries,
        (SELECT count(*) FROM register_versions w WHERE w.register_id = r.id),
        (SELECT min(at) FROM register_versions w WHERE w.register_id = r.id)
        FROM registers r JOIN register_versions v ON v.register_id = r.id
        AND v.at = (SELECT max(at) FROM register_versions w WHERE w.register_id = r.id) ORDER BY r.name"""
    found = []
    for number, name, country, format_, at, rows, kept, skipped, entries, versions, first in conn.execute(
        query
    ).fetchall():
        age = (now.timestamp() - at) / 86400
        counts = {
            key: dict(
                conn.execute(f"SELECT {what}, count(*) AS n FROM {_IN_FORCE} GROUP BY 1 ORDER BY n DESC", (number,))
            )
            for key, what in _COUNTS.items()
        }
        indexed = {
            key: conn.execute(
                f"""SELECT {what} FROM {table} i JOIN register_entries e ON e.id = i.entry_id
                JOIN register_spans s ON s.entry_id = e.id WHERE s.gone IS NULL AND e.register_id = ?""",  # noqa: S608
                (number,),
            ).fetchone()[0]
            for key, (table, what) in _INDEXED.items()
        }
        found.append(
            Statistics(
                register=name, country=country, format=format_, as_of=instant(at), age_days=round(age, 3),
                stale=age > max_age_days, versions=versions, first_version=instant(first), rows=rows, kept=kept,
                skipped=skipped, entries=entries, **indexed, **counts,
            )
        )  # fmt: skip
    return found
