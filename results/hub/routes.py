"""The hub's web application: routes, access checks, and errors as JSON."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from results.db.jsonl import BadRecord, decode
from results.db.store import StoreError
from results.hub.auth import BROWSER_CHALLENGE, HubAuth, Unauthorized
from results.hub.credentials import Member
from results.hub.database import Collector, QueryTimeout, ReadPool
from results.hub.limits import CLIENT, Overloaded, Places, TooManyRequests, UploadBudget, is_proxy, rate_limit_key
from results.hub.request_body import MAX_PACKED_BYTES, BadRequest, ReadBatch, RequestBodies, read_batch

OPENAPI = Path(__file__).with_name("openapi.json").read_bytes()
"""The API's description, in OpenAPI 3.1."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
MAX_JSON_BYTES = 16 * 1024
MAX_BATCH_BODIES_BYTES, MAX_SMALL_BODIES_BYTES = 64 * 1024 * 1024, 2 * 1024 * 1024
SMALL_BODY_TIMEOUT_S, DISCARD_S = 10.0, 5.0
MAX_TURN_S = 30.0
"""A batch waits this long for those before it."""

UNAVAILABLE: dict[type[Exception], tuple[str, str]] = {
    QueryTimeout: ("that takes too long to answer: ask for less", "60"),
    Overloaded: ("busy, come back later", "10"),
    StoreError: ("nothing can be stored just now, come back later", "60"),
}
"""Status 503: the message, and Retry-After in seconds."""

Audience = Literal["everybody", "readers", "members", "operator"]
Handler = Callable[["HubApp", Request, Member | None], Awaitable[Response]]
"""The member is known on routes for members, and None on others where the reader is no member."""
PageHandler = Callable[[Request, ReadPool], Awaitable[Response]]
"""Sets its own Content-Security-Policy."""
AddressLookup = Callable[[str], tuple[int | None, str | None]]
"""ASN and country of an address."""


class HubRoute(msgspec.Struct, frozen=True):
    method: str
    path: str
    handler: Handler
    audience: Audience = "members"


class HubOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the application is reached, and what a member may upload."""

    mb_per_day: int = 512
    behind_proxy: bool = False
    proxies: tuple[str, ...] = ()
    """Public addresses or networks of the reverse proxy; private ones are believed without being named."""
    hosts: tuple[str, ...] = ("*",)
    """Host names that are answered: a web page whose own name leads to a loopback address must not read a hub there."""


class EnrolRequest(msgspec.Struct, forbid_unknown_fields=True):
    invitation: str


class HubApp:
    """The ASGI application, and what its handlers share."""

    def __init__(
        self,
        collector: Collector,
        auth: HubAuth,
        read_pool: ReadPool,
        routes: Sequence[HubRoute] = (),
        options: HubOptions | None = None,
    ) -> None:
        self.collector, self.auth, self.read_pool = collector, auth, read_pool
        self.response_counts: Counter[int] = Counter()
        """Responses by status."""
        self._options = options = options or HubOptions()
        self._budget = UploadBudget(options.mb_per_day)
        self._batch_bodies = RequestBodies(MAX_BATCH_BODIES_BYTES, Places(1, what="batch"))
        self._small_bodies = RequestBodies(MAX_SMALL_BODIES_BYTES, Places(16), SMALL_BODY_TIMEOUT_S)
        self._open_bodies = RequestBodies(MAX_SMALL_BODIES_BYTES, Places(4), SMALL_BODY_TIMEOUT_S)
        self._reader, self._reading = ThreadPoolExecutor(1, "reading"), asyncio.Lock()
        every = (
            HubRoute("GET", "/healthz", HubApp.health, "everybody"),
            HubRoute("GET", "/openapi.json", HubApp.openapi, "everybody"),
            HubRoute("POST", "/v1/enrol", HubApp.enrol, "everybody"),
            HubRoute("POST", "/v1/token", HubApp.renew),
            HubRoute("POST", "/v1/measurements", HubApp.upload),
            *routes,
        )
        self.app = Starlette(
            routes=[Route(route.path, self._endpoint(route), methods=[route.method]) for route in every],
            exception_handlers={HTTPException: _http_error, Exception: _internal_error},
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=options.hosts, www_redirect=False)],
        )

    async def renew(self, request: Request, member: Member | None) -> Response:
        """Another token for the member."""
        assert member is not None
        return json_response({"token": await self.auth.renew(member)})

    async def upload(self, request: Request, member: Member | None) -> Response:
        """A batch of records, one a line; a result for each. One batch of a member at a time."""
        assert member is not None
        key = str(member.id)
        self._budget.take_batch(key)
        async with self._batch_bodies.read(request, MAX_PACKED_BYTES, key) as body:
            encoding = request.headers.get("content-encoding", "").strip().lower()
            batch = await self._in_turn(partial(read_batch, body, encoding, member.name))
            found = len(batch.records) if isinstance(batch.records, list) else 0
            self._budget.spend(key, cpu_s=batch.cpu_s, plain_bytes=batch.plain_bytes, records=found)
            if isinstance(batch.records, BadRequest):
                raise batch.records
            if not batch.records:
                return json_response({"answers": []})
            stored = await self.collector.store(member, batch.records, batch.plain_bytes)
            self._budget.spend(key, cpu_s=stored.cpu_s)
        return json_response({"answers": stored.results})

    async def _in_turn(self, read: Callable[[], ReadBatch]) -> ReadBatch:
        """Read one batch after another, in the order of arrival, while the writer keeps up. Overloaded."""
        try:
            async with asyncio.timeout(MAX_TURN_S):
                await self._reading.acquire()
        except TimeoutError as error:
            raise Overloaded from error
        try:
            await self.collector.wait_for_room()
            return await asyncio.get_running_loop().run_in_executor(self._reader, read)
        finally:
            self._reading.release()

    async def enrol(self, request: Request, member: Member | None) -> Response:
        """A name and a token for an invitation."""
        body = await self.json_body(request, EnrolRequest)
        name, token = await self.auth.enrol(body.invitation, self.rate_limit_key(request))
        return json_response({"name": name, "token": token})

    async def json_body(self, request: Request, kind: Any) -> Any:
        """A small JSON body, decoded as `kind`. BadRequest."""
        bodies = self._open_bodies if kind is EnrolRequest else self._small_bodies
        async with bodies.read(request, MAX_JSON_BYTES, CLIENT.get()) as body:
            try:
                return decode(body, kind)
            except BadRecord as error:
                raise BadRequest(str(error), 422) from error

    async def health(self, request: Request, member: Member | None) -> Response:
        return json_response({"status": "ok"})

    async def openapi(self, request: Request, member: Member | None) -> Response:
        return Response(OPENAPI, media_type="application/json")

    async def _authorize(self, audience: Audience, request: Request) -> Member | None:
        header, key = request.headers.get("authorization"), self.rate_limit_key(request)
        if audience == "members":
            return await self.auth.member(header, key)
        if audience == "readers":
            return await self.auth.reader(header, key)
        if audience == "operator":
            await self.auth.operator(header, key)
        return None

    def _endpoint(self, route: HubRoute) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            response = with_headers(await attempt(request))
            if response.status_code in (413, 429, 503) and request.method == "POST":
                await discard_body(request)
            self.response_counts[response.status_code] += 1
            return response

        async def attempt(request: Request) -> Response:
            try:
                member = await self._authorize(route.audience, request)
                CLIENT.set(f"member {member.id}" if member is not None else self.rate_limit_key(request))
                return await route.handler(self, request, member)
            except Unauthorized:
                if route.audience in ("readers", "operator"):
                    challenge = {"WWW-Authenticate": BROWSER_CHALLENGE}
                    return error_response(401, "no password or token, or not a valid one", challenge)
                return error_response(401, "no token, or not a valid one", {"WWW-Authenticate": "Bearer"})
            except TooManyRequests as error:
                return error_response(429, str(error), {"Retry-After": str(max(1, round(error.wait_s)))})
            except (QueryTimeout, Overloaded, StoreError) as error:
                why, retry_s = next(answer for kind, answer in UNAVAILABLE.items() if isinstance(error, kind))
                return error_response(503, why, {"Retry-After": retry_s})
            except BadRequest as error:
                return error_response(error.status, str(error))
            except ClientDisconnect:
                return error_response(400, "gone")

        return handle

    def rate_limit_key(self, request: Request) -> str:
        return rate_limit_key(self.address(request))

    def address(self, request: Request) -> str:
        """The client's address; from a trusted proxy the last one in X-Forwarded-For, which the proxy itself wrote."""
        address = request.client.host if request.client else ""
        if self._options.behind_proxy and is_proxy(address, self._options.proxies):
            lines = request.headers.getlist("x-forwarded-for")
            return (lines[-1] if lines else "").rpartition(",")[2].strip() or address
        return address


def whoami_route(lookup: AddressLookup | None) -> HubRoute:
    """GET /v1/whoami: a member's ASN and country by its address, which is not stored; 404 without `lookup`."""

    async def whoami(hub: HubApp, request: Request, member: Member | None) -> Response:
        if lookup is None:
            raise BadRequest("this hub has no database of networks: [asn] mmdb", 404)
        asn, country = lookup(hub.address(request))
        return json_response({"asn": asn, "country": country})

    return HubRoute("GET", "/v1/whoami", whoami)


def page_routes(pages: Sequence[tuple[str, PageHandler]]) -> tuple[HubRoute, ...]:
    """Routes for the web pages, in the order in which paths are matched."""

    async def handle(page: PageHandler, hub: HubApp, request: Request, member: Member | None) -> Response:
        return await page(request, hub.read_pool)

    return tuple(HubRoute("GET", path, partial(handle, page), "readers") for path, page in pages)


async def discard_body(request: Request) -> None:
    """Read on for a moment: closing with bytes unread resets the connection, and the response would be lost."""
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):  # RuntimeError: it was read already
        async with asyncio.timeout(DISCARD_S):
            async for _ in request.stream():
                pass


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return with_headers(error_response(error.status_code, "there is no such thing here", dict(error.headers or {})))


async def _internal_error(request: Request, error: Exception) -> Response:
    return with_headers(error_response(500, "a fault of the hub's own"))


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def error_response(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    """An error. It closes the connection: an unread body would be taken for the next request."""
    return json_response({"error": why}, status, {**(headers or {}), "Connection": "close"})


def with_headers(response: Response) -> Response:
    """With HEADERS where the response does not set them itself."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
