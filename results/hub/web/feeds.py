"""What other pages and programs take: the feed of changes, a badge, the stylesheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from results.aggregate.questions import ChangeRow, Period
from results.compare.record import DIRECT, bounded
from results.hub.web import lists, measurement_view, queries, rendering
from results.hub.web.context import Asking, missing
from results.hub.web.labels import network, title
from results.hub.web.matrix import state

if TYPE_CHECKING:
    from starlette.requests import Request

    from results.hub.read_pool import Reading
    from results.hub.web.params import Asked
    from results.hub.web.queries import CellRow

FEED_DAYS, BADGE_DAYS = 30, 7
MOST_ENTRIES = 100
NEVER = "1970-01-01T00:00:00Z"
"""When a feed without an entry was changed."""
COLOURS = {"blocked": "#d55e00", "reachable": "#009e73", None: "#b8b8b8"}
LETTER = 6.6
"""Pixels of a letter on a badge."""


class Giving(Asking):
    """Beside the pages, out of what they have found."""

    async def style(self, request: Request, reading: Reading) -> Response:
        return Response(
            rendering.style()[0], 200, {"Cache-Control": "private, max-age=86400"}, "text/css; charset=utf-8"
        )

    async def icon(self, request: Request, reading: Reading) -> Response:
        return rendering.drawn("icon.svg", "image/svg+xml")

    async def feed(self, request: Request, reading: Reading) -> Response:
        """The changes of a month as an Atom feed (RFC 4287), its links relative to its own address."""
        ask = self.asked(request, FEED_DAYS)
        rows = await self.changed(reading, Period(since=ask.since))
        hub = await self.found(reading, ("oldest",), queries.oldest_id)
        shown = sorted(lists.lasting(rows), key=lambda row: (row.first_now_at, row.id), reverse=True)[:MOST_ENTRIES]
        entries = [_entry(row, ask) for row in shown]
        return rendering.drawn(
            "feed.atom",
            "application/atom+xml; charset=utf-8",
            language=ask.language,
            hub=hub or "none",
            title=ask.words.say("feed.title"),
            updated=shown[0].first_now_at if shown else NEVER,
            entries=entries,
        )

    async def badge(self, request: Request, reading: Reading) -> Response:
        """On how many networks a service is blocked, as a picture."""
        ask, name = self.asked(request, BADGE_DAYS), request.path_params["name"]
        cells, required = await self.found(
            reading,
            ("badge", ask.period),
            lambda db: (self.answers(db).cells(ask.period), self.answers(db).required(ask.period)),
        )
        rows = [row for row in cells if row.service == name and row.path == DIRECT and ask.shows(row.country)]
        if not rows and not await reading.ask(lambda db: queries.is_known(db, name, None)):
            return missing(ask)
        outcome, text = _badge(rows, required, ask)
        label = title(name)[:40]
        left, right = (int(len(said) * LETTER) + 14 for said in (label, text))
        return rendering.drawn(
            "badge.svg", "image/svg+xml", title=label, text=text, left=left, right=right, colour=COLOURS[outcome]
        )


def _badge(rows: list[CellRow], required: set[tuple[str | None, str]], ask: Asked) -> tuple[str | None, str]:
    networks: dict[object, list[CellRow]] = {}
    for row in rows:
        networks.setdefault(network(row.country, row.asn, row.network_name), []).append(row)
    outcomes = [state(those, required).outcome for those in networks.values()]
    blocked, reachable = outcomes.count("blocked"), outcomes.count("reachable")
    if blocked:
        return "blocked", ask.words.say("badge.blocked", blocked=blocked, networks=len(outcomes))
    if reachable:
        return "reachable", ask.words.say("badge.reachable", networks=reachable)
    return None, ask.words.say("badge.nothing")


def _entry(row: ChangeRow, ask: Asked) -> dict[str, str]:
    words = ask.words
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
