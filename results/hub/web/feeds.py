"""The Atom feed of changes, badges, the stylesheet and the icon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from probe.text import bounded
from results.aggregate.questions import ChangeRow, Period
from results.compare.record import DIRECT
from results.hub.web import measurement_view, queries, rendering
from results.hub.web.context import View, not_found
from results.hub.web.labels import network, title
from results.hub.web.lists import lasting, order_of_change
from results.hub.web.matrix import cell_of

if TYPE_CHECKING:
    from results.hub.web.params import PageQuery
    from results.hub.web.queries import CellRow

FEED_DAYS, BADGE_DAYS = 30, 7
MAX_ENTRIES = 100
EMPTY_UPDATED = "1970-01-01T00:00:00Z"
"""`updated` of a feed without entries."""
COLOURS = {"blocked": "#d55e00", "reachable": "#009e73", None: "#b8b8b8"}
LETTER_PX = 6.6


async def style(view: View) -> Response:
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(rendering.style()[0], 200, headers, "text/css; charset=utf-8")


async def icon(view: View) -> Response:
    return rendering.xml("icon.svg", "image/svg+xml")


async def feed(view: View) -> Response:
    """The changes of FEED_DAYS (RFC 4287), with links relative to the feed's address."""
    query = view.query(FEED_DAYS)
    rows = await view.changes(Period(since=query.since))
    hub = await view.run(("oldest",), queries.oldest_id)
    shown = sorted(lasting(rows), key=order_of_change, reverse=True)[:MAX_ENTRIES]
    return rendering.xml(
        "feed.atom",
        "application/atom+xml; charset=utf-8",
        language=query.language,
        hub=hub or "none",
        title=query.words.say("feed.title"),
        updated=shown[0].first_now_at if shown else EMPTY_UPDATED,
        entries=[_entry(row, query) for row in shown],
    )


async def badge(view: View) -> Response:
    """On how many networks a service is blocked, as SVG."""
    query, name = view.query(BADGE_DAYS), view.request.path_params["name"]
    cells, required = await view.run(
        ("badge", query.period),
        lambda db: (view.site.answers(db).cells(query.period), view.site.answers(db).required(query.period)),
    )
    rows = [row for row in cells if row.service == name and row.path == DIRECT and query.shows(row.country)]
    if not rows and not await view.pool.run(lambda db: queries.is_known(db, name, None)):
        return not_found(query)
    outcome, text = _badge(rows, required, query)
    label = title(name)[:40]
    left, right = (int(len(part) * LETTER_PX) + 14 for part in (label, text))
    return rendering.xml(
        "badge.svg", "image/svg+xml", title=label, text=text, left=left, right=right, colour=COLOURS[outcome]
    )


def _badge(rows: list[CellRow], required: set[tuple[str | None, str]], query: PageQuery) -> tuple[str | None, str]:
    networks: dict[object, list[CellRow]] = {}
    for row in rows:
        networks.setdefault(network(row.country, row.asn, row.network_name), []).append(row)
    outcomes = [cell_of(of_network, required).outcome for of_network in networks.values()]
    blocked, reachable = outcomes.count("blocked"), outcomes.count("reachable")
    if blocked:
        return "blocked", query.words.say("badge.blocked", blocked=blocked, networks=len(outcomes))
    if reachable:
        return "reachable", query.words.say("badge.reachable", networks=reachable)
    return None, query.words.say("badge.nothing")


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
            how=measurement_view.how(row.now, row.method, None, None, words),
        ),
    }
