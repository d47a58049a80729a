"""Which measurements somebody wants of a hub, and the next of them: in the order in which they arrived.

That order does not change while the collector writes: who comes back with a page's `after` gets what has arrived since,
each measurement once, and misses none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from probe.timestamps import parse_time, rfc3339
from results.db.jsonl import printable
from results.db.read import COLUMNS, line_of

if TYPE_CHECKING:
    from sqlite_utils import Database

WINDOW = 20_000
"""Of the database's numbers, looked at in one go."""
LOOKS_S = 2.0
"""How long is looked for a page that is not full; then it is given as it is."""
MOST, USUAL = 5000, 1000
"""Measurements in one page."""
QUERY = f"""
{COLUMNS}, m.number, x.at, x.flag
FROM measurements m CROSS JOIN targets t ON t.id = m.target_id CROSS JOIN vantages w ON w.id = m.vantage_id
CROSS JOIN verdicts v ON v.measurement = m.number
LEFT JOIN rounds r ON r.id = m.round_id LEFT JOIN received x ON x.measurement = m.number
WHERE m.number > ? AND m.number <= ? AND m.control_of IS NULL
"""
NUMBER, RECEIVED, FLAG, REQUIRED, NETWORK_NAME = 28, 29, 30, 10, 14
"""Where these stand in a row of QUERY."""
CONDITIONS = {
    "since": "m.started_at >= ?",
    "until": "m.started_at < ?",
    "target": "t.text = ?",
    "service": "t.service = ?",
    "vantage": "w.name = ?",
    "country": "w.country = ?",
    "asn": "w.asn = ?",
    "path": "w.path = ?",
    "outcome": "v.outcome = ?",
    "method": "v.method = ?",
    "agreement": "v.agreement = ?",
    "flagged": "(x.flag IS NOT NULL) = ?",
}

Text = Annotated[str, Meta(min_length=1, max_length=2048)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
YesNo = Literal["yes", "no"]
LARGEST = 2**63 - 1


class BadQuestion(ValueError):
    """A filter that there is not, or that says nothing; the message says which."""


class Filters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The filters, all of which must hold; a time is UTC, a day its beginning."""

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
    after: Annotated[int, Meta(ge=0, le=LARGEST)] = 0


class Wanted(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page."""

    limit: Annotated[int, Meta(ge=1, le=MOST)] = USUAL
    record: YesNo = "no"
    """Whether the whole record comes with each."""


class Exported(Filters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A download."""

    format: Literal["csv", "jsonl", "ooni"]
    licence: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.-]{1,40}$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=LARGEST)] = LARGEST


class Paged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of what has no filters."""

    after: Annotated[int, Meta(ge=0, le=LARGEST)] = 0
    limit: Annotated[int, Meta(ge=1, le=MOST)] = USUAL


class Found(msgspec.Struct, frozen=True):
    """Rows as QUERY gives them; `after` is where the next begin, `more` whether there are any yet."""

    rows: list[tuple[Any, ...]]
    after: int
    more: bool


def wanted(query: Mapping[str, str], kind: Any = Wanted) -> Any:
    """The filters of a query string as a `kind`. BadQuestion."""
    try:
        found = msgspec.convert(dict(query), kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadQuestion(
            printable(str(error).replace("Object contains unknown field", "there is no filter"))
        ) from error
    for name in ("since", "until"):
        if (text := getattr(found, name, None)) is not None:
            found = msgspec.structs.replace(found, **{name: _bound(name, text)})
    return found


def _bound(name: str, text: str) -> str:
    """A time as stored ones are compared with it: without the Z, so that fractions of its second come after it."""
    try:
        at = rfc3339(parse_time(text), "microseconds")
    except ValueError as error:
        raise BadQuestion(f"{name}: give a UTC date or time, as 2017-05-06T12:00:00Z") from error
    return at.removesuffix("Z").rstrip("0").rstrip(".")


def page(
    db: Database, asked: Filters, most: int, *, looks_s: float = LOOKS_S, clock: Callable[[], float] = time.monotonic
) -> Found:
    """The next measurements after `asked.after`, at most `most`; fewer where it takes long to find them."""
    conditions, values = _conditions(asked)
    query = f"{QUERY}{conditions} ORDER BY m.number LIMIT ?"
    (top,) = db.execute("SELECT ifnull(max(number), 0) FROM measurements").fetchone()
    rows: list[tuple[Any, ...]] = []
    after, until = asked.after, clock() + looks_s
    while after < top:
        upto, left = min(after + WINDOW, top), most - len(rows)
        found = db.execute(query, [after, upto, *values, left]).fetchall()
        rows += found
        if len(found) == left:
            after = found[-1][NUMBER]
            break
        after = upto
        if clock() > until:
            break
    return Found(rows, after, after < top)


def told(row: tuple[Any, ...]) -> dict[str, Any]:
    """The documented line, and what a hub knows beside it."""
    line = line_of(row)
    line["vantage"] = {**line["vantage"], "network_name": row[NETWORK_NAME]}
    return {**line, "required": bool(row[REQUIRED]), "received_at": row[RECEIVED], "flag": row[FLAG]}


def one(db: Database, measurement_id: str) -> tuple[Any, ...] | None:
    """The row of one measurement; None where there is none of that id, and for a control."""
    found = db.execute("SELECT number FROM measurements WHERE id = ?", [measurement_id]).fetchone()
    if found is None:
        return None
    row: tuple[Any, ...] | None = db.execute(QUERY, [found[0] - 1, found[0]]).fetchone()
    return row


def _conditions(asked: Filters) -> tuple[str, list[Any]]:
    given = [(name, value) for name in CONDITIONS if (value := getattr(asked, name)) is not None]
    values = [value == "yes" if name == "flagged" else value for name, value in given]
    return "".join(f" AND {CONDITIONS[name]}" for name, _ in given), values
