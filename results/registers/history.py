"""When each entry was in a register, as spans of versions, independent of the order of imports.

A span `[first, gone)` goes from the first version with the entry to the first without it; `gone` is NULL while the
newest version has it. Spans of one entry neither touch nor overlap. Every function runs inside the import's
transaction, with the version's entries in `register_seen`.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class Neighbours(NamedTuple):
    """The versions just before and just after a moment."""

    before: int | None
    after: int | None


def neighbours(conn: sqlite3.Connection, register_id: int, at: int) -> Neighbours:
    """The versions around a moment, that moment itself left out."""
    before = conn.execute("SELECT max(at) FROM register_versions WHERE register_id = ? AND at < ?", (register_id, at))
    after = conn.execute("SELECT min(at) FROM register_versions WHERE register_id = ? AND at > ?", (register_id, at))
    return Neighbours(before.fetchone()[0], after.fetchone()[0])


def count_changes(conn: sqlite3.Connection, register_id: int, before: int | None) -> tuple[int, int]:
    """How many entries this version adds to and drops from the version before it."""
    added, removed = conn.execute(
        """SELECT (SELECT count(*) FROM register_seen w WHERE NOT EXISTS (
                     SELECT 1 FROM register_spans s WHERE s.entry_id = w.entry_id
                     AND s.first <= :v AND (s.gone IS NULL OR s.gone > :v))),
                  (SELECT count(*) FROM register_spans s WHERE s.register_id = :r
                     AND s.first <= :v AND (s.gone IS NULL OR s.gone > :v)
                     AND NOT EXISTS (SELECT 1 FROM register_seen w WHERE w.entry_id = s.entry_id))""",
        {"v": -1 if before is None else before, "r": register_id},
    ).fetchone()
    return added, removed


_ABSENT = """register_id = :r
    AND NOT EXISTS (SELECT 1 FROM register_seen w WHERE w.entry_id = register_spans.entry_id)"""

# The newest version: what it lacks has gone, what was not there yet begins.
_APPEND = (
    f"UPDATE register_spans SET gone = :t WHERE gone IS NULL AND {_ABSENT}",  # noqa: S608 (constants, here and below)
    """INSERT INTO register_spans (entry_id, first, register_id) SELECT entry_id, :t, :r FROM register_seen w
       WHERE NOT EXISTS (SELECT 1 FROM register_spans s WHERE s.entry_id = w.entry_id AND s.gone IS NULL)""",
)

# A version between others (:p may be NULL, :s is not). What both neighbours have and it lacks is split; what only the
# earlier has ends here; what only the later has begins here; what neither has stands alone.
_INSERT = (
    f"""INSERT INTO register_spans (entry_id, first, gone, register_id) SELECT entry_id, :s, gone, :r
        FROM register_spans WHERE first <= :p AND (gone IS NULL OR gone > :s) AND {_ABSENT}""",  # noqa: S608
    f"UPDATE register_spans SET gone = :t WHERE first <= :p AND (gone IS NULL OR gone >= :s) AND {_ABSENT}",  # noqa: S608
    """UPDATE register_spans SET first = :t WHERE first = :s AND register_id = :r
       AND entry_id IN (SELECT entry_id FROM register_seen)""",
    """INSERT INTO register_spans (entry_id, first, gone, register_id) SELECT entry_id, :t, :s, :r FROM register_seen w
       WHERE NOT EXISTS (SELECT 1 FROM register_spans s WHERE s.entry_id = w.entry_id
         AND s.first <= :t AND (s.gone IS NULL OR s.gone > :t))""",
)

# A version taken out, before it is read again with other content. What only it had goes; what only it lacked becomes
# one span again, for which -1 stands in where the later half has no end.
_FORGET = (
    "DELETE FROM register_spans WHERE first = :t AND gone IS :s AND register_id = :r",
    "UPDATE register_spans SET gone = NULL WHERE gone = :t AND :s IS NULL AND register_id = :r",
    "UPDATE register_spans SET first = :s WHERE first = :t AND register_id = :r",
    """UPDATE register_spans SET gone = coalesce((SELECT coalesce(later.gone, -1) FROM register_spans later
         WHERE later.entry_id = register_spans.entry_id AND later.first = :s), :s)
       WHERE gone = :t AND register_id = :r""",
    """DELETE FROM register_spans WHERE first = :s AND register_id = :r AND EXISTS (
         SELECT 1 FROM register_spans earlier WHERE earlier.entry_id = register_spans.entry_id
         AND earlier.first < :s AND (earlier.gone = -1 OR earlier.gone > :s))""",
    "UPDATE register_spans SET gone = NULL WHERE gone = -1 AND register_id = :r",
)


def record(conn: sqlite3.Connection, register_id: int, at: int, around: Neighbours) -> None:
    """Put the version's entries into the spans."""
    _run(conn, _APPEND if around.after is None else _INSERT, register_id, at, around)


def forget(conn: sqlite3.Connection, register_id: int, at: int, around: Neighbours) -> None:
    """Take a version out of the spans."""
    _run(conn, _FORGET, register_id, at, around)


def _run(conn: sqlite3.Connection, statements: tuple[str, ...], register_id: int, at: int, around: Neighbours) -> None:
    for statement in statements:
        conn.execute(statement, {"r": register_id, "t": at, "p": around.before, "s": around.after})
