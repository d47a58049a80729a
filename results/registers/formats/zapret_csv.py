"""The zapret-info CSV of Russia's register: one row a line, CP1251, `;` between columns.

`IPs ; domain ; URLs ; authority ; decision number ; decision date`, lists inside a column joined by `|`. A whole dump
begins with `Updated: YYYY-MM-DD HH:MM:SS +0000`, its parts (dump-00.csv ...) do not. In 2024 rows were trimmed (URL,
number and date dropped), so short rows are read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import partial

from results.registers import names
from results.registers.formats import RegisterFormat, RegisterItem, article, cells_of, too_long
from results.registers.records import BadRow, RawRow, RegisterEntry, RowProblem, TruncatedRegister, VersionTime
from results.registers.source import RegisterFile

COLUMNS = 6
_BOM = b"\xef\xbb\xbf"
_LIST = re.compile(r"\s*\|\s*")
# A bare `|` can be part of a URL: there it separates only where another URL follows.
_URL_LIST = re.compile(r"\s+\|\s+|\|(?=[A-Za-z][A-Za-z0-9+.-]{1,20}:/)")
_UPDATED = re.compile(rb"Updated: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})")


def recognises(head: bytes) -> bool:
    """A dump's first line, or a part: the first column is a list of addresses (or empty) and a `;` follows it."""
    head = head.removeprefix(_BOM)
    if head.startswith(b"Updated: "):
        return True
    first = head.partition(b"\n")[0]
    cells = first.split(b";")
    if len(cells) < 3 or b"<" in cells[0]:
        return False
    listed = [text for text in _LIST.split(cells[0].decode("latin-1").strip()) if text]
    return all(names.subnets(text) for text in listed) and (bool(listed) or _complete(first.rstrip(b"\r")))


def read(files: Iterable[RegisterFile]) -> Iterator[RegisterItem]:
    """Rows of a dump, or of its parts in any order. Raises TruncatedRegister where a file stops within its last row."""
    for file in files:
        for number, content, ended in file.lines():
            if content is None:
                yield too_long(file, number)
            elif number == 1 and content.removeprefix(_BOM).startswith(b"Updated:"):
                yield _updated(file, content)
            elif content.strip():
                if not ended and not _complete(content):
                    why = f"is cut short: line {number}, its last, is not whole; fetch it again"
                    raise TruncatedRegister(f"{file.name} {why}")
                yield RawRow(number, file.name, content, partial(parse, content))


def _updated(file: RegisterFile, line: bytes) -> VersionTime | RowProblem:
    if match := _UPDATED.match(line.removeprefix(_BOM)):
        try:
            return VersionTime(datetime.strptime(match[1].decode(), "%Y-%m-%d %H:%M:%S %z").astimezone(UTC))
        except (ValueError, OverflowError):
            pass
    return RowProblem(
        file.name, 1, f"no date in the first line: {names.quoted(line.decode('cp1251', 'replace'))}", False
    )


def _complete(line: bytes) -> bool:
    """Only a row that ends in a full date is surely whole without a line feed."""
    try:
        cells = _cells(line)
    except BadRow:
        return False
    return len(cells) == COLUMNS and names.calendar_date(cells[5].strip()) is not None


def _cells(line: bytes) -> list[str]:
    text = _decoded(line)
    if "\0" in text:
        raise BadRow("a NUL in the row")
    if '"' not in text:
        return text.split(";")
    return cells_of(text, ";")


def _decoded(line: bytes) -> str:
    """CP1251, or UTF-8 in converted copies: Cyrillic in CP1251 is not valid UTF-8."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return line.decode("cp1251")
    except UnicodeDecodeError as error:
        raise BadRow(f"byte 0x{line[error.start]:02x} is not CP1251") from error


def parse(line: bytes) -> RegisterEntry:
    """One row as an entry. Raises BadRow."""
    cells = _cells(line)
    if not 2 <= len(cells) <= COLUMNS:
        raise BadRow(f"{len(cells)} columns instead of {COLUMNS}")
    if len(cells) == 3 and "://" not in cells[2]:  # the trimmed form: addresses, domain, authority
        cells.insert(2, "")
    ips, domain, url, authority, number, day = cells + [""] * (COLUMNS - len(cells))
    domains, urls = _listed(domain, _LIST), _listed(url, _URL_LIST)
    addresses, odd = names.listed_ranges(_listed(ips, _LIST))
    what = names.listed_items(domains, urls)
    day = day.strip()
    date = names.calendar_date(day)
    odd_date = () if not day or date else (f"date: {names.quoted(day)} is not one",)
    decision = f"{authority.strip()}|{number.strip()}|{day}"
    named = what.names or what.masks or what.urls or what.subnets
    unread = bool(urls) and not what.urls  # it lists pages, and is not to become a listing of their host
    if unread or (not named and (domains or not addresses)):
        raise BadRow("; ".join(what.remarks + odd) or "neither address, domain nor URL")
    return RegisterEntry(
        key=f"{decision}|{domain}|{url}" if named else f"{decision}|{ips}",
        block_type=what.block_type,
        names=what.names,
        masks=what.masks,
        urls=what.urls,
        subnets=(() if what.urls else what.subnets) if named else addresses,
        resolved=names.single_addresses(addresses) if named else (),
        authority=names.clean(authority) or None,
        decision_number=names.clean(number) or None,
        decision_date=date,
        basis=article("decision", authority=names.clean(authority), number=names.clean(number), date=date),
        remarks=what.remarks + odd + odd_date,
    )


def _listed(cell: str, separator: re.Pattern[str]) -> list[str]:
    cell = cell.strip()
    if "|" in cell:
        return [text for text in separator.split(cell) if text]
    return [cell] if cell else []


FORMAT = RegisterFormat("zapret-csv", recognises, read, register="rkn", country="RU")
