"""Who may send: members are invited by name, enrol once, and hold a token that can be renewed and revoked."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from probe.timestamps import rfc3339
from results.db.store import StoreError
from results.hub import secrets
from results.hub.secrets import INVITATION, TOKEN, Hashed

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.db.store import Store

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
INVITED_DAYS = 7


class Member(msgspec.Struct, frozen=True):
    """Somebody who may send."""

    id: int
    name: str
    by: str
    """The public id of the token that it came with."""


def invite(store: Store, name: str, now: datetime) -> str:
    """An invitation for one vantage of that name, once, for INVITED_DAYS; one that was open for it is void.

    For a member it is a way back in: it goes on with its series, and the tokens from before are void once it is used.
    """
    if not NAME.fullmatch(name):
        raise StoreError(f"{name!r}: a vantage's name here is of letters, digits, dots, dashes, at most 64")
    text, kept = secrets.new(INVITATION)
    with store.writing():
        store.db.execute("DELETE FROM invitations WHERE name = ? OR until <= ?", [name, rfc3339(now)])
        until = rfc3339(now + timedelta(days=INVITED_DAYS))
        store.db.execute("INSERT INTO invitations VALUES (?, ?, ?, ?, ?)", [kept.id, name, kept.salt, kept.hash, until])
    return text


def invitation(db: Database, identifier: str, now: datetime) -> Hashed | None:
    """An open invitation of that public id."""
    query = "SELECT salt, hash FROM invitations WHERE id = ? AND until > ?"
    row = db.execute(query, [identifier, rfc3339(now)]).fetchone()
    return Hashed(id=identifier, salt=row[0], hash=row[1]) if row else None


def enrol(store: Store, identifier: str, now: datetime) -> tuple[str, str] | None:
    """Use an invitation up whose secret was right: the member's name and token; None where another was faster."""
    text, kept = secrets.new(TOKEN)
    with store.writing():
        db = store.db
        row = db.execute("DELETE FROM invitations WHERE id = ? RETURNING name", [identifier]).fetchone()
        if row is None:
            return None
        db.execute(
            "INSERT INTO members (name, since) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET revoked_at = NULL",
            [row[0], rfc3339(now)],
        )
        (member,) = db.execute("SELECT id FROM members WHERE name = ?", [row[0]]).fetchone()
        db.execute("DELETE FROM tokens WHERE member = ?", [member])
        _add(db, member, kept, now)
    return str(row[0]), text


def token(db: Database, identifier: str) -> tuple[Member, Hashed, bool] | None:
    """Whose the token of that public id is, what is kept of it, and whether it was ever used; None for one revoked."""
    row = db.execute(
        "SELECT m.id, m.name, t.salt, t.hash, t.used FROM tokens t JOIN members m ON m.id = t.member "
        "WHERE t.id = ? AND m.revoked_at IS NULL",
        [identifier],
    ).fetchone()
    return (
        (Member(row[0], row[1], identifier), Hashed(id=identifier, salt=row[2], hash=row[3]), bool(row[4]))
        if row
        else None
    )


def used(store: Store, member: Member) -> None:
    """A member has come with this token for the first time: those from before it are void."""
    with store.writing():
        store.db.execute("DELETE FROM tokens WHERE member = ? AND id <> ?", [member.id, member.by])
        store.db.execute("UPDATE tokens SET used = 1 WHERE id = ?", [member.by])


def renew(store: Store, member: Member, now: datetime) -> str:
    """Another token for a member. The one that it came with holds until the new one has been used: an answer that is
    lost on its way shuts nobody out."""
    text, kept = secrets.new(TOKEN)
    with store.writing():
        store.db.execute("DELETE FROM tokens WHERE member = ? AND id <> ?", [member.id, member.by])
        _add(store.db, member.id, kept, now)
    return text


def revoke(store: Store, name: str, now: datetime) -> bool:
    """Let that member send nothing from now on; what it sent stays. False where there is no such member."""
    with store.writing():
        db = store.db
        gone = db.execute("DELETE FROM invitations WHERE name = ?", [name]).rowcount
        db.execute("DELETE FROM tokens WHERE member IN (SELECT id FROM members WHERE name = ?)", [name])
        row = db.execute("UPDATE members SET revoked_at = ifnull(revoked_at, ?) WHERE name = ?", [rfc3339(now), name])
        return bool(row.rowcount or gone)


def members(db: Database) -> list[dict[str, Any]]:
    """Every member by name: since when, until when, how much came of it and when last."""
    rows = db.execute(
        "SELECT m.name, m.since, m.revoked_at, count(r.measurement), max(r.at), count(r.flag) FROM members m "
        "LEFT JOIN received r ON r.member = m.id GROUP BY m.id ORDER BY m.name"
    )
    keys = ("name", "since", "revoked_at", "received", "received_at", "flagged")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def _add(db: Database, member: int, kept: Hashed, now: datetime) -> None:
    values = [kept.id, member, kept.salt, kept.hash, rfc3339(now)]
    db.execute("INSERT INTO tokens (id, member, salt, hash, made_at) VALUES (?, ?, ?, ?, ?)", values)
