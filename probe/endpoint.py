"""Connect, handshake, fetch: one endpoint's steps, each only where the one before it succeeded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from probe.model import Attempt, Observation
from probe.net.streams import ByteStream, TlsStream
from probe.recorder import Log, StepContext
from probe.session import Session
from probe.steps import http, schemes, tcp, tls


async def attempt_all(attempts: Sequence[Attempt], log: Log, session: Session) -> Observation | None:
    """Connect and handshake with all of `attempts` at once, then fetch over the first that holds.

    Gives the observation that got furthest in success, None where none got through.
    """
    async with AsyncExitStack() as held:
        # In one order everywhere, so that two targets never wait for each other's places.
        for key in sorted({attempt.address or attempt.host for attempt in attempts}):
            await held.enter_async_context(session.limits.hold(key))
        opened = await _open_all(attempts, log, session, held)
        for attempt, (observation, stream) in zip(attempts, opened, strict=True):
            if observation.failure is not None:
                continue
            if stream is None or attempt.scheme not in http.SPEC.schemes:
                return observation
            fetched = await _fetch(attempt, stream, log, session)
            if fetched.failure == "http_request_failed" and attempt.role == "main" and _speaks_http2(stream):
                fetched = await _fetch_leniently(attempt, fetched, log, session, held)
            if fetched.failure is None:
                return fetched
    return None


Opened = tuple[Observation, ByteStream | None]
"""How far an attempt got before HTTP, and what it holds open; a step without TCP holds nothing open."""


async def _open_all(attempts: Sequence[Attempt], log: Log, session: Session, held: AsyncExitStack) -> Sequence[Opened]:
    if len(attempts) == 1:  # a task of its own is not free, and most targets have one address
        return [await _open(attempts[0], log, session, held)]
    return await asyncio.gather(*(_open(attempt, log, session, held) for attempt in attempts))


async def _open(attempt: Attempt, log: Log, session: Session, held: AsyncExitStack) -> Opened:
    """Connect, and handshake where the scheme has one; the stream is closed with `held`, also when cancelled."""
    if (run := schemes()[attempt.scheme].attempt) is not None:
        return await run(log, _about(attempt), attempt, session.settings), None
    observation, stream = await _connect(attempt, log, session, held)
    if observation.step == "tls" and stream is None and attempt.role == "main" and tls.may_be_outdated(observation):
        again, stream = await _connect(attempt, log, session, held, lenient=True)
        observation = again if stream is not None else observation
    return observation, stream


async def _connect(
    attempt: Attempt, log: Log, session: Session, held: AsyncExitStack, *, lenient: bool = False
) -> Opened:
    """Connect and handshake once; `lenient` allows outdated TLS and no HTTP/2, where ours may have been too strict."""
    about, name = _about(attempt), attempt.server_name or attempt.host
    observation, stream = await tcp.connect(log, about, session.settings, attempt.max_segment)
    if stream is None:
        return observation, None
    held.callback(stream.close)
    if attempt.scheme not in ("https", "tls"):
        return observation, stream
    return await tls.handshake(log, about, stream, name, session.settings, lenient=lenient)


def _speaks_http2(stream: ByteStream) -> bool:
    return isinstance(stream, TlsStream) and stream.tls.selected_alpn_protocol() == "h2"


async def _fetch_leniently(
    attempt: Attempt, failed: Observation, log: Log, session: Session, held: AsyncExitStack
) -> Observation:
    """The page over HTTP/1.1, where HTTP/2 failed as browsers fall back too (RFC 9113 section 7)."""
    _, stream = await _connect(attempt, log, session, held, lenient=True)
    return await _fetch(attempt, stream, log, session) if stream is not None else failed


async def _fetch(attempt: Attempt, stream: ByteStream, log: Log, session: Session) -> Observation:
    url, request = http.request_for(attempt, session.settings)
    return await http.get(log, _about(attempt), stream, url, request, session.settings)


def _about(attempt: Attempt) -> StepContext:
    return StepContext(
        role=attempt.role, hop=attempt.hop, host=attempt.host, address=attempt.address, port=attempt.port
    )
