"""Lists with one thing a line: names, masks, URLs, addresses, subnets; hosts files; dnsmasq and ad-blocker rules.

`example.org` | `*.example.org` | `.example.org` | `0.0.0.0 example.org` | `local=/example.org/` | `||example.org^` |
`192.0.2.0/24` | `http://example.org/page`. Comments begin with `#`, `!`, `;` or `//`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial

from results.registers import names
from results.registers.formats import RegisterFormat, RegisterItem, entry_of, time_of_comment, too_long
from results.registers.records import BadRow, RawRow, RegisterEntry, RowProblem, VersionTime
from results.registers.source import HEAD_BYTES, RegisterFile

_NOWHERE = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1"})  # noqa: S104 (a hosts file's address, not one to bind)
_OWN = re.compile(r"(localhost|localhost\.localdomain|local|broadcasthost|ip6-\w+|0\.0\.0\.0)\Z")
_COMMENT = re.compile(r"(?:^|\s)(?:#|!|;|//).*")
_DNSMASQ = re.compile(r"(?:local|address|server)=/([^/]+)/[^/]*\Z")
_ADBLOCK = re.compile(r"\|\|([^/^$*]+)\^\Z")
_ENOUGH = 50


def recognises(head: bytes) -> bool:
    """Nine in ten of the first lines are such things, or comments."""
    if b"\0" in head:
        return False
    whole = head.split(b"\n") if len(head) < HEAD_BYTES else head.split(b"\n")[:-1]
    texts = [text for line in whole if (text := _text(line))][:_ENOUGH]
    return bool(texts) and sum(map(_readable, texts)) * 10 >= len(texts) * 9


def _readable(text: str) -> bool:
    try:
        parse(text)
    except BadRow:
        return False
    return True


def read(files: Iterable[RegisterFile]) -> Iterator[RegisterItem]:
    """Every line that says something; the comments before the first may say when the list is from."""
    for file in files:
        at_head = True
        for number, content, ended in file.lines():
            if content is None:
                yield too_long(file, number)
            elif text := _text(content):
                at_head = False
                if not ended:
                    yield RowProblem(file.name, number, "no line feed at the end: this name may be cut short", False)
                yield RawRow(number, file.name, text.encode("utf-8", "replace"), partial(parse, text))
            elif at_head and (moment := time_of_comment(content.decode("utf-8", "replace"))) is not None:
                yield VersionTime(moment)


def _text(line: bytes) -> str:
    """What a line says without comment; nothing for a hosts file's own names."""
    text = _COMMENT.sub("", line.decode("utf-8", "replace").removeprefix("\ufeff")).strip()
    cells = text.split()
    if len(cells) > 1 and names.address(cells[0]) and all(_OWN.match(cell) for cell in cells[1:]):
        return ""
    return text


def parse(text: str) -> RegisterEntry:
    """One line as an entry. Raises BadRow."""
    cells = text.split()
    if len(cells) > 1 and cells[0] not in _NOWHERE and names.subnets(text):
        return entry_of(text, names.listed_items([text], ()))
    if len(cells) > 1 and cells[0] in _NOWHERE:
        return entry_of(text, names.listed_items([cell for cell in cells[1:] if not _OWN.match(cell)], ()))
    if len(cells) != 1:
        raise BadRow("more than one thing in the line")
    if rule := _DNSMASQ.match(text) or _ADBLOCK.match(text):
        return entry_of(text, names.listed_items([f"*.{rule[1]}"], ()))
    if "://" in text:
        return entry_of(text, names.listed_items((), [text]))
    if text.startswith("."):
        return entry_of(text, names.listed_items([f"*{text}"], ()))
    if "," in text or ";" in text or ("/" in text and not names.subnets(text)):
        raise BadRow("neither a name nor an address")
    return entry_of(text, names.listed_items([text], ()))


FORMAT = RegisterFormat("plain", recognises, read)
