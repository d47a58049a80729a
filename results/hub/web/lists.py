"""The pages that are lists: changes, newly listed, blocked without a listing, vantage points, corrections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from probe.text import bounded, safe
from probe.timestamps import epoch, parse_time, rfc3339
from results.aggregate.questions import BlockRow, ChangeRow, Period
from results.hub.web import queries, rendering
from results.hub.web.labels import network, title
from results.hub.web.measurement_view import how
from results.hub.web.queries import CellRow, CorrectionRow, VantageRow

if TYPE_CHECKING:
    from sqlite_utils import Database
    from starlette.responses import Response

    from results.hub.web.context import View
    from results.hub.web.params import PageQuery

MAX_ROWS = 500
CORRECTIONS_DAYS = 90
SILENT_HOURS = 36
"""A round is every six hours, and a machine may be off for a night."""


class ListCell(msgspec.Struct, frozen=True, kw_only=True):
    """`outcome` is shown with its sign, after what was `before`; `when` is a time; `label` describes the link."""

    text: str = ""
    link: str | None = None
    label: str | None = None
    when: str | None = None
    before: str | None = None
    outcome: str | None = None
    more: tuple[str, ...] = ()


class ListedTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A newly listed target, and how many of a country's networks block it."""

    listed_at: str
    register: str | None
    country: str | None
    service: str | None
    target: str
    blocked: int
    networks: int


TableRows = list[tuple[ListCell, ...]]


class ListSpec(msgspec.Struct, frozen=True):
    """How a list is shown: its name, the columns of its CSV and of its page, and the cells of its rows."""

    name: str
    row_type: type[msgspec.Struct]
    heads: tuple[str, ...]
    cells: Callable[[Sequence[Any], PageQuery], TableRows]
    has_filters: bool = True


async def changes(view: View) -> Response:
    """Blocked after reachable, and the other way round."""
    query = view.query()
    found = [row for row in await view.changes(query.period) if _is_shown(row, query)]
    rows = sorted(found, key=order_of_change, reverse=True)
    shown = rows if view.is_csv else lasting(rows)
    return await _show(view, query, CHANGES, shown, taken_back=len(rows) - len(shown))


async def listed(view: View) -> Response:
    """What a register began to list."""
    query = view.query()
    cells = await view.run(("listed",), lambda db: view.site.answers(db).cells(Period()))
    return await _show(view, query, LISTED, newly_listed(cells, query))


async def unlisted(view: View) -> Response:
    """Blocked though not listed."""
    return await _blocks(view, UNLISTED, lambda db, period: view.site.answers(db).unlisted_blocks(period))


async def collateral(view: View) -> Response:
    """Blocked together with a listed address."""
    return await _blocks(view, COLLATERAL, lambda db, period: view.site.answers(db).collateral(period))


async def _blocks(view: View, spec: ListSpec, find: Callable[[Database, Period], list[BlockRow]]) -> Response:
    query = view.query()
    found = await view.run((spec.name, query.period), lambda db: find(db, query.period))
    rows = sorted((row for row in found if _is_shown(row, query)), key=lambda row: row.last_at, reverse=True)
    return await _show(view, query, spec, rows)


async def vantages(view: View) -> Response:
    """All vantage points."""
    return await _show(view, view.query(own=True), VANTAGES, await view.run(("vantages",), queries.vantages))


async def silent(view: View) -> Response:
    """Vantage points that sent nothing for SILENT_HOURS."""
    now = view.site.now()
    since = rfc3339(now - timedelta(hours=SILENT_HOURS)).removesuffix("Z")
    rows = [row for row in await view.run(("vantages",), queries.vantages) if row.last_at < since]
    spec = msgspec.structs.replace(SILENT, cells=partial(_vantage_cells, now=now))
    return await _show(view, view.query(own=True), spec, rows)


async def corrections(view: View) -> Response:
    """Verdicts that changed when they were recomputed."""
    query = view.query(CORRECTIONS_DAYS, own=True)
    found = await view.run(("corrections", query.period), lambda db: queries.corrections(db, query.period))
    rows = [row for row in found if query.shows(row.country, row.service, row.target)]
    return await _show(view, query, CORRECTIONS, rows)


LISTS: dict[str, Callable[[View], Awaitable[Response]]] = {
    "changes": changes,
    "listed": listed,
    "unlisted": unlisted,
    "collateral": collateral,
    "vantages": vantages,
    "silent": silent,
    "corrections": corrections,
}


