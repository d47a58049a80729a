"""What a register says of a target, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from results.registers import law, names
from results.registers import lookup as finding
from results.registers.expectation import Lookup, MaxAge

if TYPE_CHECKING:
    from sqlite_utils import Database

MAX_TOLD = 20
MAX_IDS = 3
_BLOCKS = {
    "url": "single URLs",
    "domain": "the name itself, not what is below it",
    "domain-mask": "the name and all names below it",
    "ip": "addresses as such",
}


def explain(
    db: Database,
    target: str,
    at: datetime,
    *,
    country: str | None = None,
    register: str | None = None,
    max_age_days: MaxAge = 3,
) -> Iterator[str]:
    """Sentences, one a line: the answer, the entries in force with authority, decision and article, and what was listed
    before. Raises BadTarget."""
    lookup = Lookup(db, country=country, register=register, at=at, max_age_days=max_age_days)
    found = lookup.expect(target)
    if found.listed is None:
        yield f"{target}: nothing is known. {_sentence(found.reason)}"
        return
    listed = "listed" if found.listed else "not listed"
    yield f"{target} is {listed} in {found.register} ({found.country}), version {found.as_of}."
    if found.stale:
        yield f"That version was {found.age_days:.0f} days old at the moment asked about: too old to decide anything."
    yield _sentence(found.reason)
    yield from _entries(found.entries, "in force")
    yield from _entries(found.address_blocks if not found.entries else (), "on its address")
    yield from _past(db, target, at, found.register or "")
    if found.shares_address_with:
        yield f"Names that stood at the same address: {', '.join(found.shares_address_with)}. That lists nothing."


def _entries(entries: tuple[finding.EntryRef, ...], which: str) -> Iterator[str]:
    """Each entry, those of one decision that say the same together."""
    alike: dict[tuple[str, ...], list[finding.EntryRef]] = {}
    for ref in entries:
        alike.setdefault((_decided(ref), ref.basis or "", ref.block_type, _dates(ref)), []).append(ref)
    for (decided, basis, block_type, dates), refs in list(alike.items())[:MAX_TOLD]:
        yield f"  {_named(refs)} ({which}): {decided}"
        if about := law.meaning(basis):
            yield f"    {basis}: {about}"
        yield f"    blocks {_BLOCKS.get(block_type, block_type)}; {dates}"
    if more := sum(map(len, list(alike.values())[MAX_TOLD:])):
        yield f"  ... and {more} more"


def _named(refs: list[finding.EntryRef]) -> str:
    ids = [ref.id for ref in refs]
    if len(ids) == 1:
        return f"entry {ids[0]}"
    return f"{len(ids)} entries {', '.join(ids[:MAX_IDS])}{', ...' if len(ids) > MAX_IDS else ''}"


def _past(db: Database, target: str, at: datetime, register: str) -> Iterator[str]:
    versions, _ = finding.versions_at(db.conn, int(at.timestamp()), None, register)
    place = names.place(target)
    for version in versions:
        hits, _ = finding.by_name(db.conn, place)
        if place.url:
            hits += finding.by_url(db.conn, place.url)
        if place.address:
            hits += finding.by_address(db.conn, version, place.address)
        yield from _entries(tuple(finding.earlier(db.conn, version, hits)), "no longer in force")


def _decided(ref: finding.EntryRef) -> str:
    number = f"decision {ref.decision_number}" if ref.decision_number else "a decision without a number"
    day = f" of {ref.decision_date}" if ref.decision_date else ""
    return f"{number}{day} by {ref.authority or 'an authority that is not named'}"


def _dates(ref: finding.EntryRef) -> str:
    included = f"included {ref.listed_at or ref.listed_on}, " if ref.listed_on else "inclusion date not given, "
    last = f", last seen {ref.last_seen}" if ref.last_seen else ", still there in the newest version"
    return f"{included}first seen {ref.first_seen}{last}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
