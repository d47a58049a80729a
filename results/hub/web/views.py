"""Handlers of all pages but the lists, and of the feed, badges and static files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from probe.text import bounded
from results.aggregate.questions import ChangeRow, MatrixRow, Period
from results.compare.record import DIRECT
from results.db.json_codec import ID
from results.hub.web import measurement_view, queries, site, timeline
from results.hub.web.labels import names_of, network, title
from results.hub.web.lists import lasting, order_of_change
from results.hub.web.matrix import matrix_of, register_listing, state_of
from results.hub.web.params import PageQuery
from results.hub.web.queries import CellRow, LatestRow
from results.hub.web.site import View, not_found
from results.judge.rules import TIERS
from results.judge.rules import rules as all_rules

if TYPE_CHECKING:
    from sqlite_utils import Database
    from starlette.requests import Request

HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
MAX_LATEST = 300
SERIES_DAYS = 90
FEED_DAYS, BADGE_DAYS = 30, 7
MAX_ENTRIES = 100
EMPTY_UPDATED = "1970-01-01T00:00:00Z"
"""`updated` of a feed without entries."""
COLOURS = {"blocked": "#d55e00", "reachable": "#009e73", None: "#b8b8b8"}
LETTER_PX = 6.6


async def matrix(view: View) -> Response:
    """Services and networks."""
    query = view.query()
    if view.is_csv:
        rows = await view.ask(("rows", query.period), lambda answers: answers.matrix(query.period))
        shown_rows = [row for row in rows if query.shows(row.country, row.service, row.target)]
        return site.table(shown_rows, MatrixRow, "matrix")
    cells, required, countries = await view.ask(
        ("cells", query.period),
        lambda answers: (answers.cells(query.period), answers.required(query.period), answers.countries()),
    )
    shown = [row for row in cells if query.shows(row.country, row.service, row.target, title(row.service, row.target))]
    return await view.render(
        query,
        "matrix",
        lambda: {"matrix": matrix_of(shown, required), "countries": countries},
        of=(cells, required, countries),
    )


async def service(view: View) -> Response:
    """One service, network by network."""
    return await _series(view, service=view.request.path_params["name"])


async def target(view: View) -> Response:
    """One target, which may be in no service."""
    return await _series(view, target=view.query().target or "")


async def _series(view: View, *, service: str | None = None, target: str | None = None) -> Response:
    query = view.query(SERIES_DAYS, own=True)

    def find(db: Database) -> Any:
        latest = queries.latest(db, query.period, service=service, target=target)
        days = queries.days(db, query.period, service=service, target=target)
        return latest, days, queries.required(db), queries.countries(db), queries.is_known(db, service, target)

    key = ("service", service, target, query.period)
    latest, days, required, countries, is_known = await view.run(key, find)
    if not is_known:
        return not_found(query)
    latest = [row for row in latest if query.shows(row.country)]
    if view.is_csv:
        return site.table(latest, LatestRow, "service")

    def values() -> dict[str, Any]:
        required_targets = {text for name, text in required if service is None or name == service}
        by_day = timeline.outcomes_by_day((row for row in days if query.shows(row.country)), required_targets)
        since = min((row.listed_at for row in latest if row.listed and row.listed_at), default=None)
        return {
            "title": title(service, target),
            "service": service,
            "target": target,
            "host": _host(view.request),
            "listings": _listings(latest, query),
            "wide": timeline.draw(by_day, timeline.WIDE, since),
            "narrow": timeline.draw(by_day, timeline.NARROW, since),
            "outcomes": timeline.outcomes_in(by_day),
            "countries": countries,
            "badge": query.link(f"/badge/{service}.svg"),
            "badge_text": title(service, target),
            **_latest(latest, query),
        }

    return await view.render(query, "service", values)


async def vantage(view: View) -> Response:
    """One vantage point, target by target."""
    query, name = view.query(SERIES_DAYS, own=True), view.request.path_params["name"]

    def find(db: Database) -> Any:
        latest = queries.latest(db, query.period, vantage=name)
        return latest, queries.countries(db), queries.has_vantage(db, name)

    latest, countries, is_known = await view.run(("vantage", name, query.period), find)
    if not is_known:
        return not_found(query)
    latest = [row for row in latest if query.shows(row.country)]
    if view.is_csv:
        return site.table(latest, LatestRow, "vantage")
    values = {"name": name, "countries": countries}
    return await view.render(query, "vantage", lambda: {**values, **_latest(latest, query)})


async def measurement(view: View) -> Response:
    """The permanent page of a measurement."""
    query, stored = view.query(own=True), await _stored(view)
    if stored is None:
        return not_found(query)
    return await view.render(query, "measurement", lambda: measurement_view.explained(stored, query.words))


async def measurement_file(view: View) -> Response:
    """A measurement as a line of JSONL, in our format or OONI's."""
    stored, form = await _stored(view), view.request.path_params["form"]
    if stored is None or form not in ("record", "ooni"):
        return not_found(view.query())
    name = f"{stored.finished.measurement.id}.{form}.jsonl"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(measurement_view.line(stored, form), 200, headers, "application/x-ndjson")


