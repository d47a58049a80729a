"""DNS response policy zones: a zone file whose names are what is blocked (draft-vixie-dnsop-dns-rpz).

`name CNAME .` blocks a name, `*.name CNAME .` what is below it (a mask here; the name itself has its own rule),
`32.1.2.0.192.rpz-ip` an address. `rpz-passthru.` is the opposite of a block. The zone's own name is removed.
Zone files are read as RFC 1035 section 5.1 writes them, record by record, in bounded memory; `$GENERATE` and
`$INCLUDE` are reported, not followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from results.registers import names
from results.registers.formats import RegisterFormat, RegisterItem, entry_of, time_of_serial
from results.registers.records import BadRow, RawRow, RegisterEntry, RowProblem, Subnet, VersionTime
from results.registers.source import MAX_LINE_BYTES, RegisterFile

MAX_RECORD_CHARACTERS = 16384
MAX_RECORD_LINES = 1000
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|;.*|[()]|(?:[^\s";()\\]|\\.)+|\\', re.DOTALL)
_SPECIAL = re.compile(r'["();\\]')
_TTL = re.compile(r"\d+(?:[smhdw]\d*)*\Z", re.IGNORECASE)
_CLASSES = frozenset({"IN", "CH", "HS", "CS"})
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")
_IGNORED = frozenset({"$TTL"})


class ZoneRecord(NamedTuple):
    """One record: lower-case owner (absolute ones end in a dot), type in capitals, and its data as written.

    `names` are the data once more, completed by the origin.
    """

    line: int
    owner: str
    kind: str
    data: tuple[str, ...]
    names: tuple[str, ...]


class ZoneTrouble(NamedTuple):
    """A line that could not be read, or is not followed."""

    line: int
    why: str


class _Entry(NamedTuple):
    """One entry of the file, which brackets may spread over several lines; `indented`: its owner is left out."""

    line: int
    indented: bool
    tokens: tuple[str, ...]


def records(file: RegisterFile) -> Iterator[ZoneRecord | ZoneTrouble]:
    """Every record. The origin at the beginning is the zone's own name, which the file need not say."""
    origin, owner = "", None
    for entry in _entries(file):
        if isinstance(entry, ZoneTrouble):
            yield entry
            continue
        line, indented, tokens = entry
        word = tokens[0].upper()
        if not indented and word.startswith("$"):
            if word == "$ORIGIN" and len(tokens) > 1:
                origin = completed(tokens[1].lower(), origin)
            elif word not in _IGNORED:
                yield ZoneTrouble(line, f"{names.clean(word)[:20]} is not followed")
            continue
        if not indented:
            owner = completed(tokens[0].lower(), origin)
        found = _record(line, owner, tokens if indented else tokens[1:], origin)
        yield found or ZoneTrouble(line, "not a record of a zone")


def completed(name: str, origin: str) -> str:
    """A name made absolute by the origin; relative still where the origin is the unsaid name of the zone."""
    if name == "@":
        return origin
    if name.endswith(".") or not origin:
        return name
    return f"{name}." if origin == "." else f"{name}.{origin}"


def _record(line: int, owner: str | None, tokens: tuple[str, ...], origin: str) -> ZoneRecord | None:
    seen: set[str] = set()
    for place, token in enumerate(tokens[:3]):
        what = "class" if token.upper() in _CLASSES else "ttl" if _TTL.match(token) else "type"
        if what == "type" or what in seen:
            data = tokens[place + 1 :]
            if owner is None or not data or not _TYPE.match(token):
                return None
            full = tuple(completed(text.lower(), origin) for text in data[:2])
            return ZoneRecord(line, owner, token.upper(), data, full)
        seen.add(what)
    return None


def _entries(file: RegisterFile) -> Iterator[_Entry | ZoneTrouble]:
    waiting: list[str] = []
    first, indented, depth, size = 0, False, 0, 0
    for number, content, _ in file.lines():
        if content is None:
            yield ZoneTrouble(number, f"a line of more than {MAX_LINE_BYTES >> 20} MiB")
            continue
        text = content.decode("utf-8", "replace").removeprefix("\ufeff")
        if not depth:
            waiting, first, indented, size = [], number, text[:1].isspace(), 0
        for word in _TOKEN.findall(text) if _SPECIAL.search(text) else text.split():
            if word == "(":
                depth += 1
            elif word == ")":
                depth = max(0, depth - 1)
            elif word[0] != ";":
                waiting.append(word)
                size += len(word)
        if depth and (size > MAX_RECORD_CHARACTERS or number - first > MAX_RECORD_LINES):
            yield ZoneTrouble(first, "a bracket that does not close")
            waiting, depth = [], 0
        elif not depth and waiting:
            yield _Entry(first, indented, tuple(waiting))
    if depth:
        yield ZoneTrouble(first, "a bracket that does not close")


