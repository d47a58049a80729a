"""What a target looks like from the hub: measured by the same steps, kept for minutes, and never of what is private."""

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
from results.db.json_codec import measurement_to_plain
from results.db.jsonl import printable
from results.hub.auth import TooMany
from results.hub.collector import Busy
from results.hub.rate_limits import Rates
from results.hub.request_body import BadBody
from results.hub.responses import answer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from results.hub.membership import Member
    from results.hub.routes import Hub

FRESH_S = 300.0
"""How old a measurement may be that is given as a control."""
MOST_KEPT, MOST_BYTES = 2000, 32 * 1024 * 1024
AT_ONCE, MOST_WAITING = 16, 128
LONGEST_S = 45.0
MAX_BODY = 64 * 1024
"""A longer page is left out of the answer; its hash, length and title are in it."""
PER_S, BURST = 2.0, 300
"""Of one member: where everything is blocked at once, a round asks of everything."""

Observe = Callable[[Target, tuple[str, ...]], Awaitable[Measurement]]
"""Measures a target, and connects to these addresses as well; the command that starts the hub hands it in."""
Resolve = Callable[[str], Awaitable[tuple[str, ...]]]
"""Every address that the hub's own resolvers give a name."""
May = Callable[[str, int], bool]
"""Whether an address and port may be connected to. `Observe` asks the same at each connect."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    target: Annotated[str, Meta(min_length=1, max_length=2048)]
    addresses: Annotated[tuple[Annotated[str, Meta(max_length=45)], ...], Meta(max_length=8)] = ()


class Controls:
    """Serves POST /v1/control. Whoever asks for what is being measured waits for that."""

    def __init__(
        self, observe: Observe, resolve: Resolve, may: May, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._observe, self._resolve, self._may, self._clock = observe, resolve, may, clock
        self._rates = Rates(PER_S, BURST)
        self._kept: OrderedDict[object, tuple[float, bytes]] = OrderedDict()
        self._size = 0
        self._under_way: dict[object, asyncio.Task[bytes]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    async def handle(self, hub: Hub, request: Request, member: Member | None) -> Response:
        assert member is not None
        if wait := self._rates.take(str(member.id)):
            raise TooMany(wait)
        asked: Asked = await hub.asked(request, Asked)
        return answer({"measurement": msgspec.Raw(await self._encoded(asked))})

    async def _encoded(self, asked: Asked) -> bytes:
        target, addresses = self._read(asked)
        key = (target.scheme, target.host, target.port, target.request_path, addresses)
        measured = self._fresh(key)
        return measured if measured is not None else await self._once(key, target, addresses)

    def _read(self, asked: Asked) -> tuple[Target, tuple[str, ...]]:
        """What may be measured. BadBody, 422, for anything else."""
        try:
            target = targets.parse(asked.target, allow_private=True)
        except targets.BadTarget as error:
            raise BadBody(printable(str(error)), 422) from error
        addresses = tuple(sorted({str(found) for one in asked.addresses if (found := literal(one)) is not None}))
        if len(addresses) < len(set(asked.addresses)):
            raise BadBody("an address that is none", 422)
        for address in (*addresses, *([target.host] if literal(target.host) else [])):
            self._check(address, target.port)
        return target, addresses

    def _check(self, address: str, port: int) -> None:
        if not self._may(address, port):
            raise BadBody(f"{printable(address, 60)} port {port} is not measured from here", 422)

    async def _once(self, key: object, target: Target, addresses: tuple[str, ...]) -> bytes:
        """Measure it, or wait for whoever measures it already."""
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= MOST_WAITING:
                raise Busy
            task = asyncio.create_task(self._measure(key, target, addresses))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.wait_for(asyncio.shield(task), LONGEST_S)
        except TimeoutError as error:
            raise Busy from error

    async def _measure(self, key: object, target: Target, addresses: tuple[str, ...]) -> bytes:
        async with self._places:
            if literal(target.host) is None:
                # All of them: a name that also leads somewhere private is asked for by nobody in good faith.
                for address in await self._resolve(target.host):
                    self._check(address, target.port)
            async with asyncio.timeout(2 * LONGEST_S):
                measured = await self._observe(target, addresses)
        encoded = msgspec.json.encode(measurement_to_plain(_without_long_bodies(measured)))
        self._keep(key, encoded)
        return encoded

    def _fresh(self, key: object) -> bytes | None:
        at, encoded = self._kept.get(key, (0.0, None))
        return encoded if encoded is not None and self._clock() - at < FRESH_S else None

    def _keep(self, key: object, encoded: bytes) -> None:
        before = self._kept.pop(key, None)
        self._kept[key] = (self._clock(), encoded)
        self._size += len(encoded) - (len(before[1]) if before else 0)
        while len(self._kept) > MOST_KEPT or self._size > MOST_BYTES:
            _, (_, gone) = self._kept.popitem(last=False)
            self._size -= len(gone)


def _without_long_bodies(measurement: Measurement) -> Measurement:
    observations = tuple(
        msgspec.structs.replace(o, detail=msgspec.structs.replace(o.detail, body=None))
        if len(getattr(o.detail, "body", None) or b"") > MAX_BODY
        else o
        for o in measurement.observations
    )
    return msgspec.structs.replace(measurement, observations=observations)
