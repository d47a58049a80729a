"""Register formats: one module each, with a `FORMAT`; and what several of them read in the same way."""

from __future__ import annotations

import csv
import functools
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from probe import data_files
from probe.timestamps import http_date, parse_date, parse_time
from results.registers.names import ListedItems
from results.registers.records import BadRow, RawRow, RegisterEntry, RowProblem, VersionTime
from results.registers.source import MAX_LINE_BYTES, RegisterFile

FIRST_YEAR, LAST_YEAR = 1990, 2100
FIRST_UNIX_SERIAL, FIRST_DATE_SERIAL = 1_000_000_000, 1_990_010_100
"""Ten digits are seconds since 1970 from 2001 to 2033, and `YYYYMMDDnn` from 1990 on."""
_LABEL = re.compile(
    r"\W*(?:last[ -]?(?:modified|updated?|changed?)|updated|modified|generated|date|published)(?:\s+(?:on|at))?\b"
    r"\s*:?\s*",
    re.IGNORECASE,
)
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:?\d\d)?)?(?![\d-])")
_WRITTEN = re.compile(r"(\d{1,2})[ -]([A-Z][a-z]{2})[a-z]*[ -](\d{4})(?: (\d\d:\d\d(?::\d\d)?))?", re.ASCII)


def time_of_day(text: str | None) -> datetime | None:
    """The midnight (UTC) at which a day `YYYY-MM-DD` begins, or None."""
    try:
        day = parse_date(text) if text else None
    except ValueError:
        return None
    return _sane(datetime(day.year, day.month, day.day, tzinfo=UTC)) if day else None


def time_of_serial(text: str) -> datetime | None:
    """The moment in a zone's serial: `YYYYMMDDnn`, or seconds since 1970; None for a mere counter."""
    if not re.fullmatch(r"[0-9]{10}", text):
        return None
    if int(text) >= FIRST_DATE_SERIAL:
        return time_of_day(f"{text[:4]}-{text[4:6]}-{text[6:8]}")
    return datetime.fromtimestamp(int(text), UTC) if int(text) >= FIRST_UNIX_SERIAL else None


def time_of_comment(text: str) -> datetime | None:
    """The moment that a comment such as `# Last updated: 2019-03-02` names; UTC where it names no zone."""
    label = _LABEL.match(text[:200])
    rest = text[label.end() : label.end() + 60] if label else ""
    if match := _ISO.match(rest):
        day, time, zone = match.groups(default="")
        with suppress(ValueError):
            return _sane(parse_time(f"{day}T{time or '00:00'}{zone}"))
    if match := _WRITTEN.match(rest):
        rest = " ".join(match.groups(default="00:00"))
    moment = http_date(rest)
    return _sane(moment) if moment else None


def _sane(moment: datetime) -> datetime | None:
    return moment.astimezone(UTC) if FIRST_YEAR <= moment.year < LAST_YEAR else None


RegisterItem = RawRow | RowProblem | VersionTime


class RegisterFormat(msgspec.Struct, frozen=True):
    """A register format; `register` and `country` are set if only one register is published in it.

    `recognises` gets the first 64 KiB of a file; `read` streams its rows and raises RegisterError if one is incomplete.
    """

    name: str
    recognises: Callable[[bytes], bool]
    read: Callable[[Iterable[RegisterFile]], Iterator[RegisterItem]]
    register: str | None = None
    country: str | None = None


@functools.cache
def formats() -> dict[str, RegisterFormat]:
    """Every register format by name: the modules of this package that define `FORMAT`."""
    found: dict[str, RegisterFormat] = {}
    for module in pkgutil.iter_modules(__path__):
        candidate = getattr(importlib.import_module(f"{__name__}.{module.name}"), "FORMAT", None)
        if isinstance(candidate, RegisterFormat):
            found[candidate.name] = candidate
    return found


def too_long(file: RegisterFile, line: int) -> RowProblem:
    """The problem of a line that `RegisterFile.lines` did not keep."""
    return RowProblem(file.name, line, f"a line of more than {MAX_LINE_BYTES >> 20} MiB")


def entry_of(key: str, what: ListedItems, **more: Any) -> RegisterEntry:
    """An entry that blocks these items. BadRow where one of them could not be read."""
    if what.remarks:
        raise BadRow("; ".join(what.remarks))
    exact, masks, urls, subnets, _ = what
    return RegisterEntry(
        key=key, block_type=what.block_type, names=exact, masks=masks, urls=urls, subnets=subnets, **more
    )


def cells_of(row: str, separator: str) -> list[str]:
    """The cells of a CSV row. BadRow where its quotes do not match."""
    csv.field_size_limit(MAX_LINE_BYTES)
    try:
        return next(csv.reader([row], delimiter=separator, strict=True), [])
    except csv.Error as error:
        raise BadRow(f"quotes do not match: {error}") from error


@functools.lru_cache(maxsize=4096)
def article(table: str, **fields: str | None) -> str | None:
    """The article of Russia's law that an entry is based on, as `149-FZ 15.4`, by a table of law.toml."""
    for rule in data_files("results.registers")["law"][table]:
        if all(re.fullmatch(rule.get(name, ".*"), value or "") for name, value in fields.items()):
            return str(rule["basis"])
    return None
