"""The pages that are lists: changes, newly listed, blocked without a listing, vantage points, outages, corrections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from probe.text import bounded, safe
from probe.timestamps import epoch, parse_time, rfc3339
from results.aggregate.outages import NetworkInterval
from results.aggregate.questions import BlockRow, ChangeRow, Period
from results.compare.record import DIRECT
from results.hub.web import queries
from results.hub.web.labels import network, title
from results.hub.web.params import DEFAULT_DAYS, PageQuery
from results.hub.web.queries import CellRow, CorrectionRow, OutageRow, VantageRow
from results.hub.web.site import table
from results.report import narrative

if TYPE_CHECKING:
    from starlette.responses import Response

    from results.hub.web.site import View

MAX_ROWS = 500
OUTAGES_DAYS = 30
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


def order_of_change(row: ChangeRow) -> tuple[str, str]:
    return row.first_now_at, row.id


def lasting(rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Without single results that the next one did not confirm: neither the change to one nor the change back."""
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
    """Targets listed within the period, newest first; `rows` are the latest results of each network."""
    since, until = query.period.since or "", query.period.until or "~"
    by_target: dict[tuple[str | None, str | None, str], list[CellRow]] = defaultdict(list)
    for row in rows:
        if row.path == DIRECT and query.shows(row.country, row.service, row.target):
            by_target[row.country, row.service, row.target].append(row)
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


def _is_shown(row: ChangeRow | BlockRow, query: PageQuery) -> bool:
    return query.shows(row.country, row.service, row.target, title(row.service, row.target))


async def _changes(view: View, query: PageQuery) -> list[ChangeRow]:
    rows = [row for row in await view.changes(query.period) if _is_shown(row, query)]
    return sorted(rows, key=order_of_change, reverse=True)


async def _listed(view: View, query: PageQuery) -> list[ListedTarget]:
    return newly_listed(await view.ask(("listed",), lambda answers: answers.cells(Period())), query)


async def _unlisted(view: View, query: PageQuery) -> list[BlockRow]:
    rows = await view.ask(("unlisted", query.period), lambda answers: answers.unlisted_blocks(query.period))
    return _latest_first(rows, query)


async def _collateral(view: View, query: PageQuery) -> list[BlockRow]:
    rows = await view.ask(("collateral", query.period), lambda answers: answers.collateral(query.period))
    return _latest_first(rows, query)


def _latest_first(rows: Iterable[BlockRow], query: PageQuery) -> list[BlockRow]:
    return sorted((row for row in rows if _is_shown(row, query)), key=lambda row: row.last_at, reverse=True)


async def _vantages(view: View, query: PageQuery) -> list[VantageRow]:
    return await view.run(("vantages",), queries.vantages)


async def _silent(view: View, query: PageQuery) -> list[VantageRow]:
    since = rfc3339(view.site.now() - timedelta(hours=SILENT_HOURS)).removesuffix("Z")
    return [row for row in await _vantages(view, query) if row.last_at < since]


async def _outages(view: View, query: PageQuery) -> Sequence[NetworkInterval | OutageRow]:
    found = await view.run(("outages", query.period), lambda db: queries.outages(db, query.period))
    shown = [one for one in reversed(found) if query.shows(one.country, one.vantage, one.network_name)]
    return [queries.outage_row(one) for one in shown] if view.is_csv else shown


async def _corrections(view: View, query: PageQuery) -> list[CorrectionRow]:
    rows = await view.run(("corrections", query.period), lambda db: queries.corrections(db, query.period))
    return [row for row in rows if query.shows(row.country, row.service, row.target)]


