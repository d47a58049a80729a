"""What a hub answers: routes, and every refusal as one JSON object that says why."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from results.db.jsonl import BadRecord, decode
from results.db.store import StoreError
from results.hub.access import BROWSERS, Readers
from results.hub.auth import Doorkeeper, NotKnown, TooMany
from results.hub.collector import Answer, Busy, Collector, Record
from results.hub.decompress import MAX_PACKED, BadPacking, unpack
from results.hub.membership import Member
from results.hub.openapi import description
from results.hub.rate_limits import Rates, neighbourhood
from results.hub.read_pool import Reading, TooSlow
from results.hub.records import read
from results.hub.request_body import BadBody, Bodies
from results.hub.responses import answer, refusal, with_headers

MOST_RECORDS = 500
"""In one batch."""
SMALL = 16 * 1024
"""What anything but a batch may be long."""
BATCHES_PER_S, BATCHES = 2.0, 60
RECORDS_PER_S, RECORDS = 200.0, 5000
"""Of one member. A round of a volunteer's has some hundreds of records."""

Who = Literal["everybody", "readers", "members", "operator"]
Handler = Callable[["Hub", Request, Member | None], Awaitable[Response]]
"""Answers a request; it is told which member asks, where that is known. Members' routes always know it."""
PageHandler = Callable[[Request, Reading], Awaitable[Response]]
"""Answers whoever may read. It asks the database by `Reading.ask`, and says its own Content-Security-Policy."""


class Served(msgspec.Struct, frozen=True):
    """A route: who may come by it, and who answers."""

    method: str
    path: str
    handler: Handler
    who: Who = "members"


class Enrolling(msgspec.Struct, forbid_unknown_fields=True):
    invitation: str


