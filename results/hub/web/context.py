"""What all pages share: the clock, cached query results and rendered pages; and one request for a page."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.responses import Response

from results.hub.read_pool import QueryTimeout, WarehouseUnavailable
from results.hub.web import queries, rendering
from results.hub.web.params import DEFAULT_DAYS, PageQuery, page_query
from results.hub.web.queries import OwnAnswers

if TYPE_CHECKING:
    from sqlite_utils import Database
    from starlette.requests import Request

    from results.aggregate.questions import ChangeRow, Period
    from results.hub.read_pool import ReadPool
    from results.hub.routes import PageHandler
    from results.hub.web.queries import PageAnswers

T = TypeVar("T")
MAX_CACHED_ROWS = 400_000
"""About 100 MB."""
MAX_AGE_S = 60.0
"""With nothing new received: a verdict may have been recomputed."""
AGE_PER_QUERY_TIME = 20
"""A query that took a second is not repeated for 20, whatever is received meanwhile."""
QUERY_TIMEOUT_S = 20.0
MAX_RENDERED = 8
"""Pages kept as rendered: the matrix in two languages, and a few more."""


class _CachedResult:
    def __init__(self, version: int, value: Any, took_s: float, at: float) -> None:
        self.version, self.value, self.took_s, self.at = version, value, took_s, at
        parts = value if isinstance(value, tuple) else (value,)
        self.rows = 100 + sum(len(part) for part in parts if isinstance(part, (list, set)))


class QueryCache:
    """Query results of the last moments; equal queries at the same time run once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._results: OrderedDict[Hashable, _CachedResult] = OrderedDict()
        self._locks: dict[Hashable, asyncio.Lock] = {}

    async def run(self, pool: ReadPool, key: Hashable, query: Callable[[Database], T]) -> T:
        """The result of `query`, from the cache where that is recent enough."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                version = await pool.run(queries.newest_number)
                cached = self._results.get(key)
                if cached is None or not self._is_fresh(cached, version):
                    begun = self._clock()
                    value = await pool.run(query, QUERY_TIMEOUT_S)
                    cached = _CachedResult(version, value, self._clock() - begun, self._clock())
                    self._results[key] = cached
                self._results.move_to_end(key)
                while len(self._results) > 1 and sum(one.rows for one in self._results.values()) > MAX_CACHED_ROWS:
                    self._results.popitem(last=False)
                result: T = cached.value
                return result
        finally:
            if not lock.locked():
                self._locks.pop(key, None)

    def _is_fresh(self, cached: _CachedResult, version: int) -> bool:
        age = self._clock() - cached.at
        return age < (MAX_AGE_S if cached.version == version else AGE_PER_QUERY_TIME * cached.took_s)


class HubSite:
    """What the pages share."""

    def __init__(self, now: Callable[[], datetime] | None = None, store: PageAnswers | None = None) -> None:
        """`store` answers for several vantages in place of the hub's own database."""
        self.now = now or (lambda: datetime.now(UTC))
        self.store, self.cache = store, QueryCache()
        self._rendering = asyncio.Lock()
        self._rendered: dict[PageQuery, tuple[tuple[object, ...], Response]] = {}

    def answers(self, db: Database) -> PageAnswers:
        return self.store if self.store is not None else OwnAnswers(db)

    def handler(self, show: Callable[[View], Awaitable[Response]]) -> PageHandler:
        """Answers by `show`, or by a page that says why there is no answer."""

        async def handle(request: Request, pool: ReadPool) -> Response:
            view = View(self, request, pool)
            try:
                return await show(view)
            except QueryTimeout:
                return rendering.page(view.query(), "unavailable", 503, why="slow")
            except WarehouseUnavailable:  # the loader reports the reason each minute
                return rendering.page(view.query(), "unavailable", 503, why="away")

        return handle

    async def once(self, query: PageQuery, of: tuple[object, ...], render: Callable[[], Response]) -> Response:
        """A page that depends on nothing but `query` and `of`, rendered again only when `of` changes."""
        async with self._rendering:
            made_of, page = self._rendered.pop(query, ((), None))
            if page is None or list(map(id, made_of)) != list(map(id, of)):
                page = await asyncio.to_thread(render)
            self._rendered[query] = of, page
            while len(self._rendered) > MAX_RENDERED:
                del self._rendered[next(iter(self._rendered))]
            return page


class View:
    """One request for a page."""

    def __init__(self, site: HubSite, request: Request, pool: ReadPool) -> None:
        self.site, self.request, self.pool = site, request, pool

    @property
    def is_csv(self) -> bool:
        path: str = self.request.scope["path"]
        return path.endswith(".csv")

    def query(self, days: int = DEFAULT_DAYS, *, own: bool = False) -> PageQuery:
        """`own`: the page shows this hub's database even where others show a store of several hubs."""
        return page_query(self.request, self.site.now(), days, own and self.site.store is not None)

    async def run(self, key: Any, query: Callable[[Database], T]) -> T:
        """The result of a query, maybe cached under `key`."""
        return await self.site.cache.run(self.pool, key, query)

    async def changes(self, period: Period) -> list[ChangeRow]:
        return await self.run(("changes", period), lambda db: self.site.answers(db).changes(period))

    async def render(
        self,
        query: PageQuery,
        template: str,
        values: Callable[[], dict[str, Any]],
        of: tuple[object, ...] | None = None,
    ) -> Response:
        """A page, rendered in a thread; once for the same `of`, where the values depend on nothing else."""

        def render() -> Response:
            return rendering.page(query, template, **values())

        return await (asyncio.to_thread(render) if of is None else self.site.once(query, of, render))


def not_found(query: PageQuery) -> Response:
    return rendering.page(query, "missing", status=404)
