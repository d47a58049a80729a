"""What the registers say about a target at a given time, also in plain words.

Look-ups query the database by name, parent names, URL hash, address and subnet; they resolve nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from probe.timestamps import rfc3339_of_epoch
from results.i18n.language import ENGLISH, active
from results.i18n.translator import Translator, english
from results.registers import lookup as finding
from results.registers import names
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
        self.words = Translator(ENGLISH)
        """The language of reasons; those that are stored and exported are in English."""

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
            first, others=others, reason="; ".join([first.reason, *map(self._other, others)])
        )

    def past_entries(self, target: str, register: str) -> tuple[EntryRef, ...]:
        """The entries of earlier versions of a register that no longer bear on the target. Raises BadName."""
        key = names.lookup_key(target)
        version = next(version for version in self._versions if version.name == register)
        hits, _ = self._hits(version, key)
        return tuple(finding.earlier(self._conn, version, hits))

    def _why_silent(self) -> str:
        if self._silent:
            return self._say("too_new", register=self._silent[0], at=rfc3339_of_epoch(self._at))
        if self._wanted:
            return self._say("no_register", register=self._wanted)
        return self._say("no_country", country=self._country) if self._country else self._say("none")

    def _say(self, name: str, **values: object) -> str:
        return self.words.say(f"listing.{name}", **values)

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
            reason=self._why_listed(head) if head else self._why_not(version, key, parents, shared),
        )

    def _why_not(
        self, version: VersionInForce, key: names.LookupKey, parents: list[IndexHit], shared: tuple[str, ...]
    ) -> str:
        why = [self._say("not", register=version.name)]
        if urls := finding.urls_on_host(self._conn, version, key.host):
            count = self._say("or_more", count=urls) if urls == finding.MANY else str(urls)
            why.append(self._say("pages", host=key.host, count=count))
        if parents and finding.references(self._conn, version, parents):
            why.append(self._say("parent"))
        if shared:
            why.append(self._say("shared", names=", ".join(shared[:3])))
        return "; ".join(why)

    def _why_listed(self, ref: EntryRef) -> str:
        since, source = ref.since()
        return f"{self._say(ref.how)}, {self._say(source, since=since)}"

    def _other(self, other: OtherRegister) -> str:
        if other.as_of is None:
            return self._say("other_new", register=other.register)
        since = self._say(other.since_source or "first_seen", since=other.since)
        name = ("other_old" if other.stale else "other") + ("" if other.listed else "_not")
        return self._say(name, register=other.register, since=since, day=other.as_of[:10])


def _other(answer: Expectation) -> OtherRegister:
    return OtherRegister(**{name: getattr(answer, name) for name in OtherRegister.__struct_fields__})


def lookup_row(expectation: Expectation) -> dict[str, Any]:
    """The documented line of `register lookup --json`, its main keys first."""
    row: dict[str, Any] = msgspec.to_builtins(expectation)
    first = ("target", "register", "listed", "since", "basis", "block_type", "entries")
    return {key: row[key] for key in first} | row


MAX_ENTRIES = 20
MAX_IDS = 3


def explain(lookup: RegisterLookup, target: str) -> Iterator[str]:
    """Sentences in the reader's language, one a line: the answer, the entries in force with authority, decision and
    article, and entries of earlier versions. Raises BadName."""
    words = lookup.words = Translator(active())
    found = lookup.expect(target)
    why = f"{found.reason[:1].upper()}{found.reason[1:]}."
    if found.listed is None:
        yield words.say("explain.unknown", target=target, why=why)
        return
    about = {
        "target": target,
        "register": found.register,
        "country": found.country,
        "version": words.when(found.as_of or "?"),
    }
    yield words.say("explain.listed" if found.listed else "explain.not_listed", **about)
    if found.stale:
        yield words.say("explain.stale", count=round(found.age_days or 0))
    yield why
    yield from _entries(found.entries, "in_force", words)
    yield from _entries(found.address_blocks if not found.entries else (), "on_address", words)
    yield from _entries(lookup.past_entries(target, found.register or ""), "past", words)
    if found.shares_address_with:
        yield words.say("explain.shared", names=", ".join(found.shares_address_with))


def law_meaning(basis: str | None, words: Translator) -> str | None:
    """What an article of law is about, in a few words; None for one that has no such sentence."""
    return words.say(f"law.{basis}") if f"law.{basis}" in english() else None


def _entries(entries: tuple[EntryRef, ...], which: str, words: Translator) -> Iterator[str]:
    """Each entry, those of one decision with the same content together."""
    alike: dict[tuple[str | None, ...], list[EntryRef]] = {}
    for ref in entries:
        decision = (ref.decision_number, ref.decision_date, ref.authority)
        dates = (ref.listed_on, ref.listed_at, ref.first_seen, ref.last_seen)
        alike.setdefault((*decision, ref.basis, ref.block_type, *dates), []).append(ref)
    for refs in list(alike.values())[:MAX_ENTRIES]:
        yield f"  {_decided(refs, which, words)}"
        if about := law_meaning(refs[0].basis, words):
            yield f"    {refs[0].basis}: {about}"
        yield f"    {_blocked(refs[0], words)}"
    if more := sum(map(len, list(alike.values())[MAX_ENTRIES:])):
        yield f"  {words.say('explain.more', count=more)}"


def _decided(refs: list[EntryRef], which: str, words: Translator) -> str:
    ref, ids = refs[0], ", ".join(ref.id for ref in refs[:MAX_IDS]) + (", …" if len(refs) > MAX_IDS else "")
    entries = words.say("explain.entries", count=len(refs), ids=ids) if len(refs) > 1 else None
    return words.say(
        "explain.decided",
        entries=entries or words.say("explain.entry", id=ids),
        which=words.say(f"explain.{which}"),
        number=ref.decision_number or words.say("explain.no_number"),
        day=words.when(ref.decision_date) if ref.decision_date else words.say("explain.no_day"),
        authority=ref.authority or words.say("explain.no_authority"),
    )


def _blocked(ref: EntryRef, words: Translator) -> str:
    included = words.say("explain.included", day=words.when(ref.listed_at or ref.listed_on)) if ref.listed_on else ""
    return words.say(
        "explain.blocks",
        what=words.term("explain", ref.block_type),
        included=included or words.say("explain.not_included"),
        first=words.when(ref.first_seen),
        last=words.say("explain.last", day=words.when(ref.last_seen)) if ref.last_seen else words.say("explain.still"),
    )