async def _stored(view: View) -> measurement_view.StoredMeasurement | None:
    name = view.request.path_params["id"]
    return await view.pool.run(lambda db: measurement_view.stored(db, name)) if ID.fullmatch(name) else None


async def rules(view: View) -> Response:
    """All rules by tier."""
    query = view.query()
    words, ordered = query.words, sorted(all_rules(), key=lambda rule: rule.tier)
    tiers = [
        (
            words.translated(f"tier.{tier}", TIERS[tier]),
            [(rule.id, words.translated(f"rule.{rule.id}", rule.says)) for rule in of_tier],
        )
        for tier, of_tier in groupby(ordered, key=lambda rule: rule.tier)
    ]
    return site.page(query, "rules", tiers=tiers)


async def style(view: View) -> Response:
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(site.style()[0], 200, headers, "text/css; charset=utf-8")


async def icon(view: View) -> Response:
    return site.xml(view.query(), "icon.svg", "image/svg+xml")


async def feed(view: View) -> Response:
    """The changes of FEED_DAYS (RFC 4287), with links relative to the feed's address."""
    query = view.query(FEED_DAYS)
    rows = await view.changes(Period(since=query.since))
    hub = await view.run(("oldest",), queries.oldest_id)
    shown = sorted(lasting(rows), key=order_of_change, reverse=True)[:MAX_ENTRIES]
    return site.xml(
        query,
        "feed.atom",
        "application/atom+xml; charset=utf-8",
        hub=hub or "none",
        title=query.words.say("feed.title"),
        updated=shown[0].first_now_at if shown else EMPTY_UPDATED,
        entries=[_entry(row, query) for row in shown],
    )


async def badge(view: View) -> Response:
    """On how many networks a service is blocked, as SVG."""
    query, name = view.query(BADGE_DAYS), view.request.path_params["name"]
    cells, required = await view.ask(
        ("badge", query.period), lambda answers: (answers.cells(query.period), answers.required(query.period))
    )
    rows = [row for row in cells if row.service == name and row.path == DIRECT and query.shows(row.country)]
    if not rows and not await view.pool.run(lambda db: queries.is_known(db, name, None)):
        return not_found(query)
    networks: dict[object, list[CellRow]] = defaultdict(list)
    for row in rows:
        networks[network(row.country, row.asn, row.network_name)].append(row)
    outcomes = [state_of(of_network, required).outcome for of_network in networks.values()]
    outcome = next((known for known in ("blocked", "reachable") if known in outcomes), None)
    count = outcomes.count("reachable") if outcome == "reachable" else len(outcomes)
    text = query.words.say(f"badge.{outcome or 'nothing'}", count=count, blocked=outcomes.count("blocked"))
    label = title(name)[:40]
    left, right = (int(len(part) * LETTER_PX) + 14 for part in (label, text))
    return site.xml(
        query, "badge.svg", "image/svg+xml", title=label, text=text, left=left, right=right, colour=COLOURS[outcome]
    )


def _host(request: Request) -> str:
    """The start of an address that works on other pages, under http and https."""
    name = request.headers.get("host", "")
    return f"//{name}" if HOST.fullmatch(name) else ""


def _latest(rows: Sequence[LatestRow], query: PageQuery) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: (row.outcome != "blocked", row.target, row.asn or 0, row.vantage))
    latest = [
        (
            row,
            network(row.country, row.asn, row.network_name, row.path),
            query.words.verdict(row.method, row.trigger, row.confidence),
        )
        for row in ordered[:MAX_LATEST]
    ]
    names = names_of((row.asn, row.network_name) for row in rows if row.path == DIRECT)
    return {"latest": latest, "latest_left_out": max(0, len(ordered) - MAX_LATEST), "names": names}


def _listings(rows: Iterable[LatestRow], query: PageQuery) -> list[str]:
    """A sentence on each country's register."""
    by_country: dict[str, list[LatestRow]] = defaultdict(list)
    for row in rows:
        if row.country is not None:
            by_country[row.country].append(row)
    sentences = []
    words = query.words
    for country, of_country in sorted(by_country.items()):
        listing = register_listing(of_country)
        if listing is not None and not listing.listed:
            sentences.append(words.say("page.not_listed_here", country=words.country(country)))
        elif listing is not None and listing.since:
            given = {"register": listing.register or "?", "when": words.when(listing.since)}
            sentences.append(words.say("page.listed_here", country=words.country(country), **given))
    return sentences


def _entry(row: ChangeRow, query: PageQuery) -> dict[str, str]:
    words = query.words
    where = network(row.country, row.asn, row.network_name, row.path).label(words)
    return {
        "id": row.id,
        "at": row.first_now_at,
        "title": words.say(f"feed.{row.now}", what=title(row.service, row.target), network=where),
        "content": words.say(
            "feed.content",
            vantage=bounded(row.vantage, 60),
            network=where,
            was=words.say(f"outcome.{row.was}"),
            was_at=words.when(row.last_was_at),
            now=words.say(f"outcome.{row.now}"),
            now_at=words.when(row.first_now_at),
            how=words.verdict(row.method, None, None),
        ),
    }
