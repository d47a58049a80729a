"""Connect, handshake, fetch: one endpoint's steps, each only where the one before it succeeded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from probe.log import Attempted, Log
from probe.means import Means
from probe.model import Attempt, Observation
from probe.steps import http, tcp, tls
from probe.stream import Stream
from probe.target import authority


async def attempt_all(attempts: Sequence[Attempt], log: Log, means: Means) -> Observation | None:
    """Connect and handshake with all of `attempts` at once, then fetch over the first that holds.

    Gives the observation that got furthest in success, None where none got through.
    """
    async with AsyncExitStack() as held:
        # In one order everywhere, so that two targets never wait for each other's places.
        for key in sorted({attempt.address or attempt.host for attempt in attempts}):
            await held.enter_async_context(means.limits.hold(key))
        opened = await asyncio.gather(*(_open(attempt, log, means) for attempt in attempts))
        reached = [(attempt, *found) for attempt, found in zip(attempts, opened, strict=True) if found is not None]
        for _, _, stream in reached:
            held.callback(stream.close)
        for attempt, observation, stream in reached:
            done = observation if attempt.scheme in ("tcp", "tls") else await _fetch(attempt, stream, log, means)
            if done.failure is None:
                return done
    return None


async def _open(attempt: Attempt, log: Log, means: Means) -> tuple[Observation, Stream] | None:
    about = _about(attempt)
    observation, stream = await tcp.connect(log, about, means.settings)
    if stream is not None and attempt.scheme in ("https", "tls"):
        name = attempt.server_name or attempt.host
        observation, stream = await tls.handshake(log, about, stream, name, means.settings)
    return (observation, stream) if stream is not None else None


async def _fetch(attempt: Attempt, stream: Stream, log: Log, means: Means) -> Observation:
    host, path = authority(attempt.scheme, attempt.host, attempt.port), attempt.request_path or "/"
    request = http.request_for(attempt.scheme, host, path, means.settings)
    return await http.get(log, _about(attempt), stream, f"{attempt.scheme}://{host}{path}", request, means.settings)


def _about(attempt: Attempt) -> Attempted:
    return Attempted(role=attempt.role, hop=attempt.hop, host=attempt.host, address=attempt.address, port=attempt.port)
