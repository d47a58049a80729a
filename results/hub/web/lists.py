"""The lists: what changed, what is newly listed, what is blocked without a listing, who measures and who fell silent.

Each is a function from rows to cells of plain text. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from probe.timestamps import epoch, parse_time, rfc3339
from results.aggregate.questions import BlockRow, ChangeRow
from results.compare.record import bounded
from results.hub.web.labels import network, title
from results.hub.web.measurement_view import how
from results.hub.web.params import Asked
from results.hub.web.queries import CellRow, CorrectionRow, VantageRow
from results.judge.step_text import safe

MOST = 500
SILENT_H = 36
"""Hours: a round is every six, and a machine may be off for a night."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """`outcome` puts its sign before the text, and in front of it what was `before`; `when` is shown as a time; `label`
    says what a link leads to."""

    text: str = ""
    link: str | None = None
    label: str | None = None
    when: str | None = None
    before: str | None = None
    outcome: str | None = None
    more: tuple[str, ...] = ()


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A target that a register began to list, and how many of a country's networks block it by now."""

    listed_at: str
    register: str | None
    country: str | None
    service: str | None
    target: str
    blocked: int
    networks: int


Rows = list[tuple[Cell, ...]]
CHANGE_HEADS = ("page.what", "column.network", "page.change", "page.when", "page.measurement")
BLOCK_HEADS = ("page.what", "column.network", "page.how", "page.findings", "page.first", "page.last")
LISTED_HEADS = ("column.listed", "page.what", "page.register", "page.outcome")
VANTAGE_HEADS = ("page.vantage", "page.country", "page.first", "page.last", "page.targets")
CORRECTION_HEADS = ("page.what", "column.network", "page.change", "page.when", "column.rules", "page.measurement")
SILENT_HEADS = ("page.vantage", "page.country", "page.last", "page.silent_for", "page.targets")


def changes(rows: Iterable[ChangeRow], asked: Asked) -> list[ChangeRow]:
    """Those asked for, the newest first."""
    found = [row for row in rows if asked.shows(row.country, row.service, row.target, title(row.service, row.target))]
    return sorted(found, key=lambda row: (row.first_now_at, row.id), reverse=True)


