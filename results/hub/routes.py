"""What a hub answers: routes, and every refusal as one JSON object that says why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from results.hub.bodies import BadBody, Bodies
from results.hub.collector import Answer, Busy, Collector, Record
from results.hub.describing import description
from results.hub.doorkeeper import Doorkeeper, NotKnown, TooMany
from results.hub.limits import Rates, neighbourhood
from results.hub.membership import Member
from results.hub.records import read
from results.hub.unpacking import MAX_PACKED, BadPacking, unpack
from results.record_lines import BadRecord, decode
from results.store import StoreError

MOST_RECORDS = 500
"""In one batch."""
SMALL = 16 * 1024
"""What anything but a batch may be long."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
BATCHES_PER_S, BATCHES = 2.0, 60
RECORDS_PER_S, RECORDS = 200.0, 5000
"""Of one member. A round of a volunteer's has some hundreds of records."""

Handler = Callable[[Request], Awaitable[Response]]


class Enrolling(msgspec.Struct, forbid_unknown_fields=True):
    invitation: str


class Hub:
    """The handlers, and what they share."""

    def __init__(
        self,
        collector: Collector,
        doorkeeper: Doorkeeper,
        *,
        behind_proxy: bool = False,
        bodies: Bodies | None = None,
        more: tuple[tuple[str, str, Callable[[Hub, Request, Member], Awaitable[Response]]], ...] = (),
    ) -> None:
        """`more` are further routes for members: method, path and handler."""
        self.collector, self.doorkeeper, self.bodies = collector, doorkeeper, bodies or Bodies()
        self._behind_proxy = behind_proxy
        self._batches, self._records = Rates(BATCHES_PER_S, BATCHES), Rates(RECORDS_PER_S, RECORDS)
        self._reader, self._reading = ThreadPoolExecutor(1, "reading"), asyncio.Lock()
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/healthz", self._health),
            ("GET", "/openapi.json", self._describe),
            ("POST", "/v1/enrol", self._enrol),
            ("POST", "/v1/token", self._members(Hub.renew)),
            ("POST", "/v1/measurements", self._members(Hub.measurements)),
            *((method, path, self._members(handler)) for method, path, handler in more),
        ]
        self.app = Starlette(
            routes=[Route(path, self._answering(handler), methods=[method]) for method, path, handler in routes],
            exception_handlers={HTTPException: self._no_such_thing, Exception: self._broken},
        )

    async def renew(self, request: Request, member: Member) -> Response:
        """Another token in place of the one that this came with."""
        return answer({"token": await self.doorkeeper.renew(member)})

    async def measurements(self, request: Request, member: Member) -> Response:
        """A batch of records, one a line; an answer for each."""
        name = str(member.id)
        if (wait := self._batches.take(name)) or (wait := self._records.wait_s(name, 1)):
            raise TooMany(wait)
        self.collector.ensure_room()
        with await self.bodies.read(request, MAX_PACKED) as body:
            encoding = request.headers.get("content-encoding", "").strip().lower()
            async with self._reading:  # one at a time, so that what waits is counted before the next is read
                self.collector.ensure_room()
                read_in = asyncio.get_running_loop().run_in_executor
                records = await read_in(self._reader, _records, body.data, encoding, member.name)
        self._records.spend(name, len(records))
        answers: list[Answer] = await self.collector.keep(member, records) if records else []
        return answer({"answers": answers})

    async def _enrol(self, request: Request) -> Response:
        asked = await self.asked(request, Enrolling)
        name, token = await self.doorkeeper.enrol(asked.invitation, self._place(request))
        return answer({"name": name, "token": token})

    async def asked(self, request: Request, kind: Any) -> Any:
        """What a small JSON body says, as a `kind`."""
        with await self.bodies.read(request, SMALL) as body:
            try:
                return decode(body.data, kind)
            except BadRecord as error:
                raise BadBody(str(error), 422) from error

    async def _health(self, request: Request) -> Response:
        return answer({"status": "ok"})

    async def _describe(self, request: Request) -> Response:
        return answer(description())

    def _members(self, handler: Callable[[Hub, Request, Member], Awaitable[Response]]) -> Handler:
        async def handle(request: Request) -> Response:
            member = await self.doorkeeper.member(request.headers.get("authorization"), self._place(request))
            return await handler(self, request, member)

        return handle

    def _answering(self, handler: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except NotKnown:
                return refusal(401, "no token, or not a valid one", {"WWW-Authenticate": "Bearer"})
            except TooMany as error:
                return refusal(429, str(error), {"Retry-After": str(max(1, round(error.wait_s)))})
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
        return refusal(status, "there is no such thing here", more)

    async def _broken(self, request: Request, error: Exception) -> Response:
        return refusal(500, "a fault of the hub's own")

    def _place(self, request: Request) -> str:
        """Where a request comes from; behind a proxy, what that says itself, which is the last word in the field."""
        address = request.client.host if request.client else ""
        if self._behind_proxy:
            address = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip() or address
        return neighbourhood(address)


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON, with what every answer says."""
    content = msgspec.json.encode(value)
    return Response(content, status, {**HEADERS, **(headers or {})}, "application/json")


def refusal(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    """An error, and the end of the connection: what was not read of the body would be taken for the next request."""
    return answer({"error": why}, status, {**(headers or {}), "Connection": "close"})


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