async def _show(
    view: View, query: PageQuery, spec: ListSpec, rows: Sequence[msgspec.Struct], taken_back: int = 0
) -> Response:
    if view.is_csv:
        return rendering.table(rows, spec.row_type, spec.name)
    countries = None
    if spec.has_filters and query.is_own:
        countries = await view.run(("own countries",), queries.countries)
    elif spec.has_filters:
        countries = await view.run(("countries",), lambda db: view.site.answers(db).countries())
    return await view.render(
        query,
        "list",
        lambda: {
            "name": spec.name,
            "lead": query.words.say(f"intro.{spec.name}", hours=SILENT_HOURS),
            "heads": spec.heads,
            "rows": spec.cells(rows[:MAX_ROWS], query),
            "left_out": max(0, len(rows) - MAX_ROWS),
            "countries": countries,
            "taken_back": taken_back,
        },
    )


def _is_shown(row: ChangeRow | BlockRow, query: PageQuery) -> bool:
    return query.shows(row.country, row.service, row.target, title(row.service, row.target))


def order_of_change(row: ChangeRow) -> tuple[str, str]:
    return row.first_now_at, row.id


def lasting(rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Without single findings that the next one reversed: neither the change to one nor the change back."""
    series: dict[tuple[Any, ...], list[ChangeRow]] = defaultdict(list)
    for row in sorted(rows, key=order_of_change):
        changes = series[msgspec.structs.astuple(row)[:7]]
        if changes and changes[-1].first_now_at == row.last_was_at:
            changes.pop()
        else:
            changes.append(row)
    ids = {row.id for changes in series.values() for row in changes}
    return [row for row in rows if row.id in ids]


def newly_listed(rows: Iterable[CellRow], query: PageQuery) -> list[ListedTarget]:
    """Targets listed within the period, newest first; `rows` are the latest findings of each network."""
    since, until = query.period.since or "", query.period.until or "~"
    by_target: dict[tuple[str | None, str | None, str], list[CellRow]] = {}
    for row in rows:
        if row.path == "direct" and query.shows(row.country, row.service, row.target):
            by_target.setdefault((row.country, row.service, row.target), []).append(row)
    found = []
    for (country, service, target), of_target in by_target.items():
        in_period = [row for row in of_target if row.listed and row.listed_at and since <= row.listed_at < until]
        if in_period:
            first = min(in_period, key=lambda row: row.listed_at or "")
            networks = [(network(row.country, row.asn, row.network_name), row.outcome) for row in of_target]
            found.append(
                ListedTarget(
                    listed_at=first.listed_at or "",
                    register=first.register,
                    country=country,
                    service=service,
                    target=target,
                    blocked=len({column for column, outcome in networks if outcome == "blocked"}),
                    networks=len({column for column, _ in networks}),
                )
            )
    return sorted(found, key=lambda one: (one.listed_at, one.target), reverse=True)


def _change_cells(rows: Sequence[ChangeRow], query: PageQuery) -> TableRows:
    words = query.words
    return [
        (
            _target_cell(row.service, row.target, query),
            ListCell(text=_network(row, query), more=(bounded(row.vantage, 60),)),
            ListCell(before=row.was, outcome=row.now, more=_how(row.now, row.method, None, query)),
            ListCell(text=words.span(epoch(row.last_was_at), epoch(row.first_now_at))),
            _measurement_cell(row, query),
        )
        for row in rows
    ]


def _block_cells(rows: Sequence[BlockRow], query: PageQuery) -> TableRows:
    words = query.words
    return [
        (
            _target_cell(row.service, row.target, query),
            ListCell(text=_network(row, query), more=(row.country,) if row.country else ()),
            ListCell(outcome="blocked", more=_how("blocked", row.method, row.trigger, query)),
            ListCell(text=str(row.findings), more=(words.say("page.vantages_count", count=row.vantages),)),
            ListCell(when=row.first_at),
            ListCell(when=row.last_at),
        )
        for row in rows
    ]


def _listed_cells(rows: Sequence[ListedTarget], query: PageQuery) -> TableRows:
    words = query.words
    return [
        (
            ListCell(when=row.listed_at),
            _target_cell(row.service, row.target, query),
            ListCell(text=bounded(row.register or "?", 60), more=(row.country,) if row.country else ()),
            ListCell(
                outcome="blocked" if row.blocked else "reachable",
                more=(words.say("badge.blocked", blocked=row.blocked, networks=row.networks),),
            ),
        )
        for row in rows
    ]


def _vantage_cells(rows: Sequence[VantageRow], query: PageQuery, now: datetime | None = None) -> TableRows:
    """With `now`, how long each is silent in place of its first measurement."""

    def times(row: VantageRow) -> tuple[ListCell, ...]:
        first, last = ListCell(when=row.first_at), ListCell(when=row.last_at)
        if now is None:
            return first, last
        hours = (now - parse_time(row.last_at)).total_seconds() / 3600
        return last, ListCell(text=query.words.duration(hours))

    return [
        (
            ListCell(text=bounded(row.vantage, 100), link=query.link(f"/vantage/{row.vantage}")),
            ListCell(text=row.country or "–"),
            *times(row),
            ListCell(text=str(row.targets)),
        )
        for row in rows
    ]


def _correction_cells(rows: Sequence[CorrectionRow], query: PageQuery) -> TableRows:
    words = query.words

    def verdict(method: str | None, agreement: str) -> str:
        methods = [words.say(f"method.{method}")] if method else []
        return ", ".join([*methods, words.say(f"agreement.{agreement}")])

    cells: TableRows = []
    for row in rows:
        was, now = verdict(row.was_method, row.was_agreement), verdict(row.method, row.agreement)
        versions = dict.fromkeys((bounded(row.was_rules_version, 40), bounded(row.rules_version, 40)))
        cells.append(
            (
                _target_cell(row.service, row.target, query),
                ListCell(text=_network(row, query), more=(bounded(row.vantage, 60),)),
                ListCell(before=row.was_outcome, outcome=row.outcome, more=(f"{was} → {now}",)),
                ListCell(when=row.at),
                ListCell(text=" → ".join(versions)),
                _measurement_cell(row, query),
            )
        )
    return cells


def _how(outcome: str, method: str | None, trigger: str | None, query: PageQuery) -> tuple[str, ...]:
    return (how(outcome, method, trigger, None, query.words),) if method else ()


def _target_cell(service: str | None, target: str, query: PageQuery) -> ListCell:
    if service is None:
        return ListCell(text=title(service, target), link=query.link("/target", **{"is": target}))
    return ListCell(text=title(service, target), link=query.link(f"/service/{service}"), more=(safe(target, 200),))


def _network(row: ChangeRow | BlockRow | CorrectionRow, query: PageQuery) -> str:
    path = "direct" if isinstance(row, BlockRow) else row.path
    label = network(row.country, row.asn, row.network_name, path).label(query.words)
    return f"{label} {bounded(row.network_name, 60)}" if row.asn is not None and row.network_name else label


def _measurement_cell(row: ChangeRow | CorrectionRow, query: PageQuery) -> ListCell:
    label = f"{query.words.say('page.open_measurement')}: {title(row.service, row.target)}, {_network(row, query)}"
    return ListCell(text=bounded(row.id, 12), link=query.link(f"/m/{row.id}"), label=label)


CHANGES = ListSpec(
    "changes",
    ChangeRow,
    ("page.what", "column.network", "page.change", "page.when", "page.measurement"),
    _change_cells,
)
LISTED = ListSpec(
    "listed", ListedTarget, ("column.listed", "page.what", "page.register", "page.outcome"), _listed_cells
)
BLOCK_HEADS = ("page.what", "column.network", "page.how", "page.findings", "page.first", "page.last")
UNLISTED = ListSpec("unlisted", BlockRow, BLOCK_HEADS, _block_cells)
COLLATERAL = ListSpec("collateral", BlockRow, BLOCK_HEADS, _block_cells)
VANTAGES = ListSpec(
    "vantages",
    VantageRow,
    ("page.vantage", "page.country", "page.first", "page.last", "page.targets"),
    _vantage_cells,
    has_filters=False,
)
SILENT = ListSpec(
    "silent",
    VantageRow,
    ("page.vantage", "page.country", "page.last", "page.silent_for", "page.targets"),
    _vantage_cells,
    has_filters=False,
)
CORRECTIONS = ListSpec(
    "corrections",
    CorrectionRow,
    ("page.what", "column.network", "page.change", "page.when", "column.rules", "page.measurement"),
    _correction_cells,
)
