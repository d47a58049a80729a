"""What was in a register when: spans of versions, kept in one form whatever the order of imports.

A span `[first, gone)` begins at the version that has the entry and ends at the first version that lacks it; `gone` is
NULL while the newest version has it. Spans of one entry neither touch nor overlap, so the history is a function of the
set of versions alone. Every function runs inside the import's transaction; the version's entries are in
`register_seen`.
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
                  (SELECT count(*) FROM register_spans s WHERE s.first <= :v AND (s.gone IS NULL OR s.gone > :v)
                     AND NOT EXISTS (SELECT 1 FROM register_seen w WHERE w.entry_id = s.entry_id)
                     AND (SELECT e.register_id FROM register_entries e WHERE e.id = s.entry_id) = :r)""",
        {"v": -1 if before is None else before, "r": register_id},
    ).fetchone()
    return added, removed


def record(conn: sqlite3.Connection, register_id: int, at: int, around: Neighbours) -> None:
    """Put the version's entries into the spans."""
    known = {"r": register_id, "t": at, "p": around.before, "s": around.after}
    if around.after is None:
        _append(conn, known)
    else:
        _insert(conn, known)


def _append(conn: sqlite3.Connection, known: dict[str, int | None]) -> None:
    conn.execute(
        """UPDATE register_spans SET gone = :t WHERE gone IS NULL
           AND NOT EXISTS (SELECT 1 FROM register_seen w WHERE w.entry_id = register_spans.entry_id)
           AND (SELECT e.register_id FROM register_entries e WHERE e.id = register_spans.entry_id) = :r""",
        known,
    )
    conn.execute(
        """INSERT INTO register_spans (entry_id, first) SELECT entry_id, :t FROM register_seen w WHERE NOT EXISTS (
             SELECT 1 FROM register_spans s WHERE s.entry_id = w.entry_id AND s.gone IS NULL)""",
        known,
    )


def _insert(conn: sqlite3.Connection, known: dict[str, int | None]) -> None:
    """A version between others (`:p` may be NULL, `:s` is not). In order: an entry in both neighbours but not here is
    split; one in the earlier alone ends here; one in the later alone begins here; one in neither stands alone."""
    absent = """NOT EXISTS (SELECT 1 FROM register_seen w WHERE w.entry_id = register_spans.entry_id)
                AND (SELECT e.register_id FROM register_entries e WHERE e.id = register_spans.entry_id) = :r"""
    conn.execute(
        f"""INSERT INTO register_spans (entry_id, first, gone) SELECT entry_id, :s, gone FROM register_spans
            WHERE first <= :p AND (gone IS NULL OR gone > :s) AND {absent}""",  # noqa: S608 (constant)
        known,
    )
    conn.execute(
        f"UPDATE register_spans SET gone = :t WHERE first <= :p AND (gone IS NULL OR gone >= :s) AND {absent}",  # noqa: S608
        known,
    )
    conn.execute(
        "UPDATE register_spans SET first = :t WHERE first = :s AND entry_id IN (SELECT entry_id FROM register_seen)",
        known,
    )
    conn.execute(
        """INSERT INTO register_spans (entry_id, first, gone) SELECT entry_id, :t, :s FROM register_seen w
           WHERE NOT EXISTS (SELECT 1 FROM register_spans s WHERE s.entry_id = w.entry_id
             AND s.first <= :t AND (s.gone IS NULL OR s.gone > :t))""",
        known,
    )


def forget(conn: sqlite3.Connection, register_id: int, at: int, around: Neighbours) -> None:
    """Take a version out of the spans, before it is read again with other content."""
    known = {"r": register_id, "t": at, "s": around.after}
    mine = "(SELECT e.register_id FROM register_entries e WHERE e.id = register_spans.entry_id) = :r"
    # Seen in this version alone.
    conn.execute(f"DELETE FROM register_spans WHERE first = :t AND gone IS :s AND {mine}", known)  # noqa: S608
    if around.after is None:
        conn.execute(f"UPDATE register_spans SET gone = NULL WHERE gone = :t AND {mine}", known)  # noqa: S608
        return
    conn.execute(f"UPDATE register_spans SET first = :s WHERE first = :t AND {mine}", known)  # noqa: S608
    # Absent in this version alone: the two spans become one.
    conn.execute(
        f"""UPDATE register_spans SET gone = coalesce((SELECT iif(later.gone IS NULL, -1, later.gone)
              FROM register_spans later WHERE later.entry_id = register_spans.entry_id AND later.first = :s), :s)
            WHERE gone = :t AND {mine}""",  # noqa: S608
        known,
    )
    conn.execute(
        f"""DELETE FROM register_spans WHERE first = :s AND {mine} AND EXISTS (SELECT 1 FROM register_spans earlier
              WHERE earlier.entry_id = register_spans.entry_id AND earlier.first < :s
              AND (earlier.gone = -1 OR earlier.gone > :s))""",  # noqa: S608
        known,
    )
    conn.execute(f"UPDATE register_spans SET gone = NULL WHERE gone = -1 AND {mine}", known)  # noqa: S608
