"""What all pages share: the clock, cached query results, templates and rendered pages; and one request for a page."""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import io
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from probe.text import bounded, safe
from results.compare.record import DIRECT
from results.hub.database import QueryTimeout, WarehouseUnavailable
from results.hub.web import queries
from results.hub.web.params import DEFAULT_DAYS, PageQuery, page_query
from results.hub.web.queries import OwnAnswers
from results.i18n.language import ENGLISH
from results.i18n.signs import AGREEMENT_SIGNS, OUTCOME_SIGNS, SPLIT
from results.report.csv import harmless
from results.report.tables import short_target

if TYPE_CHECKING:
    from sqlite_utils import Database
    from starlette.requests import Request

    from results.aggregate.questions import ChangeRow, Period
    from results.hub.database import ReadPool
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
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
MIN_GZIP_BYTES = 1400
"""Less fits in one packet."""
SECTIONS = ("changes", "listed", "unlisted", "collateral", "vantages", "silent", "outages", "corrections")
"""The menu, after the matrix."""


class _CachedResult(NamedTuple):
    version: int
    value: Any
    took_s: float
    at: float

    @property
    def rows(self) -> int:
        parts = self.value if isinstance(self.value, tuple) else (self.value,)
        return 100 + sum(len(part) for part in parts if isinstance(part, (list, set)))


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
    """What the pages share; `store` answers for several vantages in place of the hub's own database."""

    def __init__(
        self, now: Callable[[], datetime] | None = None, store: PageAnswers | None = None, language: str = ENGLISH
    ) -> None:
        self.now = now or (lambda: datetime.now(UTC))
        self.store, self.language, self.cache = store, language, QueryCache()
        self._rendering = asyncio.Lock()
        self._rendered: dict[PageQuery, tuple[tuple[object, ...], Response]] = {}

    def handler(self, show: Callable[[View], Awaitable[Response]]) -> PageHandler:
        """Answers by `show`, or by a page that says why there is no answer."""

        async def handle(request: Request, pool: ReadPool) -> Response:
            view = View(self, request, pool)
            try:
                return await show(view)
            except QueryTimeout:
                return page(view.query(), "unavailable", 503, why="slow")
            except WarehouseUnavailable:  # the loader reports the reason each minute
                return page(view.query(), "unavailable", 503, why="no_store")

        return handle

    async def once(self, query: PageQuery, of: tuple[object, ...], render: Callable[[], Response]) -> Response:
        """A page that depends on nothing but `query` and `of`, rendered again only when `of` changes."""
        async with self._rendering:
            made_of, rendered = self._rendered.pop(query, ((), None))
            if rendered is None or list(map(id, made_of)) != list(map(id, of)):
                rendered = await asyncio.to_thread(render)
            self._rendered[query] = of, rendered
            while len(self._rendered) > MAX_RENDERED:
                del self._rendered[next(iter(self._rendered))]
            return rendered


class View:
    """One request for a page."""

    def __init__(self, site: HubSite, request: Request, pool: ReadPool) -> None:
        self.site, self.request, self.pool = site, request, pool
        self.is_csv: bool = request.scope["path"].endswith(".csv")

    def query(self, days: int = DEFAULT_DAYS, *, own: bool = False) -> PageQuery:
        """`own`: the page shows this hub's database even where others show a store of several hubs."""
        is_own = own and self.site.store is not None
        return page_query(self.request, self.site.now(), days, is_own, self.site.language)

    async def run(self, key: Any, query: Callable[[Database], T]) -> T:
        """The result of a query of this hub's database, maybe cached under `key`."""
        return await self.site.cache.run(self.pool, key, query)

    async def ask(self, key: Any, question: Callable[[PageAnswers], T]) -> T:
        """The result of a question about several vantages, maybe cached under `key`."""
        return await self.run(key, lambda db: question(self.site.store or OwnAnswers(db.conn)))

    async def countries(self, query: PageQuery) -> list[str]:
        """All countries of vantage points, for the filter."""
        if query.is_own:
            return await self.run(("own countries",), queries.countries)
        return await self.ask(("countries",), lambda answers: answers.countries())

    async def changes(self, period: Period) -> list[ChangeRow]:
        return await self.ask(("changes", period), lambda answers: answers.changes(period))

    async def render(
        self,
        query: PageQuery,
        template: str,
        values: Callable[[], dict[str, Any]],
        of: tuple[object, ...] | None = None,
    ) -> Response:
        """A page, rendered in a thread; once for the same `of`, where the values depend on nothing else."""

        def render() -> Response:
            return page(query, template, **values())

        return await (asyncio.to_thread(render) if of is None else self.site.once(query, of, render))


def not_found(query: PageQuery) -> Response:
    return page(query, "missing", status=404)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("results.hub.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"signs": OUTCOME_SIGNS, "agreement_signs": AGREEMENT_SIGNS, "split_sign": SPLIT, "direct": DIRECT}
    made.filters |= {"bounded": bounded, "safely": safe, "short_target": short_target}
    return made


@cache
def style() -> tuple[str, str]:
    """The stylesheet, and its hash."""
    report = (files("results.report") / "page.css").read_text("utf-8")
    text = report + (files("results.hub.web") / "page.css").read_text("utf-8")
    return text, hashlib.sha256(text.encode()).hexdigest()[:12]


def page(query: PageQuery, template: str, status: int = 200, **values: Any) -> Response:
    """A page as HTML: every text escaped, one stylesheet, no script, nothing from other sites."""
    made = _environment().get_template(f"{template}.html")
    menu = (("matrix", "/"), *((name, f"/{name}") for name in SECTIONS))
    words = query.words
    text = made.render(query=query, words=words, say=words.say, menu=menu, style_mark=style()[1], **values)
    headers = {
        "Content-Security-Policy": POLICY,
        "Content-Language": query.language,
        "Vary": "Accept-Language, Accept-Encoding",
    }
    content = text.encode()
    if query.takes_gzip and len(content) > MIN_GZIP_BYTES:
        content = gzip.compress(content, 4)
        headers["Content-Encoding"] = "gzip"
    return Response(content, status, headers, "text/html; charset=utf-8")


def xml(query: PageQuery, template: str, media_type: str, **values: Any) -> Response:
    """A feed, a badge, the icon."""
    headers = {"Content-Language": query.language, "Vary": "Accept-Language"}
    return Response(_environment().get_template(template).render(query=query, **values), 200, headers, media_type)


def table(rows: Iterable[msgspec.Struct], row_type: type[msgspec.Struct], name: str) -> Response:
    """Rows as CSV; no text is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(row_type.__struct_fields__)
    for row in rows:
        writer.writerow(map(harmless, msgspec.structs.astuple(row)))
    headers = {"Content-Disposition": f'attachment; filename="reachprobe-{name}.csv"'}
    return Response(out.getvalue(), 200, headers, "text/csv; charset=utf-8")
