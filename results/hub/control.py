"""POST /v1/control: the hub's own measurement of a target, cached for minutes, never of private addresses."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from probe import target as targets
from probe.model import Measurement, Target
from probe.net.address_policy import literal
from probe.text import printable
from results.hub.limits import CLIENT, FairSlots, Overloaded, Places, RateLimits, TooManyRequests
from results.hub.request_body import BadRequest
from results.hub.routes import json_response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from results.hub.credentials import Member
    from results.hub.routes import HubApp

MAX_AGE_S = 300.0
MAX_CACHED, MAX_CACHED_BYTES = 2000, 32 * 1024 * 1024
MAX_CONCURRENT, MAX_CONCURRENT_EACH = 64, 8
MAX_WAITING, MAX_WAITING_EACH = 512, 32
TIMEOUT_S = 45.0
MAX_PAGE_BYTES = 64 * 1024
"""A longer page is left out of the response; its hash, length and title are in it."""
REQUESTS_PER_S, MAX_REQUESTS = 2.0, 300
"""Of one member: where everything is blocked at once, a round asks about every target."""

Observe = Callable[[Target, tuple[str, ...]], Awaitable[Measurement]]
"""Measures a target, and connects to these addresses as well."""
Resolve = Callable[[str], Awaitable[tuple[str, ...]]]
"""All addresses of a name."""
MayConnect = Callable[[str, int], bool]
"""Whether an address and port may be connected to; `Observe` checks the same at each connect."""


class ControlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    target: Annotated[str, Meta(min_length=1, max_length=2048)]
    addresses: Annotated[tuple[Annotated[str, Meta(max_length=45)], ...], Meta(max_length=8)] = ()


class Controls:
    """Measures each target once for all who ask at the same time."""

    def __init__(
        self, observe: Observe, resolve: Resolve, may_connect: MayConnect, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._observe, self._resolve, self._may_connect, self._clock = observe, resolve, may_connect, clock
        self._rates = RateLimits(REQUESTS_PER_S, MAX_REQUESTS)
        self._cache: OrderedDict[object, tuple[float, bytes]] = OrderedDict()
        self._cached_bytes = 0
        self._running: dict[object, asyncio.Task[bytes]] = {}
        self._slots = FairSlots(MAX_CONCURRENT, MAX_CONCURRENT_EACH, Places(MAX_WAITING_EACH, MAX_WAITING, "controls"))

    async def handle(self, hub: HubApp, request: Request, member: Member | None) -> Response:
        assert member is not None
        if wait := self._rates.take(str(member.id)):
            raise TooManyRequests(wait)
        target, addresses = self._checked(await hub.json_body(request, ControlRequest))
        key = (target.scheme, target.host, target.port, target.request_path, addresses)
        if (encoded := self._cached(key)) is None:
            try:
                async with asyncio.timeout(TIMEOUT_S), self._slots.slot(CLIENT.get()):
                    encoded = self._cached(key) or await self._measured(key, target, addresses)
            except TimeoutError as error:
                raise Overloaded from error
        return json_response({"measurement": msgspec.Raw(encoded)})

    def _cached(self, key: object) -> bytes | None:
        at, encoded = self._cache.get(key, (0.0, None))
        return encoded if self._clock() - at < MAX_AGE_S else None

    def _checked(self, asked: ControlRequest) -> tuple[Target, tuple[str, ...]]:
        """What may be measured. BadRequest, 422, for anything else."""
        try:
            target = targets.parse(asked.target, allow_private=True)
        except targets.BadTarget as error:
            raise BadRequest(printable(str(error)), 422) from error
        addresses = tuple(sorted({str(found) for one in asked.addresses if (found := literal(one)) is not None}))
        if len(addresses) < len(set(asked.addresses)):
            raise BadRequest("an address that is none", 422)
        for address in (*addresses, *([target.host] if literal(target.host) else [])):
            self._check(address, target.port)
        return target, addresses

    def _check(self, address: str, port: int) -> None:
        if not self._may_connect(address, port):
            raise BadRequest(f"{printable(address, 60)} port {port} is not measured from here", 422)

    async def _measured(self, key: object, target: Target, addresses: tuple[str, ...]) -> bytes:
        """A new measurement, or the one that is running."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._measure(key, target, addresses))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _measure(self, key: object, target: Target, addresses: tuple[str, ...]) -> bytes:
        async with asyncio.timeout(2 * TIMEOUT_S):
            if literal(target.host) is None:
                # All of them: no honest request is for a name that also has a private address.
                for address in await self._resolve(target.host):
                    self._check(address, target.port)
            measurement = await self._observe(target, addresses)
        encoded = msgspec.json.encode(_without_long_pages(measurement))
        self._remember(key, encoded)
        return encoded

    def _remember(self, key: object, encoded: bytes) -> None:
        before = self._cache.pop(key, None)
        self._cache[key] = (self._clock(), encoded)
        self._cached_bytes += len(encoded) - (len(before[1]) if before else 0)
        while len(self._cache) > MAX_CACHED or self._cached_bytes > MAX_CACHED_BYTES:
            _, (_, dropped) = self._cache.popitem(last=False)
            self._cached_bytes -= len(dropped)


def _without_long_pages(measurement: Measurement) -> Measurement:
    observations = tuple(
        msgspec.structs.replace(o, detail=msgspec.structs.replace(o.detail, body=None))
        if len(getattr(o.detail, "body", None) or b"") > MAX_PAGE_BYTES
        else o
        for o in measurement.observations
    )
    return msgspec.structs.replace(measurement, observations=observations)
