"""A register version exported from one of our databases, as JSON lines: a header, the entries, and their number.

Entries are in the order in which the database first had them, so that successive versions differ little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from gettext import gettext as _
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from results.registers import names
from results.registers.formats import RegisterFormat, RegisterItem, too_long
from results.registers.lookup import SQL
from results.registers.records import BadRow, RawRow, RegisterEntry, RegisterError, TruncatedRegister, VersionTime
from results.registers.source import RegisterFile

if TYPE_CHECKING:
    from sqlite_utils import Database

VERSION = 1
BEGINNING = b'{"reachprobe_register":'
TEXTS = ("ref", "authority", "decision_number", "entry_type", "urgency", "basis")
LISTS = {"names": " ", "urls": "\n", "subnets": " ", "resolved": " "}

Text = Annotated[str, Meta(max_length=4096)]
ListedItems = Annotated[tuple[str, ...], Meta(max_length=names.MAX_ITEMS)]


class RegisterHeader(msgspec.Struct, kw_only=True):
    """The first line."""

    reachprobe_register: int
    name: str
    country: str
    updated: datetime


class RegisterFooter(msgspec.Struct):
    """The last line."""

    entries: int


class RegisterLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One entry."""

    key: Text
    block_type: Literal["url", "domain", "domain-mask", "ip"]
    names: ListedItems = ()
    """Masks among them, with their `*.`."""
    urls: ListedItems = ()
    subnets: ListedItems = ()
    resolved: ListedItems = ()
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


class ExportedVersion(msgspec.Struct, frozen=True):
    """The newest version of a register that a database has."""

    name: str
    country: str
    register_id: int
    at: int
    updated: int | None
    entries: int


def newest(db: Database, name: str) -> ExportedVersion | None:
    row = db.execute(SQL["EXPORTED_VERSION"], [name]).fetchone()
    return ExportedVersion(*row) if row is not None else None


def write(db: Database, version: ExportedVersion) -> Iterator[bytes]:
    """The newest version, line by line, each with its line feed."""
    updated = datetime.fromtimestamp(version.updated or version.at, UTC)
    head = RegisterHeader(reachprobe_register=VERSION, name=version.name, country=version.country, updated=updated)
    yield msgspec.json.encode(head) + b"\n"
    encode, count = msgspec.json.Encoder().encode, 0
    for row in db.execute(SQL["EXPORTED_ENTRIES"], [version.register_id]):
        yield encode(_line(row)) + b"\n"
        count += 1
    yield msgspec.json.encode(RegisterFooter(count)) + b"\n"


def _line(row: tuple[Any, ...]) -> RegisterLine:
    given: dict[str, Any] = dict(zip(RegisterLine.__struct_fields__, row, strict=True))
    given["key"] = str(given["key"])
    for name, between in LISTS.items():
        given[name] = tuple(given[name].split(between)) if given[name] else ()
    for name in ("authority", "decision_number", "decision_date"):
        given[name] = given[name] or None  # what no decision says is an empty text there
    return RegisterLine(**given)


def recognises(head: bytes) -> bool:
    return head.startswith(BEGINNING)


def read(files: Iterable[RegisterFile]) -> Iterator[RegisterItem]:
    """Every entry. TruncatedRegister where the last line does not say that it is all there."""
    for file in files:
        count, stated = 0, None
        for number, content, __ in file.lines():
            if content is None:
                yield too_long(file, number)
                count += 1
            elif number == 1:
                yield VersionTime(_head(file, content).updated)
            elif content.startswith(b'{"entries":'):
                stated = None
                with suppress(BadRow):
                    stated = _decoded(content, RegisterFooter).entries
            elif content:
                count += 1
                yield RawRow(number, file.name, content, partial(parse, content))
        if stated != count:
            raise TruncatedRegister(
                _("{name} is incomplete: it has {count} entries; download it again").format(name=file.name, count=count)
            )


def _head(file: RegisterFile, line: bytes) -> RegisterHeader:
    try:
        head: RegisterHeader = _decoded(line, RegisterHeader)
    except BadRow as error:
        raise RegisterError(_("{name}: {error}; download it again").format(name=file.name, error=error)) from error
    if head.reachprobe_register != VERSION or head.updated.tzinfo is None:
        raise RegisterError(_("{name} was written by another version of reachprobe; upgrade").format(name=file.name))
    return head


def parse(line: bytes) -> RegisterEntry:
    """One entry. Raises BadRow."""
    row: RegisterLine = _decoded(line, RegisterLine)
    what = names.listed_items(row.names, row.urls)
    subnets, wrong = names.listed_ranges(row.subnets)
    resolved, also_wrong = names.listed_ranges(row.resolved)
    if remarks := (*what.remarks, *wrong, *also_wrong):
        raise BadRow("; ".join(remarks))
    texts: dict[str, Any] = {name: names.clean(getattr(row, name) or "") or None for name in TEXTS}
    return RegisterEntry(
        key=row.key,
        block_type=row.block_type,
        names=what.names,
        masks=what.masks,
        urls=what.urls,
        subnets=(*what.subnets, *subnets),
        resolved=names.single_addresses(resolved),
        decision_date=names.calendar_date(row.decision_date),
        listed_on=names.calendar_date(row.listed_on),
        listed_at=row.listed_at,
        until=names.calendar_date(row.until),
        **texts,
    )


def _decoded(line: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRow(f"not readable: {error}") from error


FORMAT = RegisterFormat("reachprobe", recognises, read)