_OWNER = rb"^(?:[^\s;$][^\s]*)?[ \t]+(?:(?:\d[\dsmhdw]*|IN|CH|HS)[ \t]+){0,2}"
_RULE = re.compile(_OWNER + rb"CNAME[ \t]+(?:\*?\.|rpz-[\w-]+\.)[ \t]*(?:;.*)?\r?$", re.MULTILINE | re.IGNORECASE)
_ANY_RULE = re.compile(_OWNER + rb"(?:CNAME|A|AAAA)[ \t]+\S", re.MULTILINE | re.IGNORECASE)
_SOA = re.compile(_OWNER + rb"SOA[ \t]+\S", re.MULTILINE | re.IGNORECASE)
_ALLOWED = frozenset({"rpz-passthru.", "rpz-tcp-only."})
_BLOCKING = frozenset({"CNAME", "A", "AAAA"})


def recognises(head: bytes) -> bool:
    """A rule `CNAME .`, `CNAME *.` or `CNAME rpz-...` among the first lines, or an SOA and another CNAME or address."""
    return _RULE.search(head) is not None or (_SOA.search(head) is not None and _ANY_RULE.search(head) is not None)


def read(files: Iterable[RegisterFile]) -> Iterator[RegisterItem]:
    """The zone's rules; its SOA says which zone and version it is."""
    for file in files:
        zone: str | None = None
        servers: set[str] = set()
        for record in records(file):
            if isinstance(record, ZoneTrouble):
                yield RowProblem(file.name, record.line, record.why)
            elif record.kind == "SOA":
                zone = record.owner if record.owner.endswith(".") else zone
                servers.update(record.names[:1])
                if (moment := time_of_serial(record.data[2] if len(record.data) > 2 else "")) is not None:
                    yield VersionTime(moment)
            elif record.kind == "NS":
                servers.update(record.names[:1])
            elif record.kind in _BLOCKING and record.owner not in servers:
                yield from _rule(file, record, zone)


def _rule(file: RegisterFile, record: ZoneRecord, zone: str | None) -> Iterator[RegisterItem]:
    """The rule in a record, unless that is an exception, or the address of the zone itself."""
    owner = record.owner
    if owner.endswith(".") and zone is not None:
        if owner != zone and zone != "." and not owner.endswith(f".{zone}"):
            yield RowProblem(file.name, record.line, f"outside the zone: {names.quoted(owner)}")
            return
        owner = owner.removesuffix(zone)
    owner, leads_to = owner.rstrip("."), record.data[0].lower()
    if owner and leads_to not in _ALLOWED and leads_to != f"{owner}.":
        yield RawRow(record.line, file.name, owner.encode("utf-8", "replace"), partial(parse, owner))


def parse(owner: str) -> RegisterEntry:
    """One rule's owner as an entry. Raises BadRow."""
    if owner.endswith(".rpz-ip"):
        return RegisterEntry(key=owner, block_type="ip", subnets=(_subnet(owner.removesuffix(".rpz-ip")),))
    if ".rpz-" in owner:
        raise BadRow("a rule by name server or client, which lists no target")
    return entry_of(owner, names.listed_items([owner], ()))


def _subnet(owner: str) -> Subnet:
    """`24.0.2.0.192` is 192.0.2.0/24, `48.zz.1.db8.2001` is 2001:db8:1::/48."""
    prefix, *labels = owner.split(".")
    parts = labels[::-1]
    text = ".".join(parts) if len(parts) == 4 and "zz" not in parts else _ipv6(parts)
    found = names.subnet(f"{text}/{prefix}")
    if found is None:
        raise BadRow(f"address: {names.quoted(owner)} is not one")
    return found


def _ipv6(parts: list[str]) -> str:
    text = ":".join("" if part == "zz" else part for part in parts)
    return (":" if parts[:1] == ["zz"] else "") + text + (":" if parts[-1:] == ["zz"] else "")


FORMAT = RegisterFormat("rpz", recognises, read)
