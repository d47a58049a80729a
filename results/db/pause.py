"""Whether its owner has told measuring to pause, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.db.store import Store


class Pause(msgspec.Struct, frozen=True):
    """`until` is UTC, RFC 3339; None: until it is ended."""

    until: str | None


def pause(store: Store, until: str | None) -> None:
    """Begin a pause, in place of any before."""
    with store.writing():
        store.db.execute("INSERT OR REPLACE INTO pauses (id, until) VALUES (1, ?)", [until])


def resume(store: Store, now: str) -> bool:
    """End the pause; whether there was one at `now`."""
    was = paused(store.db, now) is not None
    with store.writing():
        store.db.execute("DELETE FROM pauses")
    return was


def paused(db: Database, now: str) -> Pause | None:
    """The pause in force at `now` (UTC, RFC 3339), None where there is none."""
    row = db.execute("SELECT until FROM pauses WHERE until IS NULL OR until > ?", [now]).fetchone()
    return Pause(row[0]) if row else None
