"""What changed between two versions of a register."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from probe.timestamps import rfc3339_of_epoch
from results.registers.lookup import entry_id, versions_at
from results.registers.names import quoted
from results.registers.records import RegisterError

if TYPE_CHECKING:
    from sqlite_utils import Database


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


_ONLY_IN = """SELECT e.key, e.ref, e.block_type, e.names, e.urls, e.subnets, e.resolved, e.basis, e.entry_type,
    e.urgency, e.listed_on, e.until, d.authority, d.number, d.date
    FROM register_spans s CROSS JOIN register_entries e ON e.id = s.entry_id
    JOIN register_decisions d ON d.id = e.decision_id
    WHERE s.register_id = :r AND s.first <= :here AND (s.gone IS NULL OR s.gone > :here)
    AND NOT (s.first <= :there AND (s.gone IS NULL OR s.gone > :there)) AND NOT EXISTS (
      SELECT 1 FROM register_spans o WHERE o.entry_id = s.entry_id
      AND o.first <= :there AND (o.gone IS NULL OR o.gone > :there))
    ORDER BY e.id"""


def difference(db: Database, before: datetime, after: datetime, register: str | None = None) -> Difference:
    """Compare the versions in force at two moments; the register may go unnamed while there is only one. A row is the
    same only while its whole content is; rows of one entry with other content are `changed`. Raises RegisterError."""
    name = register or _the_only(db.conn)
    moments = []
    for moment in (before, after):
        versions, silent = versions_at(db.conn, int(moment.timestamp()), None, name)
        if not versions:
            why = f"has no version as old as {rfc3339_of_epoch(int(moment.timestamp()))}" if silent else "is not stored"
            raise RegisterError(f"register {quoted(name)} {why}")
        moments.append(versions[0])
    first, second = moments
    removed = _only_in(db.conn, first.register_id, first.as_of, second.as_of)
    added = _only_in(db.conn, first.register_id, second.as_of, first.as_of)
    times = rfc3339_of_epoch(first.as_of), rfc3339_of_epoch(second.as_of)
    return Difference(register=name, before=times[0], after=times[1], changes=tuple(_paired(removed, added)))


_Row = tuple[str, dict[str, str | None]]


def _the_only(conn: sqlite3.Connection) -> str:
    names = [row[0] for row in conn.execute("SELECT name FROM registers ORDER BY name LIMIT 20")]
    if len(names) != 1:
        raise RegisterError("name the register with --as" + (f": {', '.join(names)}" if names else "; none is stored"))
    return str(names[0])


def _only_in(conn: sqlite3.Connection, register_id: int, here: int, there: int) -> dict[int, list[_Row]]:
    found: dict[int, list[_Row]] = defaultdict(list)
    for key, ref, *values in conn.execute(_ONLY_IN, {"r": register_id, "here": here, "there": there}):
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