class Hub:
    """The handlers, and what they share."""

    def __init__(
        self,
        collector: Collector,
        doorkeeper: Doorkeeper,
        readers: Readers,
        reading: Reading,
        *,
        behind_proxy: bool = False,
        bodies: Bodies | None = None,
        more: Sequence[Served] = (),
        pages: Sequence[tuple[str, PageHandler]] = (),
    ) -> None:
        """`more` are further routes, `pages` the paths that people read and what answers there."""
        self.collector, self.doorkeeper, self.bodies = collector, doorkeeper, bodies or Bodies()
        self.readers, self.reading = readers, reading
        self.answered: Counter[int] = Counter()
        """How many requests were answered, by status."""
        self._behind_proxy = behind_proxy
        self._batches, self._records = Rates(BATCHES_PER_S, BATCHES), Rates(RECORDS_PER_S, RECORDS)
        self._reader, self._one = ThreadPoolExecutor(1, "reading"), asyncio.Lock()
        served = [
            Served("GET", "/healthz", Hub.health, "everybody"),
            Served("GET", "/openapi.json", Hub.describe, "everybody"),
            Served("POST", "/v1/enrol", Hub.enrol, "everybody"),
            Served("POST", "/v1/token", Hub.renew),
            Served("POST", "/v1/measurements", Hub.measurements),
            *more,
            *(Served("GET", path, _page(handler), "readers") for path, handler in pages),
        ]
        self.app = Starlette(
            routes=[Route(one.path, self._answering(one), methods=[one.method]) for one in served],
            exception_handlers={HTTPException: self._no_such_thing, Exception: self._broken},
        )

    async def renew(self, request: Request, member: Member | None) -> Response:
        """Another token in place of the one that this came with."""
        assert member is not None
        return answer({"token": await self.doorkeeper.renew(member)})

    async def measurements(self, request: Request, member: Member | None) -> Response:
        """A batch of records, one a line; an answer for each."""
        assert member is not None
        name = str(member.id)
        if (wait := self._batches.take(name)) or (wait := self._records.wait_s(name, 1)):
            raise TooMany(wait)
        self.collector.ensure_room()
        with await self.bodies.read(request, MAX_PACKED) as body:
            encoding = request.headers.get("content-encoding", "").strip().lower()
            async with self._one:  # one at a time, so that what waits is counted before the next is read
                self.collector.ensure_room()
                read_in = asyncio.get_running_loop().run_in_executor
                records = await read_in(self._reader, _records, body.data, encoding, member.name)
        self._records.spend(name, len(records))
        answers: list[Answer] = await self.collector.keep(member, records) if records else []
        return answer({"answers": answers})

    async def enrol(self, request: Request, member: Member | None) -> Response:
        """A name and a token for an invitation."""
        asked = await self.asked(request, Enrolling)
        name, token = await self.doorkeeper.enrol(asked.invitation, self.place(request))
        return answer({"name": name, "token": token})

    async def asked(self, request: Request, kind: Any) -> Any:
        """What a small JSON body says, as a `kind`."""
        with await self.bodies.read(request, SMALL) as body:
            try:
                return decode(body.data, kind)
            except BadRecord as error:
                raise BadBody(str(error), 422) from error

    async def health(self, request: Request, member: Member | None) -> Response:
        return answer({"status": "ok"})

    async def describe(self, request: Request, member: Member | None) -> Response:
        return answer(description())

    async def _let_in(self, who: Who, request: Request) -> Member | None:
        header, place = request.headers.get("authorization"), self.place(request)
        if who == "members":
            return await self.doorkeeper.member(header, place)
        if who == "readers":
            return await self.readers.reader(header, place)
        if who == "operator":
            await self.readers.operator(header, place)
        return None

    def _answering(self, one: Served) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            response = with_headers(await attempt(request))
            self.answered[response.status_code] += 1
            return response

        async def attempt(request: Request) -> Response:
            try:
                return await one.handler(self, request, await self._let_in(one.who, request))
            except NotKnown:
                if one.who in ("readers", "operator"):
                    return refusal(401, "no password or token, or not a valid one", {"WWW-Authenticate": BROWSERS})
                return refusal(401, "no token, or not a valid one", {"WWW-Authenticate": "Bearer"})
            except TooMany as error:
                return refusal(429, str(error), {"Retry-After": str(max(1, round(error.wait_s)))})
            except TooSlow:
                return refusal(503, "that takes too long to answer: ask for less", {"Retry-After": "60"})
            except Busy:
                return refusal(503, "busy, come back later", {"Retry-After": "10"})
            except StoreError:
                return refusal(503, "nothing can be stored just now, come back later", {"Retry-After": "60"})
            except (BadBody, BadPacking) as error:
                return refusal(error.status, str(error))
            except ClientDisconnect:
                return refusal(400, "gone")

        return handle

    async def _no_such_thing(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        more = dict(error.headers or {}) if isinstance(error, HTTPException) else None
        return with_headers(refusal(status, "there is no such thing here", more))

    async def _broken(self, request: Request, error: Exception) -> Response:
        return with_headers(refusal(500, "a fault of the hub's own"))

    def place(self, request: Request) -> str:
        """What counts as one place that a request comes from."""
        return neighbourhood(self.address(request))

    def address(self, request: Request) -> str:
        """Where a request comes from; behind a proxy, what that says itself, which is the last word in the field."""
        address = request.client.host if request.client else ""
        if self._behind_proxy:
            return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip() or address
        return address


def _page(handler: PageHandler) -> Handler:
    async def handle(hub: Hub, request: Request, member: Member | None) -> Response:
        return await handler(request, hub.reading)

    return handle


def _records(packed: bytes, encoding: str, member: str) -> list[tuple[int, Record]]:
    """Every line of a batch with its number, read or refused."""
    found: list[tuple[int, Record]] = []
    for number, line in enumerate(unpack(packed, encoding).split(b"\n"), 1):
        if not line.strip():
            continue
        if len(found) == MOST_RECORDS:
            raise BadPacking(f"more than {MOST_RECORDS} records in one batch", 413)
        try:
            found.append((number, read(line, member)))
        except BadRecord as error:
            found.append((number, error))
    return found
