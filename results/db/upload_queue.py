"""The upload queue of a hub: at least once, in order; refused records are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from probe.net.address_policy import is_public, literal
from results.db import read
from results.db.json_codec import to_plain
from results.sql import statements

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.db.store import Store

SQL = statements(__file__)

MAX_SAID = 300


class UploadHub(msgspec.Struct, frozen=True, kw_only=True):
    """A hub where this vantage is enrolled, and the state of uploads to it. Its token is never printed."""

    url: str
    name: str
    """By which the hub knows this vantage; what is sent bears it."""
    token: str
    token_at: str
    since: str
    queued: int
    sent: int
    sent_at: str | None
    failures: int
    not_before: str | None
    said: str | None

    def __repr__(self) -> str:
        return f"Hub({self.url!r}, {self.name!r})"


def enrol(store: Store, url: str, name: str, token: str, now: str) -> None:
    """Enrol this vantage at a hub: measurements from now on are uploaded, none from before."""
    with store.writing():
        store.db.execute(SQL["ENROL"], {"url": url, "name": name, "token": token, "now": now})


def renew(store: Store, url: str, token: str, now: str) -> None:
    """Store a new token from the hub."""
    with store.writing():
        store.db.execute("UPDATE hubs SET token = ?, token_at = ? WHERE url = ?", [token, now, url])


def hubs(db: Database) -> list[UploadHub]:
    """Every hub where this vantage is enrolled."""
    names = UploadHub.__struct_fields__
    rows = db.execute(f"SELECT {', '.join(names)} FROM hubs ORDER BY url")  # noqa: S608 our own record's field names
    return [UploadHub(**dict(zip(names, row, strict=True))) for row in rows]


def hub_at(db: Database, url: str) -> UploadHub | None:
    return next((hub for hub in hubs(db) if hub.url == url), None)


def queue(store: Store, url: str, vantage: str) -> int:
    """Queue what `vantage` has measured since the last call; returns how many records.

    Targets on this machine's own network (hosts without a dot, private addresses) are never queued.
    """
    hub = hub_at(store.db, url)
    if hub is None:
        return 0
    with store.writing():
        rows = store.db.execute(SQL["NEW"], [hub.queued, vantage]).fetchall()
        numbers = [number for number, host in rows if not _is_local(host)]
        store.db.conn.executemany("INSERT OR IGNORE INTO outbox (hub, measurement) VALUES (?, ?)", _of(url, numbers))
        store.db.execute(SQL["QUEUED"], [url])
    return len(numbers)


def waiting(db: Database, url: str, most: int) -> dict[int, str]:
    """Number and id of what waits for a hub, the oldest first."""
    return dict(db.execute(SQL["WAITING"], [url, most]).fetchall())


def line(db: Database, number: int, measurement_id: str, name: str) -> bytes:
    """A measurement as it is uploaded: under the hub's name for this vantage, without other vantages' records."""
    finished = read.finished(db, measurement_id)
    made = tuple(control for control in finished.controls if control.control_of == measurement_id)
    vantage = msgspec.structs.replace(finished.measurement.vantage, name=name)
    alone = msgspec.structs.replace(
        finished,
        measurement=msgspec.structs.replace(finished.measurement, vantage=vantage),
        controls=made,
        context=msgspec.structs.replace(finished.context, recorded=()),
    )
    return msgspec.json.encode({"record": to_plain(alone, read.round_of(db, finished.round_id))})


def claim(store: Store, hub: UploadHub, not_before: str) -> bool:
    """Count a try as failed before it begins, so that no two processes send the same; False if another is first."""
    with store.writing():
        values = [not_before, hub.url, hub.failures, hub.not_before, hub.sent]
        return store.db.execute(SQL["CLAIM"], values).rowcount == 1


def answered(store: Store, url: str, taken: Iterable[int], refused: Mapping[int, str], now: str) -> None:
    """Record what the hub took and what it refused, in one transaction."""
    with store.writing():
        db = store.db
        gone = db.conn.executemany(SQL["TAKEN"], _of(url, taken)).rowcount
        db.conn.executemany(SQL["REFUSED"], [(why[:MAX_SAID], url, number) for number, why in refused.items()])
        db.execute(SQL["SENT"], [max(0, gone), now, url])


def failed(store: Store, url: str, why: str, not_before: str | None = None) -> None:
    """Record why a try failed; its records stay queued."""
    with store.writing():
        store.db.execute(SQL["FAILED"], [why[:MAX_SAID], not_before, url])


def counts(db: Database, url: str) -> tuple[int, int]:
    """How many wait for a hub, and how many it refused."""
    waits, refused = db.execute(SQL["COUNTS"], [url]).fetchone()
    return int(waits), int(refused)


def refusals(db: Database, url: str, most: int) -> list[tuple[str, str, str]]:
    """Id and target of what a hub refused, and why, the newest first."""
    return [(row[0], row[1], row[2]) for row in db.execute(SQL["REFUSALS"], [url, most])]


def retry(store: Store, url: str) -> int:
    """Queue refused records again; returns how many."""
    with store.writing():
        cursor = store.db.execute("UPDATE outbox SET refused = NULL WHERE hub = ? AND refused IS NOT NULL", [url])
        return int(cursor.rowcount)


def _of(url: str, numbers: Iterable[int]) -> list[tuple[str, int]]:
    return [(url, number) for number in numbers]


def _is_local(host: str) -> bool:
    return not is_public(host) if literal(host) is not None else "." not in host
