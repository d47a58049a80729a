"""The pages: each reads what it needs and has it told in the reader's language; lists can be had as CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from results.aggregate.questions import MatrixRow
from results.compare.record import DIRECT
from results.db.json_codec import ID
from results.hub.web import measurement_view, queries, rendering, timeline
from results.hub.web.context import Asking, missing
from results.hub.web.labels import names_of, network, title
from results.hub.web.matrix import listing, matrix
from results.hub.web.params import Asked
from results.hub.web.queries import LatestRow
from results.judge.rules import rules
from results.judge.rules_docs import TIERS

if TYPE_CHECKING:
    from sqlite_utils import Database
    from starlette.requests import Request

    from results.hub.read_pool import Reading

HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?")
MOST_LATEST = 300
LONG_DAYS = 90
"""What a service's page shows where nobody asks for another time."""


class Pages(Asking):
    """The pages of one thing: the matrix, a service, a target, a vantage, a measurement."""

    async def matrix(self, request: Request, reading: Reading) -> Response:
        """Services and networks."""
        ask = self.asked(request)
        if request.scope["path"].endswith(".csv"):
            rows = await self.found(reading, ("rows", ask.period), lambda db: self.answers(db).matrix(ask.period))
            return rendering.table(
                [row for row in rows if ask.shows(row.country, row.service, row.target)], MatrixRow, "matrix"
            )

        def question(db: Database) -> Any:
            answers = self.answers(db)
            return answers.cells(ask.period), answers.required(ask.period), answers.countries()

        cells, required, countries = await self.found(reading, ("cells", ask.period), question)
        shown = [
            row for row in cells if ask.shows(row.country, row.service, row.target, title(row.service, row.target))
        ]
        return await self.drawn(
            ask,
            "matrix",
            lambda: {"matrix": matrix(shown, required), "countries": countries},
            of=(cells, required, countries),
        )

    async def service(self, request: Request, reading: Reading) -> Response:
        """One service, network by network."""
        return await self._course(request, reading, service=request.path_params["name"])

    async def target(self, request: Request, reading: Reading) -> Response:
        """One target, which may be in no service."""
        return await self._course(request, reading, target=self.asked(request).target or "")

    async def _course(
        self, request: Request, reading: Reading, *, service: str | None = None, target: str | None = None
    ) -> Response:
        ask = self.asked(request, LONG_DAYS, own=True)

        def question(db: Database) -> Any:
            latest = queries.latest(db, ask.period, service=service, target=target)
            days = queries.days(db, ask.period, service=service, target=target)
            return latest, days, queries.required(db), queries.countries(db), queries.is_known(db, service, target)

        key = ("course", service, target, ask.period)
        latest, days, required, countries, is_known = await self.found(reading, key, question)
        if not is_known:
            return missing(ask)
        latest = [row for row in latest if ask.shows(row.country)]
        if request.scope["path"].endswith(".csv"):
            return rendering.table(latest, LatestRow, "service")

        def given() -> dict[str, Any]:
            of_service = {text for name, text in required if service is None or name == service}
            by_day = timeline.by_network((row for row in days if ask.shows(row.country)), of_service)
            since = min((row.listed_at for row in latest if row.listed and row.listed_at), default=None)
            return {
                "title": title(service, target),
                "service": service,
                "target": target,
                "host": _host(request),
                "listings": _listings(latest, ask),
                "wide": timeline.strip(by_day, timeline.WIDE, since),
                "narrow": timeline.strip(by_day, timeline.NARROW, since),
                "outcomes": timeline.outcomes_of(by_day),
                "countries": countries,
                "badge": ask.to(f"/badge/{service}.svg"),
                "badge_text": title(service, target),
                **_latest(latest, ask),
            }

        return await self.drawn(ask, "service", given)

    async def vantage(self, request: Request, reading: Reading) -> Response:
        """One vantage, target by target."""
        ask, name = self.asked(request, LONG_DAYS, own=True), request.path_params["name"]
        latest, countries, is_known = await self.found(
            reading,
            ("vantage", name, ask.period),
            lambda db: (
                queries.latest(db, ask.period, vantage=name),
                queries.countries(db),
                queries.has_vantage(db, name),
            ),
        )
        if not is_known:
            return missing(ask)
        latest = [row for row in latest if ask.shows(row.country)]
        if request.scope["path"].endswith(".csv"):
            return rendering.table(latest, LatestRow, "vantage")
        return await self.drawn(ask, "vantage", lambda: {"name": name, "countries": countries, **_latest(latest, ask)})

    async def measurement(self, request: Request, reading: Reading) -> Response:
        """The permanent page of a measurement."""
        ask, found = self.asked(request, own=True), await self._kept(request, reading)
        if found is None:
            return missing(ask)
        return await self.drawn(ask, "measurement", lambda: {"m": measurement_view.explained(found, ask.words)})

    async def line(self, request: Request, reading: Reading) -> Response:
        """A measurement as a line of a file."""
        found, form = await self._kept(request, reading), request.path_params["form"]
        if found is None or form not in ("record", "ooni"):
            return missing(self.asked(request))
        name = f"{found.finished.measurement.id}.{form}.jsonl"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(measurement_view.line(found, form), 200, headers, "application/x-ndjson")

    async def _kept(self, request: Request, reading: Reading) -> measurement_view.Kept | None:
        name = request.path_params["id"]
        return await reading.ask(lambda db: measurement_view.kept(db, name)) if ID.fullmatch(name) else None

    async def rules(self, request: Request, reading: Reading) -> Response:
        """Every rule, so that a measurement's can be looked up."""
        ordered = sorted(rules(), key=lambda rule: rule.tier)
        tiers = [(TIERS[tier], list(those)) for tier, those in groupby(ordered, key=lambda rule: rule.tier)]
        return rendering.page(self.asked(request), "rules", tiers=tiers)


def _host(request: Request) -> str:
    """For an address that holds on other pages too, whatever brings them; nothing where a browser names none."""
    name = request.headers.get("host", "")
    return f"//{name}" if HOST.fullmatch(name) else ""


def _latest(rows: Sequence[LatestRow], ask: Asked) -> dict[str, Any]:
    names = names_of((row.asn, row.network_name) for row in rows if row.path == DIRECT)
    shown = [
        {
            "target": row.target,
            "network": network(row.country, row.asn, row.network_name, row.path),
            "vantage": row.vantage,
            "outcome": row.outcome,
            "how": measurement_view.how(row.outcome, row.method, row.trigger, row.confidence, ask.words),
            "agreement": row.agreement,
            "at": row.at,
            "id": row.id,
        }
        for row in sorted(rows, key=lambda row: (row.outcome != "blocked", row.target, row.asn or 0, row.vantage))
    ]
    return {"latest": shown[:MOST_LATEST], "latest_left_out": max(0, len(shown) - MOST_LATEST), "names": names}


def _listings(rows: Iterable[LatestRow], ask: Asked) -> list[str]:
    """What each country's register says, in a sentence."""
    by_country: dict[str, list[LatestRow]] = {}
    for row in rows:
        if row.country is not None:
            by_country.setdefault(row.country, []).append(row)
    said = []
    for country, those in sorted(by_country.items()):
        found = listing(those)
        if found is None:
            continue
        words = ask.words
        if not found.listed:
            said.append(f"{country}: {words.say('page.not_listed_here')}")
        elif found.since:
            when = words.when(found.since)
            said.append(f"{country}: {words.say('page.listed_here', register=found.register or '?', when=when)}")
    return said
