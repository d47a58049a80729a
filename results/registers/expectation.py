"""What the registers say about a target at a given time, also in plain words.

Look-ups query the database by name, parent names, URL hash, address and subnet; they resolve nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from probe.timestamps import rfc3339_of_epoch
from results.registers import law, names
from results.registers import lookup as finding
from results.registers.lookup import EntryRef, IndexHit, VersionInForce

if TYPE_CHECKING:
    from sqlite_utils import Database

MaxAge = float | Callable[[str], float]
"""How old a version may be to decide anything, in days: for every register, or by register name."""


class OtherRegister(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a register that was checked too. Without a version old enough, `as_of` and `listed` are None."""

    register: str
    listed: bool | None = None
    since: str | None = None
    since_source: str | None = None
    as_of: str | None = None
    age_days: float | None = None
    stale: bool = False


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """What one register says about one target at one moment.

    `listed` is None without a register and version old enough. `since` is a date as the register gives it,
    `since_source` one of inclusion, decision, first_seen; `stale`: the version `as_of` is more than max_age_days old.
    `address_blocks` are entries that block one of the target's addresses as such; `shares_address_with` are listed
    names at those addresses, a note and never a listing. `others` are the other registers that were checked.
    """

    target: str
    register: str | None = None
    country: str | None = None
    listed: bool | None = None
    since: str | None = None
    since_source: str | None = None
    listed_at: str | None = None
    as_of: str | None = None
    age_days: float | None = None
    stale: bool = False
    basis: str | None = None
    block_type: str | None = None
    entries: tuple[EntryRef, ...] = ()
    address_blocks: tuple[EntryRef, ...] = ()
    shares_address_with: tuple[str, ...] = ()
    reason: str = ""
    others: tuple[OtherRegister, ...] = ()


class RegisterLookup:
    """The registers of a country (or the one named) in force at a moment, for many look-ups. Of several the first that
    applies answers: a fresh one that lists the target, a fresh one, the one with the newest version."""

    def __init__(
        self,
        db: Database,
        *,
        country: str | None = None,
        register: str | None = None,
        at: datetime,
        max_age_days: MaxAge = 3,
    ) -> None:
        self._conn = db.conn
        self._at = int(at.timestamp())
        self._max_age = max_age_days if callable(max_age_days) else lambda _: max_age_days
        self._country = country.upper() if country else None
        self._versions, self._silent = finding.versions_at(db.conn, self._at, self._country, register)
        self._wanted = register

    def expect(self, target: str, addresses: Sequence[str] = ()) -> Expectation:
        """The expectation of one target; `addresses` are those it was found at. Raises BadName."""
        key = names.lookup_key(target)
        packed = list(dict.fromkeys(found for text in addresses if (found := names.address(text))))
        if key.address and key.address not in packed:
            packed.append(key.address)
        answers = [self._ask(version, target, key, packed) for version in self._versions]
        if not answers:
            return Expectation(target=target, country=self._country, reason=self._why_silent())
        if len(answers) == 1 and not self._silent:
            return answers[0]
        first = max(answers, key=lambda answer: (not answer.stale, not answer.stale and answer.listed))
        others = (
            *(_other(answer) for answer in answers if answer is not first),
            *(OtherRegister(register=name) for name in self._silent),
        )
        return msgspec.structs.replace(
            first, others=others, reason="; ".join([first.reason, *map(_answer_text, others)])
        )

    def past_entries(self, target: str, register: str) -> tuple[EntryRef, ...]:
        """The entries of earlier versions of a register that no longer bear on the target. Raises BadName."""
        key = names.lookup_key(target)
        version = next(version for version in self._versions if version.name == register)
        hits, _ = self._hits(version, key)
        return tuple(finding.earlier(self._conn, version, hits))

    def _why_silent(self) -> str:
        if self._silent:
            return f"register {self._silent[0]} has no version as old as {rfc3339_of_epoch(self._at)}"
        wanted = f"register {self._wanted}" if self._wanted else f"register of {self._country or 'any country'}"
        return f"no {wanted} is stored"

    def _hits(self, version: VersionInForce, key: names.LookupKey) -> tuple[list[IndexHit], list[IndexHit]]:
        """Hits on the target; and hits on listed parents, which do not cover it."""
        hits, parents = finding.by_name(self._conn, key)
        if key.url:
            hits += finding.by_url(self._conn, key.url)
        if key.address:
            hits += finding.by_address(self._conn, version, key.address)
        return hits, parents

    def _ask(self, version: VersionInForce, target: str, key: names.LookupKey, addresses: list[bytes]) -> Expectation:
        conn = self._conn
        hits, parents = self._hits(version, key)
        by_address = {packed: finding.by_address(conn, version, packed) for packed in addresses}
        entries = finding.references(conn, version, hits)
        blocks = finding.references(conn, version, [hit for found in by_address.values() for hit in found])
        shared = finding.sharing(conn, version, addresses, key.host) if addresses else ()
        age = (self._at - version.as_of) / 86400
        head = entries[0] if entries else None
        since, source = head.since() if head else (None, None)
        return Expectation(
            target=target,
            register=version.name,
            country=version.country,
            listed=head is not None,
            since=since,
            since_source=source,
            listed_at=head.listed_at if head else None,
            as_of=rfc3339_of_epoch(version.as_of),
            age_days=round(age, 3),
            stale=age > self._max_age(version.name),
            basis=head.basis if head else None,
            block_type=head.block_type if head else None,
            entries=tuple(entries),
            address_blocks=tuple(blocks),
            shares_address_with=shared,
            reason=_why_listed(head) if head else self._why_not(version, key, parents, shared),
        )

    def _why_not(
        self, version: VersionInForce, key: names.LookupKey, parents: list[IndexHit], shared: tuple[str, ...]
    ) -> str:
        why = [f"register {version.name} does not list it"]
        if urls := finding.urls_on_host(self._conn, version, key.host):
            many = f"{urls} or more" if urls == finding.MANY else str(urls)
            why.append(f"it lists single http URLs on {key.host} ({many}), and with them no other page")
        if parents and finding.references(self._conn, version, parents):
            why.append("it lists a name above it, by that name alone and without what is below")
        if shared:
            why.append(f"listed names have stood at the same address ({', '.join(shared[:3])}), which lists nothing")
        return "; ".join(why)


