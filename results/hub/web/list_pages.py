"""The pages that are lists, each to be had as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from results.aggregate.questions import BlockRow, ChangeRow, Period
from results.hub.web import lists, queries, rendering
from results.hub.web.context import Asking

if TYPE_CHECKING:
    from sqlite_utils import Database
    from starlette.requests import Request
    from starlette.responses import Response

    from results.hub.read_pool import Reading
    from results.hub.web.params import Asked

T = TypeVar("T")
CORRECTED_DAYS = 90


class ListPages(Asking):
    """What changed, what is newly listed, what is blocked without a listing, who measures and who fell silent."""

    async def changes(self, request: Request, reading: Reading) -> Response:
        """What was found blocked that was open before, and the other way round."""
        ask = self.asked(request)
        rows = lists.changes(await self.changed(reading, ask.period), ask)
        shown = rows if request.scope["path"].endswith(".csv") else lists.lasting(rows)
        return await self._list(
            request, reading, ask, "changes", shown, ChangeRow, lists.CHANGE_HEADS, lists.change_cells,
            taken_back=len(rows) - len(shown),
        )  # fmt: skip

    async def unlisted(self, request: Request, reading: Reading) -> Response:
        """Blocks that no register asks for."""
        return await self._blocks(
            request, reading, "unlisted", lambda db, period: self.answers(db).unlisted_blocks(period)
        )

    async def collateral(self, request: Request, reading: Reading) -> Response:
        """Blocked with an address that is."""
        return await self._blocks(
            request, reading, "collateral", lambda db, period: self.answers(db).collateral(period)
        )

    async def _blocks(
        self, request: Request, reading: Reading, name: str, question: Callable[[Database, Period], list[BlockRow]]
    ) -> Response:
        ask = self.asked(request)
        found = await self.found(reading, (name, ask.period), lambda db: question(db, ask.period))
        rows = lists.blocks(found, ask)
        return await self._list(request, reading, ask, name, rows, BlockRow, lists.BLOCK_HEADS, lists.block_cells)

    async def listed(self, request: Request, reading: Reading) -> Response:
        """What a register began to list."""
        ask = self.asked(request)
        cells = await self.found(reading, ("listed",), lambda db: self.answers(db).cells(Period()))
        rows = lists.listed(cells, ask)
        return await self._list(
            request, reading, ask, "listed", rows, lists.Listed, lists.LISTED_HEADS, lists.listed_cells
        )

    async def corrections(self, request: Request, reading: Reading) -> Response:
        """Verdicts that became others when they were judged again."""
        ask = self.asked(request, CORRECTED_DAYS, own=True)
        found = await self.found(reading, ("corrections", ask.period), lambda db: queries.corrections(db, ask.period))
        rows = [row for row in found if ask.shows(row.country, row.service, row.target)]
        return await self._list(
            request, reading, ask, "corrections", rows, queries.CorrectionRow, lists.CORRECTION_HEADS,
            lists.correction_cells,
        )  # fmt: skip

    async def vantages(self, request: Request, reading: Reading) -> Response:
        """Who measures."""
        ask = self.asked(request, own=True)
        rows = await self.found(reading, ("vantages",), queries.vantages)
        return await self._list(
            request,
            reading,
            ask,
            "vantages",
            rows,
            queries.VantageRow,
            lists.VANTAGE_HEADS,
            lists.vantage_cells,
            filters=False,
        )

    async def silent(self, request: Request, reading: Reading) -> Response:
        """Who measured before and does no more."""
        ask, now = self.asked(request, own=True), self.now()
        rows = lists.silent(await self.found(reading, ("vantages",), queries.vantages), now)
        return await self._list(
            request, reading, ask, "silent", rows, queries.VantageRow, lists.SILENT_HEADS,
            lambda shown, asked: lists.silent_cells(shown, asked, now), filters=False,
        )  # fmt: skip

    async def _list(
        self,
        request: Request,
        reading: Reading,
        ask: Asked,
        name: str,
        rows: Sequence[T],
        kind: Any,
        heads: Sequence[str],
        cells: Callable[[Sequence[T], Asked], lists.Rows],
        *,
        filters: bool = True,
        taken_back: int = 0,
    ) -> Response:
        if request.scope["path"].endswith(".csv"):
            return rendering.table(rows, kind, name)  # type: ignore[arg-type]
        countries = await self._countries(reading, ask) if filters else None
        return await self.drawn(
            ask,
            "list",
            lambda: {
                "name": name,
                "lead": ask.words.say(f"intro.{name}", hours=lists.SILENT_H),
                "heads": heads,
                "rows": cells(rows[: lists.MOST], ask),
                "left_out": max(0, len(rows) - lists.MOST),
                "countries": countries,
                "taken_back": taken_back,
            },
        )

    async def _countries(self, reading: Reading, ask: Asked) -> list[str]:
        """To choose from: those of this hub on a page of its own."""
        if ask.is_own:
            return await self.found(reading, ("own countries",), queries.countries)
        return await self.found(reading, ("countries",), lambda db: self.answers(db).countries())
