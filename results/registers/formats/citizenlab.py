"""Citizen Lab's official lists (lists/official/ of test-lists): what an authority ordered blocked, nine columns, UTF-8.

Its other lists (six columns) are targets, not registers. Most rows are bare hosts, some with a leading dot;
`http://host` stands for the host too. The earlier of the two dates is the order's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from gettext import gettext as _

from results.registers import names
from results.registers.formats import RegisterFormat, RegisterItem, cells_of, time_of_day, too_long
from results.registers.records import BadRow, RawRow, RegisterEntry, RegisterError, TruncatedRegister, VersionTime
from results.registers.source import RegisterFile

COLUMNS = "url,name,category_code,date_added,date_published,data_format_version,source,authority,notes"
TEST_LIST = "url,category_code,category_description,date_added,source,notes"
_WIDTH = COLUMNS.count(",") + 1


def recognises(head: bytes) -> bool:
    """The first line names the columns, of an official list or of a test list (which is refused with a word)."""
    first = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].strip()
    return first in (COLUMNS.encode(), TEST_LIST.encode())


def read(files: Iterable[RegisterFile]) -> Iterator[RegisterItem]:
    """Rows of one or several official lists. Raises RegisterError for a test list, TruncatedRegister for a cut row."""
    for file in files:
        for number, content, ended in file.lines():
            if content is None:
                yield too_long(file, number)
                continue
            if number == 1:
                _check(file, content)
                continue
            if not ended and content.count(b",") < _WIDTH - 1:
                raise TruncatedRegister(
                    _("{name} is truncated at line {number}; download it again").format(name=file.name, number=number)
                )
            if content.strip():
                if (moment := time_of_day(_published(content))) is not None:
                    yield VersionTime(moment)
                yield RawRow(number, file.name, content, partial(parse, content))


def _check(file: RegisterFile, first: bytes) -> None:
    columns = first.removeprefix(b"\xef\xbb\xbf").strip().decode("utf-8", "replace")
    if columns == TEST_LIST:
        raise RegisterError(_("{name} is a test list (targets to measure), not a register").format(name=file.name))
    if columns != COLUMNS:
        raise RegisterError(
            _("{name}: the first line does not have the columns of an official list").format(name=file.name)
        )


def _published(line: bytes) -> str | None:
    """The day a row was published, else added to the list: the list is as new as the newest of these."""
    try:
        cells = _cells(line)
    except BadRow:
        return None
    return cells[4] or cells[3]


def _cells(line: bytes) -> list[str]:
    try:
        cells = cells_of(line.decode("utf-8"), ",")
    except UnicodeDecodeError as error:
        raise BadRow(f"not readable: {error}") from error
    if len(cells) != _WIDTH:
        raise BadRow(f"{len(cells)} columns instead of {_WIDTH}")
    return [cell.strip() for cell in cells]


def parse(line: bytes) -> RegisterEntry:
    """One row as an entry. Raises BadRow."""
    url, _, category, added, published, _, source, authority, notes = _cells(line)
    listed, below = url.lstrip("."), "all subdomains" in notes.casefold()
    subnets = names.subnets(listed)
    try:
        parsed = names.listed_url(listed) if "://" in listed else None
        host = parsed.host if parsed else "" if subnets else names.listed_name(listed)
    except names.BadName as error:
        raise BadRow(f"name: {error}") from error
    whole = parsed is None or parsed.key.partition("://")[2] == f"{host}/"
    subnets = subnets or (names.subnets(host) if whole else ())
    return RegisterEntry(
        key=f"{authority}|{source}|{url}",
        block_type=("ip" if subnets else "domain-mask" if below else "domain") if whole else "url",
        names=(host,) if not subnets and not (whole and below) else (),
        masks=(host,) if whole and below and not subnets else (),
        urls=(parsed,) if parsed and not whole else (),
        subnets=subnets,
        authority=names.clean(authority) or None,
        decision_number=names.clean(source) or None,
        decision_date=min(filter(None, map(names.calendar_date, (added, published))), default=None),
        entry_type=names.clean(category) or None,
    )


FORMAT = RegisterFormat("citizenlab-official", recognises, read)
