"""The stored versions of registers: how large and how old they are, and what changed between two."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from gettext import gettext as _
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from probe.timestamps import rfc3339_of_epoch
from results.registers.lookup import SQL, entry_id, version_of
from results.registers.records import RegisterError

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


def newest_versions(db: Database, country: str | None = None) -> dict[str, int]:
    """The time (Unix time) of the newest stored version of each register, of all countries or of one."""
    return dict(db.conn.execute(SQL["NEWEST_TIMES"], (country,)).fetchall())


def statistics(db: Database, now: datetime, max_age_days: Callable[[str], float]) -> list[Statistics]:
    """Every stored register, by name; `max_age_days` gives the age in days from which each is stale."""
    conn = db.conn
    found = []
    for number, register, country, format_, at, *counts, versions, first in conn.execute(SQL["NEWEST"]).fetchall():
        kinds = conn.execute(SQL["KINDS"], (number,)).fetchall()
        age = (now.timestamp() - at) / 86400
        rows, kept, skipped, entries = counts
        found.append(
            Statistics(
                register=register,
                country=country,
                format=format_,
                as_of=rfc3339_of_epoch(at),
                age_days=round(age, 3),
                stale=age > max_age_days(register),
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
                bases=_summed((basis or "not given", count) for _, _, basis, count in kinds),
            )
        )
    return found


def _summed(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for what, count in counts:
        found[what] += count
    return dict(found.most_common())


def _distinct(conn: sqlite3.Connection, register_id: int, table: str, what: str) -> int:
    query = SQL["DISTINCT"].format(what=what, table=table)
    return int(conn.execute(query, (register_id,)).fetchone()[0])


class RegisterChange(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was added, removed or changed. Names, subnets and resolved addresses are joined by spaces, URLs by
    line feeds. `was` has the earlier values of a changed entry."""

    change: Literal["added", "removed", "changed"]
    id: str
    block_type: str
    names: str | None
    urls: str | None
    subnets: str | None
    resolved: str | None
    basis: str | None
    entry_type: str | None
    urgency: str | None
    listed_on: str | None
    until: str | None
    authority: str | None
    decision_number: str | None
    decision_date: str | None
    was: dict[str, str | None] | None = None


FIELDS = RegisterChange.__struct_fields__[2:-1]
"""The content of a row."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The two versions that were compared, and the changes from the first to the second."""

    register: str
    before: str
    after: str
    changes: tuple[RegisterChange, ...]


def difference(db: Database, before: datetime, after: datetime, register: str | None = None) -> Difference:
    """Compare the versions in force at two moments; the register may go unnamed while there is only one. A row is the
    same only while its whole content is; rows of one entry with other content are `changed`. Raises RegisterError."""
    name = register or _the_only(db.conn)
    first, second = (version_of(db.conn, name, moment) for moment in (before, after))
    removed = _only_in(db.conn, first.register_id, first.as_of, second.as_of)
    added = _only_in(db.conn, first.register_id, second.as_of, first.as_of)
    times = rfc3339_of_epoch(first.as_of), rfc3339_of_epoch(second.as_of)
    return Difference(register=name, before=times[0], after=times[1], changes=tuple(_paired(removed, added)))


_Row = tuple[str, dict[str, str | None]]


def _the_only(conn: sqlite3.Connection) -> str:
    names = [row[0] for row in conn.execute("SELECT name FROM registers ORDER BY name LIMIT 20")]
    if len(names) != 1:
        why = _("name the register with --as: {names}") if names else _("no register is stored")
        raise RegisterError(why.format(names=", ".join(names)))
    return str(names[0])


def _only_in(conn: sqlite3.Connection, register_id: int, here: int, there: int) -> dict[int, list[_Row]]:
    found: dict[int, list[_Row]] = defaultdict(list)
    for key, ref, *values in conn.execute(SQL["ONLY_IN"], {"r": register_id, "here": here, "there": there}):
        fields = dict(zip(FIELDS, (value or None for value in values), strict=True))
        found[key].append((ref or entry_id(key), fields))
    return found


def _paired(removed: dict[int, list[_Row]], added: dict[int, list[_Row]]) -> Iterator[RegisterChange]:
    for key, rows in added.items():
        before = removed.get(key, [])
        for number, (ref, fields) in enumerate(rows):
            change: dict[str, Any] = {"change": "added", "id": ref, **fields}
            if number < len(before):
                old = before[number][1]
                change |= {"change": "changed", "was": {n: old[n] for n in FIELDS if old[n] != fields[n]}}
            yield msgspec.convert(change, RegisterChange)
    for key, rows in removed.items():
        for ref, fields in rows[len(added.get(key, [])) :]:
            yield msgspec.convert({"change": "removed", "id": ref, **fields}, RegisterChange)
