"""dump.xml of Russia's register (vigruzki.rkn.gov.ru, formats 2.2 to 2.4), streamed through expat.

Only what the instruction describes is let in: no document type, no entities, three levels. Parts cut by bytes
(dump.xml.00, .01 ...) are read as one stream. `includeTime` has no zone and is Moscow's; `updateTime` has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from gettext import gettext as _
from typing import Any
from xml.parsers import expat  # the handlers below refuse document types and entities

import msgspec

from probe.timestamps import parse_time
from results.registers import names
from results.registers.formats import RegisterFormat, RegisterItem, article
from results.registers.records import (
    BadRow,
    RawRow,
    RegisterEntry,
    RegisterError,
    RowProblem,
    Subnet,
    TruncatedRegister,
    VersionTime,
)
from results.registers.source import RegisterFile

MAX_ENTRY = 4 << 20  # characters in one entry
MAX_TOKEN = 16 << 20  # bytes expat may hold back while a tag is open
MAX_DEPTH = 16
_ENCODINGS = frozenset({"windows-1251", "cp1251", "utf-8", "us-ascii"})
_CHILDREN = frozenset({"url", "domain", "ip", "ipv6", "ipSubnet", "ipv6Subnet"})
_BLOCK_TYPES = frozenset({"default", "domain", "domain-mask", "ip"})
# `ts` and `hash` are book-keeping: they change where nothing that is blocked does.
_ATTRIBUTES = ("id", "includeTime", "urgencyType", "entryType", "blockType")
_MOSCOW_SUMMER_FOR_EVER = (datetime(2011, 3, 27, 2), datetime(2014, 10, 26, 2))  # noqa: DTZ001 (Moscow's own clock)


class Content(msgspec.Struct, frozen=True):
    """One `<content>`: its attributes, the decision's, and (tag, text) of its children."""

    attributes: dict[str, str]
    decision: dict[str, str]
    children: tuple[tuple[str, str], ...]


def recognises(head: bytes) -> bool:
    """The root element is `register` of the namespace rsoc.ru."""
    return b":register" in head[:2048] and b"rsoc.ru" in head[:2048] and head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"<"


def read(files: Iterable[RegisterFile]) -> Iterator[RegisterItem]:
    """Contents of a dump, or of its byte-split parts in order. Raises TruncatedRegister where it ends early."""
    handler = _Handler()
    parser = _parser(handler)
    name, fed = "the register", 0
    try:
        for file in files:
            name = file.name
            for chunk in file.chunks():
                parser.Parse(chunk, False)
                fed += len(chunk)
                if fed - parser.CurrentByteIndex > MAX_TOKEN:
                    raise RegisterError(
                        _("{name} has a tag of more than {limit} MiB, so it is not a register").format(
                            name=name, limit=MAX_TOKEN >> 20
                        )
                    )
                yield from handler.take(name)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        if (error.code in _ENDS_EARLY and handler.open) or not handler.began:
            raise TruncatedRegister(
                _("{name} is truncated after {count} entries; download it again").format(name=name, count=handler.count)
            ) from error
        raise RegisterError(
            _("{name} is not well-formed XML: {error}; download it again").format(name=name, error=error)
        ) from error
    except (UnicodeError, LookupError, ValueError) as error:
        raise RegisterError(_("{name} cannot be read: {error}").format(name=name, error=error)) from error
    yield from handler.take(name)


_ENDS_EARLY = frozenset(
    expat.errors.codes[text]
    for text in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
    )
)


def _parser(handler: _Handler) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.XmlDeclHandler = handler.declaration
    parser.StartDoctypeDeclHandler = handler.refuse
    parser.EntityDeclHandler = handler.refuse
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    handler.line = lambda: parser.CurrentLineNumber
    return parser


class _Handler:
    """Collects finished contents until they are taken."""

    def __init__(self) -> None:
        self.depth = self.count = 0
        self.began = self.open = False
        self.line: Any = None
        self._ready: list[tuple[int, Content] | tuple[int, str] | VersionTime] = []
        self._attributes: dict[str, str] = {}
        self._decision: dict[str, str] = {}
        self._children: list[tuple[str, str]] = []
        self._texts: list[str] = []
        self._length = 0
        self._trouble: str | None = None

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.lower() not in _ENCODINGS:
            raise RegisterError(
                _("the dump is in {encoding}, not windows-1251 or UTF-8").format(encoding=names.quoted(encoding))
            )

    def refuse(self, *ignored: Any) -> None:
        raise RegisterError(_("the dump declares a document type or entities, which no register does; not read"))

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RegisterError(_("the dump is nested deeper than any register"))
        if self.depth == 1:
            if tag.rpartition(":")[2] != "register":
                raise RegisterError(_("the root element is {tag}, not a register").format(tag=names.quoted(tag)))
            self.began = self.open = True
            self._ready.append(_updated(attributes))
        elif self.depth == 2:
            self._attributes, self._decision, self._children, self._trouble = attributes, {}, [], None
            self._length = 0
            if tag != "content":
                self._trouble = f"element {names.quoted(tag)} where an entry was expected"
        elif self.depth == 3:
            self._texts = []
            if tag == "decision":
                self._decision = attributes
        else:
            self._trouble = f"element {names.quoted(tag)} inside a value"

    def text(self, data: str) -> None:
        if self.depth == 3:
            self._length += len(data)
            if self._length > MAX_ENTRY:
                self._trouble = f"an entry of more than {MAX_ENTRY >> 20} MiB"
            else:
                self._texts.append(data)

    def end(self, tag: str) -> None:
        if self.depth == 3 and tag in _CHILDREN:
            if len(self._children) < names.MAX_ITEMS:
                self._children.append((tag, "".join(self._texts).strip()))
            else:
                self._trouble = f"more than {names.MAX_ITEMS} values"
        elif self.depth == 2:
            self.count += 1
            content = Content(self._attributes, self._decision, tuple(self._children))
            self._ready.append((self.line(), self._trouble or content))  # type: ignore[arg-type]
        elif self.depth == 1:
            self.open = False
        self.depth -= 1

    def take(self, source: str) -> Iterator[RegisterItem]:
        ready, self._ready = self._ready, []
        for item in ready:
            if isinstance(item, VersionTime):
                yield item
            elif isinstance(item[1], str):
                yield RowProblem(source, item[0], item[1])
            else:
                yield RawRow(item[0], source, _identity(item[1]), partial(parse, item[1]))