_WHY = {
    "url": "the register lists this very URL",
    "name": "the register lists this name",
    "mask": "the register lists a mask that covers this name",
    "url-host": "the register lists an https URL on this host; a path cannot be seen in TLS, so it lists the host",
    "address": "the register lists this address as such",
    "subnet": "the register lists a subnet that holds this address",
}
_WHEN = {"inclusion": "since", "decision": "by a decision of", "first_seen": "first seen on"}


def _why_listed(ref: EntryRef) -> str:
    since, source = ref.since()
    return f"{_WHY[ref.how]}, {_WHEN[source]} {since}"


def _other(answer: Expectation) -> OtherRegister:
    return OtherRegister(**{name: getattr(answer, name) for name in OtherRegister.__struct_fields__})


def _answer_text(other: OtherRegister) -> str:
    if other.as_of is None:
        return f"register {other.register} has no version so old"
    listed = f"lists it, {_WHEN[other.since_source or 'first_seen']} {other.since}" if other.listed else "does not"
    if not other.stale:
        return f"register {other.register} {listed}"
    old = f"register {other.register} of {other.as_of[:10]}"
    return f"{old} {listed}, but is too old to decide" if other.listed else f"{old} is too old to decide"


def lookup_row(expectation: Expectation) -> dict[str, Any]:
    """The documented line of `register lookup --json`, its main keys first."""
    row: dict[str, Any] = msgspec.to_builtins(expectation)
    first = ("target", "register", "listed", "since", "basis", "block_type", "entries")
    return {key: row[key] for key in first} | row


MAX_ENTRIES = 20
MAX_IDS = 3
_BLOCKS = {
    "url": "single URLs",
    "domain": "the name itself, not what is below it",
    "domain-mask": "the name and all names below it",
    "ip": "addresses as such",
}


def explain(lookup: RegisterLookup, target: str) -> Iterator[str]:
    """Sentences, one a line: the answer, the entries in force with authority, decision and article, and entries of
    earlier versions. Raises BadName."""
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
    yield from _entries(lookup.past_entries(target, found.register or ""), "no longer in force")
    if found.shares_address_with:
        yield f"Names that stood at the same address: {', '.join(found.shares_address_with)}. That lists nothing."


def _entries(entries: tuple[EntryRef, ...], which: str) -> Iterator[str]:
    """Each entry, those of one decision that say the same together."""
    alike: dict[tuple[str, ...], list[EntryRef]] = {}
    for ref in entries:
        alike.setdefault((_decided(ref), ref.basis or "", ref.block_type, _dates(ref)), []).append(ref)
    for (decided, basis, block_type, dates), refs in list(alike.items())[:MAX_ENTRIES]:
        yield f"  {_ids(refs)} ({which}): {decided}"
        if about := law.meaning(basis):
            yield f"    {basis}: {about}"
        yield f"    blocks {_BLOCKS.get(block_type, block_type)}; {dates}"
    if more := sum(map(len, list(alike.values())[MAX_ENTRIES:])):
        yield f"  ... and {more} more"


def _ids(refs: list[EntryRef]) -> str:
    ids = [ref.id for ref in refs]
    if len(ids) == 1:
        return f"entry {ids[0]}"
    return f"{len(ids)} entries {', '.join(ids[:MAX_IDS])}{', ...' if len(ids) > MAX_IDS else ''}"


def _decided(ref: EntryRef) -> str:
    number = f"decision {ref.decision_number}" if ref.decision_number else "a decision without a number"
    day = f" of {ref.decision_date}" if ref.decision_date else ""
    return f"{number}{day} by {ref.authority or 'an authority that is not named'}"


def _dates(ref: EntryRef) -> str:
    included = f"included {ref.listed_at or ref.listed_on}, " if ref.listed_on else "inclusion date not given, "
    last = f", last seen {ref.last_seen}" if ref.last_seen else ", still there in the newest version"
    return f"{included}first seen {ref.first_seen}{last}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