class CellBuilder:
    """Makes the cells of a row, for each kind of row."""

    def __init__(self, query: PageQuery, now: datetime) -> None:
        self._query, self._words, self._now = query, query.words, now

    def change(self, row: ChangeRow) -> tuple[ListCell, ...]:
        return (
            self._target(row),
            ListCell(text=self._network(row), more=(bounded(row.vantage, 60),)),
            ListCell(before=row.was, outcome=row.now, more=self._how(row.method)),
            ListCell(text=self._words.span(epoch(row.last_was_at), epoch(row.first_now_at), short=True)),
            self._measurement(row),
        )

    def block(self, row: BlockRow) -> tuple[ListCell, ...]:
        return (
            self._target(row),
            ListCell(text=self._network(row), more=self._country(row)),
            ListCell(outcome="blocked", more=self._how(row.method, row.trigger)),
            ListCell(text=str(row.findings), more=(self._words.say("page.vantages_count", count=row.vantages),)),
            ListCell(when=row.first_at),
            ListCell(when=row.last_at),
        )

    def listed(self, row: ListedTarget) -> tuple[ListCell, ...]:
        blocked = self._words.say("badge.blocked", blocked=row.blocked, count=row.networks)
        return (
            ListCell(when=row.listed_at),
            self._target(row),
            ListCell(text=bounded(row.register or "?", 60), more=self._country(row)),
            ListCell(outcome="blocked" if row.blocked else "reachable", more=(blocked,)),
        )

    def vantage(self, row: VantageRow) -> tuple[ListCell, ...]:
        return self._vantage(row, ListCell(when=row.first_at), ListCell(when=row.last_at))

    def silent(self, row: VantageRow) -> tuple[ListCell, ...]:
        hours = (self._now - parse_time(row.last_at)).total_seconds() / 3600
        return self._vantage(row, ListCell(when=row.last_at), ListCell(text=self._words.duration(hours)))

    def outage(self, row: NetworkInterval) -> tuple[ListCell, ...]:
        label = network(row.country, row.asn, row.network_name).label(self._words)
        name = ListCell(text=bounded(row.vantage, 100), link=self._query.link(f"/vantage/{row.vantage}"))
        return name, ListCell(text=label), *(ListCell(text=text) for text in narrative.outage(row, self._words))

    def correction(self, row: CorrectionRow) -> tuple[ListCell, ...]:
        was, now = self._verdict(row.was_method, row.was_agreement), self._verdict(row.method, row.agreement)
        versions = dict.fromkeys((bounded(row.was_rules_version, 40), bounded(row.rules_version, 40)))
        return (
            self._target(row),
            ListCell(text=self._network(row), more=(bounded(row.vantage, 60),)),
            ListCell(before=row.was_outcome, outcome=row.outcome, more=(f"{was} → {now}",)),
            ListCell(when=row.at),
            ListCell(text=" → ".join(versions)),
            self._measurement(row),
        )

    def _vantage(self, row: VantageRow, *times: ListCell) -> tuple[ListCell, ...]:
        name = ListCell(text=bounded(row.vantage, 100), link=self._query.link(f"/vantage/{row.vantage}"))
        return name, ListCell(text="".join(self._country(row)) or "–"), *times, ListCell(text=str(row.targets))

    def _country(self, row: BlockRow | ListedTarget | VantageRow) -> tuple[str, ...]:
        return (self._words.country(row.country),) if row.country else ()

    def _verdict(self, method: str | None, agreement: str) -> str:
        keys = [f"method.{method}"] if method else []
        return ", ".join(map(self._words.say, [*keys, f"agreement.{agreement}"]))

    def _how(self, method: str | None, trigger: str | None = None) -> tuple[str, ...]:
        return (self._words.verdict(method, trigger, None),) if method else ()

    def _target(self, row: ChangeRow | BlockRow | ListedTarget | CorrectionRow) -> ListCell:
        text = title(row.service, row.target)
        if row.service is None:
            return ListCell(text=text, link=self._query.link("/target", **{"is": row.target}))
        return ListCell(text=text, link=self._query.link(f"/service/{row.service}"), more=(safe(row.target, 200),))

    def _network(self, row: ChangeRow | BlockRow | CorrectionRow) -> str:
        path = DIRECT if isinstance(row, BlockRow) else row.path
        label = network(row.country, row.asn, row.network_name, path).label(self._words)
        return f"{label} {bounded(row.network_name, 60)}" if row.asn is not None and row.network_name else label

    def _measurement(self, row: ChangeRow | CorrectionRow) -> ListCell:
        label = f"{self._words.say('page.open_measurement')}: {title(row.service, row.target)}, {self._network(row)}"
        return ListCell(text=bounded(row.id, 12), link=self._query.link(f"/m/{row.id}"), label=label)


class ListPage(msgspec.Struct, frozen=True):
    """A list: its name, the rows of its CSV, the columns and cells of its page, and whether it is filtered."""

    name: str
    row_type: type[msgspec.Struct]
    find: Callable[[View, PageQuery], Awaitable[Sequence[Any]]]
    heads: tuple[str, ...]
    cells: Callable[[CellBuilder, Any], tuple[ListCell, ...]]
    days: int = DEFAULT_DAYS
    is_own: bool = False
    has_filters: bool = True

    async def show(self, view: View) -> Response:
        query = view.query(self.days, own=self.is_own)
        rows = await self.find(view, query)
        if view.is_csv:
            return table(rows, self.row_type, self.name)
        shown = lasting(rows) if self.row_type is ChangeRow else rows
        countries = await view.countries(query) if self.has_filters else None
        builder = CellBuilder(query, view.site.now())
        return await view.render(
            query,
            "list",
            lambda: {
                "name": self.name,
                "lead": query.words.say(f"intro.{self.name}", count=SILENT_HOURS),
                "heads": self.heads,
                "rows": [self.cells(builder, row) for row in shown[:MAX_ROWS]],
                "left_out": max(0, len(shown) - MAX_ROWS),
                "countries": countries,
                "unconfirmed": len(rows) - len(shown),
            },
        )


CHANGE = ("page.what", "column.network", "page.change", "page.when")
BLOCK = ("page.what", "column.network", "page.how", "page.results", "page.first", "page.last")
VANTAGE = ("page.vantage", "page.country")
LISTS = (
    ListPage("changes", ChangeRow, _changes, (*CHANGE, "page.measurement"), CellBuilder.change),
    ListPage(
        "listed",
        ListedTarget,
        _listed,
        ("column.listed", "page.what", "page.register", "page.outcome"),
        CellBuilder.listed,
    ),
    ListPage("unlisted", BlockRow, _unlisted, BLOCK, CellBuilder.block),
    ListPage("collateral", BlockRow, _collateral, BLOCK, CellBuilder.block),
    ListPage(
        "vantages",
        VantageRow,
        _vantages,
        (*VANTAGE, "page.first", "page.last", "page.targets"),
        CellBuilder.vantage,
        is_own=True,
        has_filters=False,
    ),
    ListPage(
        "silent",
        VantageRow,
        _silent,
        (*VANTAGE, "page.last", "page.silent_for", "page.targets"),
        CellBuilder.silent,
        is_own=True,
        has_filters=False,
    ),
    ListPage(
        "outages",
        OutageRow,
        _outages,
        ("page.vantage", "column.network", "column.state", "column.began", "column.ended", "column.lasted"),
        CellBuilder.outage,
        OUTAGES_DAYS,
        is_own=True,
    ),
    ListPage(
        "corrections",
        CorrectionRow,
        _corrections,
        (*CHANGE, "column.rules", "page.measurement"),
        CellBuilder.correction,
        CORRECTIONS_DAYS,
        is_own=True,
    ),
)
