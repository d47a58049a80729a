"""Zone files as RFC 1035 section 5.1 writes them, record by record, in bounded memory.

`$ORIGIN`, `@`, names relative to the origin, an owner left out, class and TTL in either order, brackets, quotes and
comments. `$GENERATE` and `$INCLUDE` are reported, not followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from results.registers import names
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
