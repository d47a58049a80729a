"""What all pages share: the clock, what a reader asks for, and what was found a moment ago."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.responses import Response

from results.hub.read_pool import Away, TooSlow
from results.hub.web import rendering
from results.hub.web.backend import OwnAnswers
from results.hub.web.cache import Remembering
from results.hub.web.params import DAYS, Asked, asked

if TYPE_CHECKING:
    from sqlite_utils import Database
    from starlette.requests import Request

    from results.aggregate.questions import ChangeRow, Period
    from results.hub.read_pool import Reading
    from results.hub.routes import PageHandler
    from results.hub.web.backend import PageAnswers

T = TypeVar("T")
MOST_DRAWN = 8
"""Pages that are kept as they are: the first one, in two languages, and what else is in everybody's mouth."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Asking:
    """Finds for pages. Those that are made with the same Remembering ask the database once for all of them."""

    def __init__(
        self,
        remembering: Remembering,
        now: Callable[[], datetime],
        answers: Callable[[Database], PageAnswers] = OwnAnswers,
    ) -> None:
        self._remembering, self.now, self.answers = remembering, now, answers
        self._drawing = asyncio.Lock()
        self._drawn: dict[Asked, tuple[tuple[object, ...], Response]] = {}

    def asked(self, request: Request, days: int = DAYS, *, own: bool = False) -> Asked:
        """`own`: what is shown lies in this hub's database, also where the other pages ask a store of several."""
        return asked(request, self.now(), days, own and self.answers is not OwnAnswers)

    async def found(self, reading: Reading, key: Any, question: Callable[[Database], T]) -> T:
        """Asked of the database, or found a moment ago."""
        return await self._remembering.ask(reading, key, question)

    async def changed(self, reading: Reading, period: Period) -> list[ChangeRow]:
        return await self.found(reading, ("changes", period), lambda db: self.answers(db).changes(period))

    def in_time(self, handler: PageHandler) -> PageHandler:
        """Says on a page what takes too long, or is away."""

        async def handle(request: Request, reading: Reading) -> Response:
            try:
                return await handler(request, reading)
            except TooSlow:
                return rendering.page(self.asked(request), "slow", status=503)
            except Away:  # what is wrong is said by the loader, each minute
                return rendering.page(self.asked(request), "away", status=503)

        return handle

    async def drawn(
        self, ask: Asked, template: str, given: Callable[[], dict[str, Any]], of: tuple[object, ...] | None = None
    ) -> Response:
        """A page, put together in a thread, for it may be long, and the loop has others to serve.

        `of` is what it is made of, where nothing but that and `ask` goes into it: while it is the same, so is the page.
        """

        def put_together() -> Response:
            return rendering.page(ask, template, **given())

        if of is None:
            return await asyncio.to_thread(put_together)
        async with self._drawing:
            made_of, page = self._drawn.pop(ask, ((), None))
            if page is None or list(map(id, made_of)) != list(map(id, of)):
                page = await asyncio.to_thread(put_together)
            self._drawn[ask] = of, page
            while len(self._drawn) > MOST_DRAWN:
                del self._drawn[next(iter(self._drawn))]
            return page


def missing(ask: Asked) -> Response:
    return rendering.page(ask, "missing", status=404)
