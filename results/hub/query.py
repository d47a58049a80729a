"""Pages of measurements in the order of arrival, by filters.

That order never changes: a client that continues with a page's `after` gets each later measurement exactly once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from probe.text import printable
from probe.timestamps import parse_time, rfc3339
from results.db import read
from results.sql import statements

if TYPE_CHECKING:
    from sqlite_utils import Database

SCAN_WINDOW = 20_000
"""Row numbers that one query looks at."""
MAX_SCAN_S = 2.0
"""After it a page is returned even if it is not full."""
MAX_PAGE_SIZE, DEFAULT_PAGE_SIZE = 5000, 1000
SQL = statements(__file__, COLUMNS=read.SQL["COLUMNS"])
NUMBER, RECEIVED, FLAG, REQUIRED, NETWORK_NAME = 28, 29, 30, 10, 14
"""Columns of a row."""
CONDITIONS = {name: condition.format(at="m") for name, condition in read.FILTERS.items()} | {
    "country": "w.country = ?",
    "asn": "w.asn = ?",
    "method": "v.method = ?",
    "flagged": "(x.flag IS NOT NULL) = ?",
}

Text = Annotated[str, Meta(min_length=1, max_length=2048)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
YesNo = Literal["yes", "no"]
MAX_INTEGER = 2**63 - 1


class BadFilter(ValueError):
    """An unknown filter, or a value that is none; the message says which."""


class Filters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Filters that must all hold; times are UTC, and a day is its beginning."""

    since: Name | None = None
    until: Name | None = None
    target: Text | None = None
    service: Name | None = None
    vantage: Name | None = None
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")] | None = None
    asn: Annotated[int, Meta(ge=1, le=4294967295)] | None = None
    path: Name | None = None
    outcome: Literal["reachable", "blocked", "denied", "down", "offline", "inconclusive"] | None = None
    method: Name | None = None
    agreement: Literal["enforced", "unenforced", "collateral", "unlisted-block", "open", "undecided"] | None = None
    flagged: YesNo | None = None
    after: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] = 0


class MeasurementsQuery(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page; `record` for the whole records."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)] = DEFAULT_PAGE_SIZE
    record: YesNo = "no"


class ExportQuery(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A download."""

    format: Literal["csv", "jsonl", "ooni"]
    licence: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.-]{1,40}$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_INTEGER)] = MAX_INTEGER


class OutagesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A period; its beginning is needed, since all of its measurements are read."""

    since: Name
    until: Name | None = None


class CorrectionsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page without filters."""

    after: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)] = DEFAULT_PAGE_SIZE


class RowPage(msgspec.Struct, frozen=True):
    """Rows of measurements; `after` is where the next page begins, `more` whether there is one already."""

    rows: list[tuple[Any, ...]]
    after: int
    more: bool


def parse_query(query: Mapping[str, str], kind: Any = MeasurementsQuery) -> Any:
    """A query string's values as a `kind`. BadFilter."""
    try:
        parsed = msgspec.convert(dict(query), kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadFilter(printable(str(error).replace("Object contains unknown field", "there is no filter"))) from error
    for name in ("since", "until"):
        if (text := getattr(parsed, name, None)) is not None:
            parsed = msgspec.structs.replace(parsed, **{name: _comparable(name, text)})
    return parsed


def _comparable(name: str, text: str) -> str:
    """A time as stored ones compare with it: without the Z, so that fractions of its second sort after it."""
    try:
        at = rfc3339(parse_time(text), "microseconds")
    except ValueError as error:
        raise BadFilter(f"{name}: give a UTC date or time, as 2017-05-06T12:00:00Z") from error
    return at.removesuffix("Z").rstrip("0").rstrip(".")


def page(
    db: Database,
    filters: Filters,
    size: int,
    *,
    max_scan_s: float = MAX_SCAN_S,
    clock: Callable[[], float] = time.monotonic,
) -> RowPage:
    """The next measurements after `filters.after`, at most `size`; fewer where finding them takes long."""
    conditions, values = _conditions(filters)
    query = f"{SQL['MEASUREMENTS']}{conditions} ORDER BY m.number LIMIT ?"
    (newest,) = db.execute("SELECT ifnull(max(number), 0) FROM measurements").fetchone()
    rows: list[tuple[Any, ...]] = []
    after, deadline = filters.after, clock() + max_scan_s
    while after < newest:
        end, left = min(after + SCAN_WINDOW, newest), size - len(rows)
        found = db.execute(query, [after, end, *values, left]).fetchall()
        rows += found
        if len(found) == left:
            after = found[-1][NUMBER]
            break
        after = end
        if clock() > deadline:
            break
    return RowPage(rows, after, after < newest)


def measurement_line(row: tuple[Any, ...]) -> dict[str, Any]:
    """The documented line with what a hub adds to it."""
    line = read.line_of(row)
    line["vantage"] = {**line["vantage"], "network_name": row[NETWORK_NAME]}
    return {**line, "required": bool(row[REQUIRED]), "received_at": row[RECEIVED], "flag": row[FLAG]}


def find_row(db: Database, measurement_id: str) -> tuple[Any, ...] | None:
    """A measurement's row; None where it is not stored, and for a control."""
    found = db.execute("SELECT number FROM measurements WHERE id = ?", [measurement_id]).fetchone()
    if found is None:
        return None
    row: tuple[Any, ...] | None = db.execute(SQL["MEASUREMENTS"], [found[0] - 1, found[0]]).fetchone()
    return row


def _conditions(filters: Filters) -> tuple[str, list[Any]]:
    given = [(name, value) for name in CONDITIONS if (value := getattr(filters, name)) is not None]
    values = [value == "yes" if name == "flagged" else value for name, value in given]
    return "".join(f" AND {CONDITIONS[name]}" for name, _ in given), values