def lasting(rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Without single findings that the next one took back: neither the change to one nor the change away from it."""
    courses: dict[tuple[Any, ...], list[ChangeRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.first_now_at, row.id)):
        course = courses[msgspec.structs.astuple(row)[:7]]
        if course and course[-1].first_now_at == row.last_was_at:
            course.pop()
        else:
            course.append(row)
    kept = {row.id for course in courses.values() for row in course}
    return [row for row in rows if row.id in kept]


def change_cells(rows: Sequence[ChangeRow], asked: Asked) -> Rows:
    words = asked.words
    return [
        (
            _what(row.service, row.target, asked),
            Cell(text=_network(row, asked), more=(bounded(row.vantage, 60),)),
            Cell(
                before=row.was,
                outcome=row.now,
                more=(how(row.now, row.method, None, None, words),) if row.method else (),
            ),
            Cell(text=words.span(epoch(row.last_was_at), epoch(row.first_now_at))),
            _measurement(row.id, f"{title(row.service, row.target)}, {_network(row, asked)}", asked),
        )
        for row in rows
    ]


def blocks(rows: Iterable[BlockRow], asked: Asked) -> list[BlockRow]:
    """Those asked for, what was seen last first."""
    found = [row for row in rows if asked.shows(row.country, row.service, row.target, title(row.service, row.target))]
    return sorted(found, key=lambda row: row.last_at, reverse=True)


def block_cells(rows: Sequence[BlockRow], asked: Asked) -> Rows:
    words = asked.words
    return [
        (
            _what(row.service, row.target, asked),
            Cell(text=_network(row, asked), more=(row.country,) if row.country else ()),
            Cell(outcome="blocked", more=(how("blocked", row.method, row.trigger, None, words),) if row.method else ()),
            Cell(text=str(row.findings), more=(words.say("page.vantages_count", count=row.vantages),)),
            Cell(when=row.first_at),
            Cell(when=row.last_at),
        )
        for row in rows
    ]


def listed(rows: Iterable[CellRow], asked: Asked) -> list[Listed]:
    """What was listed within the period, newest first; rows are the newest findings of each network."""
    since, until = asked.period.since or "", asked.period.until or "~"
    networks: dict[tuple[str | None, str | None, str], list[CellRow]] = {}
    for row in rows:
        if row.path == "direct" and asked.shows(row.country, row.service, row.target):
            networks.setdefault((row.country, row.service, row.target), []).append(row)
    found = []
    for (country, service, target), those in networks.items():
        on = [row for row in those if row.listed and row.listed_at and since <= row.listed_at < until]
        if on:
            first = min(on, key=lambda row: row.listed_at or "")
            places = {network(row.country, row.asn, row.network_name): False for row in those}
            places |= {
                network(row.country, row.asn, row.network_name): True for row in those if row.outcome == "blocked"
            }
            found.append(
                Listed(
                    listed_at=first.listed_at or "",
                    register=first.register,
                    country=country,
                    service=service,
                    target=target,
                    blocked=sum(places.values()),
                    networks=len(places),
                )
            )
    return sorted(found, key=lambda one: (one.listed_at, one.target), reverse=True)


def listed_cells(rows: Sequence[Listed], asked: Asked) -> Rows:
    words = asked.words
    return [
        (
            Cell(when=row.listed_at),
            _what(row.service, row.target, asked),
            Cell(text=bounded(row.register or "?", 60), more=(row.country,) if row.country else ()),
            Cell(
                outcome="blocked" if row.blocked else "reachable",
                more=(words.say("badge.blocked", blocked=row.blocked, networks=row.networks),),
            ),
        )
        for row in rows
    ]


def vantage_cells(rows: Sequence[VantageRow], asked: Asked) -> Rows:
    return [
        (
            _vantage(row, asked),
            Cell(text=row.country or "–"),
            Cell(when=row.first_at),
            Cell(when=row.last_at),
            Cell(text=str(row.targets)),
        )
        for row in rows
    ]


def silent(rows: Iterable[VantageRow], now: datetime) -> list[VantageRow]:
    """Those that sent nothing for more than SILENT_H hours, those that fell silent last first."""
    until = rfc3339(now - timedelta(hours=SILENT_H)).removesuffix("Z")
    return [row for row in rows if row.last_at < until]


def silent_cells(rows: Sequence[VantageRow], asked: Asked, now: datetime) -> Rows:
    return [
        (
            _vantage(row, asked),
            Cell(text=row.country or "–"),
            Cell(when=row.last_at),
            Cell(text=asked.words.hours((now - parse_time(row.last_at)).total_seconds() / 3600)),
            Cell(text=str(row.targets)),
        )
        for row in rows
    ]


def correction_cells(rows: Sequence[CorrectionRow], asked: Asked) -> Rows:
    words = asked.words

    def told(method: str | None, agreement: str) -> list[str]:
        return [*([words.say(f"method.{method}")] if method else []), words.say(f"agreement.{agreement}")]

    cells: Rows = []
    for row in rows:
        was, now = told(row.was_method, row.was_agreement), told(row.method, row.agreement)
        versions = dict.fromkeys((bounded(row.was_rules_version, 40), bounded(row.rules_version, 40)))
        cells.append(
            (
                _what(row.service, row.target, asked),
                Cell(text=_network(row, asked), more=(bounded(row.vantage, 60),)),
                Cell(before=row.was_outcome, outcome=row.outcome, more=(f"{', '.join(was)} → {', '.join(now)}",)),
                Cell(when=row.at),
                Cell(text=" → ".join(versions)),
                _measurement(row.id, f"{title(row.service, row.target)}, {_network(row, asked)}", asked),
            )
        )
    return cells


def _what(service: str | None, target: str, asked: Asked) -> Cell:
    link = asked.to(f"/service/{service}") if service is not None else asked.to("/target", **{"is": target})
    return Cell(text=title(service, target), link=link, more=(safe(target, 200),) if service is not None else ())


def _network(row: ChangeRow | BlockRow | CorrectionRow, asked: Asked) -> str:
    path = "direct" if isinstance(row, BlockRow) else row.path
    label = network(row.country, row.asn, row.network_name, path).label(asked.words)
    return f"{label} {bounded(row.network_name, 60)}" if row.asn is not None and row.network_name else label


def _measurement(name: str, what: str, asked: Asked) -> Cell:
    said = asked.words.say("page.open_measurement")
    return Cell(text=bounded(name, 12), link=asked.to(f"/m/{name}"), label=f"{said}: {what}")


def _vantage(row: VantageRow, asked: Asked) -> Cell:
    return Cell(text=bounded(row.vantage, 100), link=asked.to(f"/vantage/{row.vantage}"))
