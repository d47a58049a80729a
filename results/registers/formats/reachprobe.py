"""One version of a register as one of our databases gives it to another: JSON lines, nothing lost on the way.

The first line says whose register it is and from when, then comes one entry a line, and the last says how many there
were. Entries are in the order in which the database first had them, so that successive versions differ little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from results.registers import names
from results.registers import parse as rows
from results.registers.lines import MAX_LINE, lines
from results.registers.records import BadRow, Entry, Format, Problem, Raw, RegisterError, TruncatedRegister, Updated
from results.registers.source import Source

if TYPE_CHECKING:
    from sqlite_utils import Database

VERSION = 1
BEGINNING = b'{"reachprobe_register":'
NEWEST = """
SELECT r.name, r.country, r.id, v.at, v.updated, v.entries FROM registers r JOIN register_versions v
ON v.register_id = r.id WHERE r.name = ? ORDER BY v.at DESC LIMIT 1
"""
ENTRIES = """
SELECT e.key, e.block_type, e.names, e.urls, e.subnets, e.resolved, e.ref, d.authority, d.number, d.date, e.entry_type,
    e.urgency, e.listed_on, e.listed_at, e.until, e.basis
FROM register_spans s JOIN register_entries e ON e.id = s.entry_id JOIN register_decisions d ON d.id = e.decision_id
WHERE s.register_id = ? AND s.gone IS NULL ORDER BY e.id
"""
LISTS = {"names": " ", "urls": "\n", "subnets": " ", "resolved": " "}

Text = Annotated[str, Meta(max_length=4096)]
Things = Annotated[tuple[str, ...], Meta(max_length=rows.MAX_ITEMS)]


class Head(msgspec.Struct, kw_only=True):
    """The first line."""

    reachprobe_register: int
    name: str
    country: str
    updated: datetime


class End(msgspec.Struct):
    """The last line."""

    entries: int


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One entry."""

    key: Text
    block_type: Literal["url", "domain", "domain-mask", "ip"]
    names: Things = ()
    """Masks among them, with their `*.`."""
    urls: Things = ()
    subnets: Things = ()
    resolved: Things = ()
    ref: Text | None = None
    authority: Text | None = None
    decision_number: Text | None = None
    decision_date: Text | None = None
    entry_type: Text | None = None
    urgency: Text | None = None
    listed_on: Text | None = None
    listed_at: int | None = None
    until: Text | None = None
    basis: Text | None = None


class Version(msgspec.Struct, frozen=True):
    """The newest version of a register that a database has."""

    name: str
    country: str
    register_id: int
    at: int
    updated: int | None
    entries: int


def newest(db: Database, name: str) -> Version | None:
    row = db.execute(NEWEST, [name]).fetchone()
    return Version(*row) if row is not None else None


def write(db: Database, version: Version) -> Iterator[bytes]:
    """The newest version, line by line, each with its line feed."""
    updated = datetime.fromtimestamp(version.updated or version.at, UTC)
    head = Head(reachprobe_register=VERSION, name=version.name, country=version.country, updated=updated)
    yield msgspec.json.encode(head) + b"\n"
    encode, count = msgspec.json.Encoder().encode, 0
    for row in db.execute(ENTRIES, [version.register_id]):
        yield encode(_line(row)) + b"\n"
        count += 1
    yield msgspec.json.encode(End(count)) + b"\n"


def _line(row: tuple[Any, ...]) -> Line:
    given: dict[str, Any] = dict(zip(Line.__struct_fields__, row, strict=True))
    given["key"] = str(given["key"])
    for name, between in LISTS.items():
        given[name] = tuple(given[name].split(between)) if given[name] else ()
    for name in ("authority", "decision_number", "decision_date"):
        given[name] = given[name] or None  # what no decision says is an empty text there
    return Line(**given)


def recognises(head: bytes) -> bool:
    return head.startswith(BEGINNING)


def read(files: Iterable[Source]) -> Iterator[Raw | Problem | Updated]:
    """Every entry. TruncatedRegister where the last line does not say that it is all there."""
    for source in files:
        count, said = 0, None
        for number, content, _ in lines(source.chunks()):
            if content is None:
                yield Problem(source.name, number, f"a line of more than {MAX_LINE >> 20} MiB")
                count += 1
            elif number == 1:
                yield Updated(_head(source, content).updated)
            elif content.startswith(b'{"entries":'):
                said = _end(content)
            elif content:
                count += 1
                yield Raw(number, source.name, content, partial(parse, content))
        if said != count:
            raise TruncatedRegister(f"{source.name} is not whole: it has {count} entries; fetch it again")


def _head(source: Source, line: bytes) -> Head:
    try:
        head: Head = _decoded(line, Head)
    except BadRow as error:
        raise RegisterError(f"{source.name}: {error}; fetch it again") from error
    if head.reachprobe_register != VERSION or head.updated.tzinfo is None:
        raise RegisterError(f"{source.name} was written by another version of this program; upgrade it")
    return head


def _end(line: bytes) -> int | None:
    try:
        end: End = _decoded(line, End)
    except BadRow:
        return None
    return end.entries


def parse(line: bytes) -> Entry:
    """One entry. Raises BadRow."""
    said: Line = _decoded(line, Line)
    what = rows.things(said.names, said.urls)
    subnets, wrong = rows.ranges(said.subnets)
    resolved, also_wrong = rows.ranges(said.resolved)
    if remarks := (*what.remarks, *wrong, *also_wrong):
        raise BadRow("; ".join(remarks))
    return Entry(
        key=said.key,
        block_type=said.block_type,
        names=what.names,
        masks=what.masks,
        urls=what.urls,
        subnets=(*what.subnets, *subnets),
        resolved=rows.single_addresses(resolved),
        ref=_clean(said.ref),
        authority=_clean(said.authority),
        decision_number=_clean(said.decision_number),
        decision_date=rows.date(said.decision_date),
        entry_type=_clean(said.entry_type),
        urgency=_clean(said.urgency),
        listed_on=rows.date(said.listed_on),
        listed_at=said.listed_at,
        until=rows.date(said.until),
        basis=_clean(said.basis),
    )


def _clean(text: str | None) -> str | None:
    return names.clean(text) or None if text is not None else None


def _decoded(line: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRow(f"not readable: {error}") from error


FORMAT = Format("reachprobe", recognises, read)