def _identity(content: Content) -> bytes:
    kept = {key: content.attributes.get(key) for key in _ATTRIBUTES}
    return msgspec.json.encode((kept, content.decision, content.children))


def _updated(attributes: dict[str, str]) -> VersionTime:
    """A version is as new as its newest part: urgent entries come between the regular updates."""
    moments = []
    for key in ("updateTime", "updateTimeUrgently"):
        try:
            moments.append(parse_time(attributes[key], needs_zone=True))
        except (KeyError, ValueError):
            continue
    if not moments:
        raise RegisterError(_("the dump has no updateTime, so its version is unknown"))
    return VersionTime(max(moments))


def moscow(text: str) -> datetime | None:
    """A Moscow clock time as UTC: +4 from spring 2011 to autumn 2014, +3 since (federal laws 107-FZ, 248-FZ)."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return None
    if local.tzinfo:
        return local.astimezone(UTC)
    begin, end = _MOSCOW_SUMMER_FOR_EVER
    return (local - timedelta(hours=4 if begin <= local < end else 3)).replace(tzinfo=UTC)


def parse(content: Content) -> RegisterEntry:
    """One `<content>` as an entry. Raises BadRow."""
    got = content.attributes
    if not got.get("id"):
        raise BadRow("an entry without id")
    texts = {tag: [text for key, text in content.children if key == tag and text] for tag in _CHILDREN}
    what = names.listed_items(texts["domain"], texts["url"])
    addresses, odd = names.listed_ranges(texts["ip"] + texts["ipv6"] + texts["ipSubnet"] + texts["ipv6Subnet"])
    declared = got.get("blockType", "default")
    if declared not in _BLOCK_TYPES:
        odd += (f"blockType {names.quoted(declared)} is unknown: taken by what the entry holds",)
    bare = not texts["domain"] and not texts["url"]
    block_type, blocked = _blocked(declared, what, addresses if bare or declared == "ip" else ())
    unread = block_type == "domain" != declared and texts["url"]  # pages, not to become a listing of their host
    if unread or not any(blocked):
        raise BadRow("; ".join(what.remarks + odd) or "neither address, domain nor URL")
    exact, masks, urls, subnets = blocked
    number, authority = (names.clean(content.decision.get(key, "")) for key in ("number", "org"))
    included = moscow(got.get("includeTime", ""))
    return RegisterEntry(
        key=f"id|{got['id']}",
        ref=got["id"],
        block_type=block_type,
        names=exact,
        masks=masks,
        urls=urls,
        subnets=subnets,
        resolved=() if block_type == "ip" else names.single_addresses(addresses),
        authority=authority or None,
        decision_number=number or None,
        decision_date=names.calendar_date(content.decision.get("date")),
        entry_type=got.get("entryType"),
        urgency=got.get("urgencyType"),
        listed_on=names.calendar_date(got.get("includeTime", "")[:10]) if included else None,
        listed_at=int(included.timestamp()) if included else None,
        basis=article("entry", type=got.get("entryType"), authority=authority, number=number),
        remarks=what.remarks + odd,
    )


_Blocked = tuple[tuple[str, ...], tuple[str, ...], tuple[Any, ...], tuple[Subnet, ...]]


def _blocked(declared: str, what: names.ListedItems, addresses: tuple[Subnet, ...]) -> tuple[str, _Blocked]:
    """The block type in force and what it blocks. The register's own word counts before what the entry holds;
    `addresses` are only those that can be meant as such."""
    hosts = what.names or tuple(url.host for url in what.urls)
    if declared == "ip":
        return "ip", ((), (), (), addresses + what.subnets)
    if declared == "domain-mask" and (what.masks or hosts):
        return "domain-mask", ((), what.masks or hosts, (), ())
    if what.urls and declared != "domain":
        return "url", (what.names + what.masks, (), what.urls, ())
    if what.masks:
        return "domain-mask", (what.names, what.masks, (), ())
    if hosts:
        return "domain", (hosts, (), (), what.subnets)
    return "ip", ((), (), (), what.subnets or addresses)


FORMAT = RegisterFormat("rkn-xml", recognises, read, register="rkn", country="RU")
