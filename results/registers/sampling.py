"""Targets from a register, without harm: a reproducible random sample of its hosts.

Registers list child abuse, drugs and extremism, so targets are `tls://host:443`: DNS, TCP and TLS, never HTTP. Hosts
that an authority for drugs, suicide or child protection listed, or may have listed, under article 15.1 are left out
unless the operator names that authority.
"""

from __future__ import annotations

import hashlib
import heapq
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from probe.timestamps import parse_date, rfc3339_of_epoch
from results.registers import names
from results.registers.lookup import SQL, version_of

if TYPE_CHECKING:
    from sqlite_utils import Database

# Gambling and alcohol. Whoever else decides by 15.1 lists drugs, suicide or child abuse, or cannot be told from those.
_HARMLESS = frozenset({"ФНС", "Росалкогольрегулирование"})
_AGES = ((30, "under a month"), (365, "under a year"))


class Stratum(NamedTuple):
    """Hosts alike: by the authority that listed them, the article, the entry type and how long ago."""

    authority: str
    basis: str
    entry_type: str
    age: str


class SampleRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`include`: authorities whose hosts may be drawn although they may be harmful; `leave_out`: authorities and
    articles whose hosts may not, whatever else lists them."""

    size: int
    seed: int
    include: Collection[str] = ()
    leave_out: Collection[str] = ()


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """`targets` in random order; the same register version, size, seed and names give the same. `strata` has for each
    stratum how many hosts it has and how many were taken; `left_out` counts the hosts that were not to be asked."""

    register: str
    as_of: str
    seed: int
    targets: tuple[str, ...]
    strata: dict[str, tuple[int, int]]
    left_out: int


def sample(db: Database, register: str, request: SampleRequest, at: datetime) -> Sample:
    """Draw up to `size` hosts in force at `at`. Raises RegisterError if the register has no version so old."""
    version, day = version_of(db.conn, register, at), at.date()
    population: Counter[Stratum] = Counter()
    lowest: dict[Stratum, list[tuple[int, str]]] = {}
    left_out = 0
    for host, entries in _hosts(db.conn, version.register_id, version.as_of):
        harmful = version.country == "RU" and not all(_harmless(entry, request.include) for entry in entries)
        if harmful or any(_is_left_out(entry, request.leave_out) for entry in entries):
            left_out += 1
            continue
        stratum = min(_stratum(entry, day) for entry in entries)
        population[stratum] += 1
        # A host's place in the draw is a hash, so that neither order nor the other hosts change it.
        place = hashlib.blake2b(f"{request.seed}|{host}".encode(), digest_size=8).digest()
        heap, item = lowest.setdefault(stratum, []), (-int.from_bytes(place, "big"), host)
        if len(heap) < request.size:
            heapq.heappush(heap, item)
        elif request.size:
            heapq.heappushpop(heap, item)
    shares = _shares(population, request.size)
    taken = [pick for stratum, share in shares.items() for pick in sorted(lowest[stratum], reverse=True)[:share]]
    return Sample(
        register=version.name,
        as_of=rfc3339_of_epoch(version.as_of),
        seed=request.seed,
        targets=tuple(f"tls://{host}:443" for _, host in sorted(taken, reverse=True)),
        strata={" / ".join(stratum): (population[stratum], shares[stratum]) for stratum in sorted(population)},
        left_out=left_out,
    )


class _Listed(NamedTuple):
    authority: str
    basis: str
    entry_type: str
    since: str


def _hosts(conn: sqlite3.Connection, register_id: int, as_of: int) -> Iterator[tuple[str, list[_Listed]]]:
    """Every listed host once, with all entries in force that name it; the index gives them in the order of names."""
    rows = conn.execute(SQL["HOSTS"], {"r": register_id, "v": as_of})
    for host, group in groupby(rows, key=lambda row: str(row[0])):
        if names.address(host) is None:
            yield host, [_Listed(*row[1:]) for row in group]


def _harmless(entry: _Listed, include: Collection[str]) -> bool:
    if entry.authority in include or entry.authority in _HARMLESS:
        return True
    return entry.basis not in ("", "149-FZ 15.1", "149-FZ 15.1(1)(m)")


def _is_left_out(entry: _Listed, leave_out: Collection[str]) -> bool:
    """`149-FZ 15.1` leaves out its parts, `149-FZ 15.1(1)(m)`, too."""
    return not {entry.authority, entry.basis, entry.basis.split("(")[0]}.isdisjoint(leave_out)


def _stratum(entry: _Listed, day: date) -> Stratum:
    age = (day - parse_date(entry.since)).days if entry.since else None
    named = "unknown" if age is None else next((name for limit, name in _AGES if age < limit), "older")
    return Stratum(
        entry.authority or "no authority", entry.basis or "no article told", entry.entry_type or "no type", named
    )


def _shares(population: Counter[Stratum], size: int) -> dict[Stratum, int]:
    """Proportional shares by largest remainder, none above its stratum."""
    total = population.total()
    if total <= size:
        return dict(population)
    exact = {stratum: size * count / total for stratum, count in sorted(population.items())}
    shares = {stratum: int(share) for stratum, share in exact.items()}
    rest = size - sum(shares.values())
    for stratum in sorted(exact, key=lambda stratum: (shares[stratum] - exact[stratum], stratum))[:rest]:
        shares[stratum] += 1
    return shares


def stored_sample(db: Database, register: str, request: SampleRequest, now: datetime) -> Sample:
    """The sample of this UTC day, drawn once and stored, so that all its rounds measure the same hosts. Raises
    RegisterError."""
    drawn_at = int(now.timestamp())
    choices = "\n".join([*sorted(request.include), *(f"not {name}" for name in sorted(request.leave_out))])
    key = (register, request.size, request.seed, choices)
    found = db.conn.execute(SQL["STORED_SAMPLE"], (*key, drawn_at // 86400)).fetchone()
    if found is not None:
        as_of, left_out, strata, targets = found
        return Sample(
            register=register,
            as_of=as_of,
            seed=request.seed,
            targets=tuple(targets.split("\n")) if targets else (),
            strata=msgspec.json.decode(strata, type=dict[str, tuple[int, int]]),
            left_out=left_out,
        )
    new = sample(db, register, request, now)
    strata = msgspec.json.encode(new.strata).decode()
    db.execute(
        "INSERT OR REPLACE INTO register_samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*key, new.as_of, drawn_at, new.left_out, strata, "\n".join(new.targets)),
    )
    return new
