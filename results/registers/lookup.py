"""Which entries of a register, in force in one version, bear on a name, a URL or an address."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from gettext import gettext as _
from typing import Any, NamedTuple

import msgspec

from probe.timestamps import rfc3339_of_epoch
from results.registers import names
from results.registers.records import EXACT, MASK, URL_LISTS_HOST, RegisterError
from results.registers.staging import hash64
from results.sql import statements

MAX_ENTRIES = 200  # named for one target; a large host can have thousands of listed URLs
MAX_SHARING = 10
MAX_ADDRESSES = 256
MANY = 1000
HOW = ("url", "name", "mask", "url-host", "address", "subnet")  # strongest first
_URL, _NAME, _MASK, _URL_HOST, _ADDRESS, _SUBNET = range(len(HOW))
_OF_NAME = {EXACT: _NAME, MASK: _MASK, URL_LISTS_HOST: _URL_HOST}
_AT_ONCE = (1, 8, 64)
SQL = statements(__file__)


class EntryRef(msgspec.Struct, frozen=True, kw_only=True):
    """A register entry that bears on a target. `how` is one of HOW; `last_seen` is null while the newest
    version has it."""

    id: str
    how: str
    block_type: str
    basis: str | None
    authority: str | None
    decision_number: str | None
    decision_date: str | None
    listed_on: str | None
    listed_at: str | None
    first_seen: str
    last_seen: str | None

    def since(self) -> tuple[str, str]:
        """The date it counts from, and where that comes from: inclusion, decision or first_seen."""
        if self.listed_on:
            return self.listed_on, "inclusion"
        if self.decision_date:
            return self.decision_date, "decision"
        return self.first_seen[:10], "first_seen"


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """One address: the number of entries in force that give it as what a name resolved to, the first of those names
    (without the target's own), and the entries that block it as such."""

    address: str
    entries: int
    names: tuple[str, ...]
    blocked_as_such: tuple[EntryRef, ...]


class IndexHit(NamedTuple):
    """An index row that points at an entry; whether that entry is in force is not known yet."""

    strength: int
    entry: int
    url: str | None = None


class VersionInForce(NamedTuple):
    """A register as it was in force: `as_of` is the newest version not later than the moment `day` falls on."""

    register_id: int
    name: str
    country: str
    versions: list[int]
    as_of: int
    day: str
    subnets: list[tuple[int, int]]  # sizes that occur: address length in bytes, prefix

    def known(self, **values: object) -> dict[str, object]:
        """The values of a query of this version."""
        return {"r": self.register_id, "v": self.as_of, **values}


def versions_at(
    conn: sqlite3.Connection, at: int, country: str | None, register: str | None
) -> tuple[list[VersionInForce], list[str]]:
    """The registers of a country, or the one of that name, as in force at `at`, newest first; and the names of those
    that have no version so old."""
    found, silent = [], []
    for number, name, of in conn.execute(SQL["REGISTERS"], {"n": register, "c": country}).fetchall():
        rows = conn.execute("SELECT at FROM register_versions WHERE register_id = ? ORDER BY at", (number,))
        versions = [row[0] for row in rows]
        if before := bisect_right(versions, at):
            newest, day = versions[before - 1], rfc3339_of_epoch(at)[:10]
            found.append(VersionInForce(number, name, of, versions, newest, day, _subnets(conn)))
        else:
            silent.append(name)
    return sorted(found, key=lambda version: -version.as_of), silent


def version_of(conn: sqlite3.Connection, register: str, at: datetime) -> VersionInForce:
    """A register as in force at a moment. RegisterError if no version is stored, or none so old."""
    versions, silent = versions_at(conn, int(at.timestamp()), None, register)
    if versions:
        return versions[0]
    name = names.quoted(register)
    if silent:
        at_text = rfc3339_of_epoch(int(at.timestamp()))
        raise RegisterError(_("register {name} has no version as old as {at}").format(name=name, at=at_text))
    raise RegisterError(_("register {name} is not stored; see `reachprobe register stats`").format(name=name))


def _subnets(conn: sqlite3.Connection) -> list[tuple[int, int]]:
    """The subnet sizes that occur, longest prefix first."""
    found: list[tuple[int, int]] = []
    row = conn.execute(SQL["NEXT_SUBNET_SIZE"], (0, -1)).fetchone()
    while row:
        found.append(row)
        row = conn.execute(SQL["NEXT_SUBNET_SIZE"], row).fetchone()
    return found[::-1]


def by_name(conn: sqlite3.Connection, place: names.LookupKey) -> tuple[list[IndexHit], list[IndexHit]]:
    """Hits on the host and on masks over it; and hits on parents that are listed by name alone, which do not
    cover it."""
    above = names.suffixes(place.host)[1:-1] if place.address is None else []  # no register lists a top-level name
    rows = conn.execute(SQL["BY_NAME"].format(marks=",".join("?" * len(above))), (place.host, *above))
    hits: list[IndexHit] = []
    parents: list[IndexHit] = []
    for how, name, entry in rows:
        covers = how == MASK or name == place.host
        (hits if covers else parents).append(IndexHit(_OF_NAME[how], entry))
    return hits, parents


def by_url(conn: sqlite3.Connection, url: str) -> list[IndexHit]:
    """Hits on one plain-HTTP URL."""
    rows = conn.execute("SELECT entry_id FROM register_urls WHERE hash = ?", (hash64(url),))
    return [IndexHit(_URL, entry, url) for (entry,) in rows]


def by_address(conn: sqlite3.Connection, version: VersionInForce, packed: bytes) -> list[IndexHit]:
    """Hits on entries that block this address, or a subnet that holds it, as such."""
    hits = []
    for family, prefix in version.subnets:
        if family == len(packed):
            rows = conn.execute(
                "SELECT entry_id FROM register_subnets WHERE family = ? AND prefix = ? AND network = ?",
                (family, prefix, names.network(packed, prefix)),
            )
            hits += [IndexHit(_ADDRESS if prefix == family * 8 else _SUBNET, entry) for (entry,) in rows]
    return hits


def references(conn: sqlite3.Connection, version: VersionInForce, hits: Iterable[IndexHit]) -> list[EntryRef]:
    """The hits that are in force, one an entry, strongest first and among equals the longest listed."""
    waiting = sorted(hits)
    found: dict[int, EntryRef] = {}
    while waiting and len(found) < MAX_ENTRIES:
        batch, waiting = waiting[: _AT_ONCE[-1]], waiting[_AT_ONCE[-1] :]
        stored = _stored(conn, version, [hit.entry for hit in batch])
        for hit in batch:
            if hit.entry not in found and hit.entry in stored and (ref := _reference(version, hit, stored[hit.entry])):
                found[hit.entry] = ref
    return sorted(list(found.values())[:MAX_ENTRIES], key=lambda ref: (HOW.index(ref.how), ref.since()[0], ref.id))


def _stored(conn: sqlite3.Connection, version: VersionInForce, entries: list[int]) -> dict[int, tuple[Any, ...]]:
    """The rows of those entries that are in force, at most the last of _AT_ONCE of them."""
    size = next(size for size in _AT_ONCE if size >= len(entries))
    query = SQL["ENTRIES"].format(marks=",".join("?" * size))
    known = (version.register_id, version.as_of, version.versions[0], *entries, *[None] * (size - len(entries)))
    return {row[0]: row[1:] for row in conn.execute(query, known)}


def _reference(version: VersionInForce, hit: IndexHit, row: tuple[Any, ...]) -> EntryRef | None:
    urls, ref, key, block_type, basis, authority, number, date, listed_on, listed_at, until, gone, first = row
    if hit.url is not None and all(names.url(text).key != hit.url for text in (urls or "").split("\n") if text):
        return None
    if until is not None and until < version.day:
        return None
    last = version.versions[bisect_right(version.versions, gone - 1) - 1] if gone is not None else None
    return EntryRef(
        id=ref or entry_id(key),
        how=HOW[hit.strength],
        block_type=block_type,
        basis=basis,
        authority=authority or None,
        decision_number=number or None,
        decision_date=date or None,
        listed_on=listed_on,
        listed_at=rfc3339_of_epoch(listed_at) if listed_at is not None else None,
        first_seen=rfc3339_of_epoch(first),
        last_seen=rfc3339_of_epoch(last) if last is not None else None,
    )


def _in_force(conn: sqlite3.Connection, version: VersionInForce, hit: IndexHit) -> EntryRef | None:
    row = _stored(conn, version, [hit.entry]).get(hit.entry)
    return _reference(version, hit, row) if row else None


def earlier(conn: sqlite3.Connection, version: VersionInForce, hits: Iterable[IndexHit]) -> list[EntryRef]:
    """What the same look-up found in versions before this one and no longer does; `last_seen` says until when."""
    found = []
    for hit in sorted(set(hits))[:MAX_ENTRIES]:
        if _in_force(conn, version, hit):
            continue
        gone = conn.execute(SQL["LAST_GONE"], {"e": hit.entry, "v": version.as_of}).fetchone()[0]
        before = version.as_of if gone is None else version.versions[bisect_right(version.versions, gone - 1) - 1]
        if ref := _in_force(conn, version._replace(as_of=before, day=""), hit):  # no day: a term that has run out
            found.append(ref)
    return found


def neighbours(conn: sqlite3.Connection, version: VersionInForce, place: names.LookupKey) -> list[Neighbour]:
    """Who stands at the target's addresses, as the register's own rows give them; at most MAX_ADDRESSES of these."""
    packed = [place.address] if place.address else []
    if not packed:
        rows = conn.execute(SQL["OWN_ADDRESSES"], version.known(n=place.host))
        texts = [text for (listed,) in rows for text in (listed or "").split()]
        packed = [found for text in dict.fromkeys(texts) if (found := names.address(text))][:MAX_ADDRESSES]
    return [_neighbour(conn, version, address, place.host) for address in packed]


def _neighbour(conn: sqlite3.Connection, version: VersionInForce, packed: bytes, host: str) -> Neighbour:
    return Neighbour(
        address=names.address_text(packed),
        entries=len(conn.execute(SQL["SHARING"], version.known(a=packed, limit=-1)).fetchall()),
        names=sharing(conn, version, [packed], host),
        blocked_as_such=tuple(references(conn, version, by_address(conn, version, packed))),
    )


def entry_id(key: int) -> str:
    """The id of an entry to which its register gives none: the same in every version."""
    return f"{key & (1 << 64) - 1:016x}"


def sharing(
    conn: sqlite3.Connection, version: VersionInForce, addresses: Iterable[bytes], host: str
) -> tuple[str, ...]:
    """Listed names, other than the host, whose entries give one of these addresses as what the name resolved to."""
    shared: dict[str, None] = {}
    for packed in addresses:
        for (listed,) in conn.execute(SQL["SHARING"], version.known(a=packed, limit=50)):
            shared.update(dict.fromkeys(text for text in (listed or "").split() if text != host))
    return tuple(shared)[:MAX_SHARING]


def urls_on_host(conn: sqlite3.Connection, version: VersionInForce, host: str) -> int:
    """How many entries in force list single http URLs on a host; MANY stands for that many or more."""
    return int(conn.execute(SQL["URLS_ON_HOST"], version.known(n=host, limit=MANY)).fetchone()[0])
