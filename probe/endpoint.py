"""Look up, connect, handshake, fetch: one endpoint's steps, each only where the one before it succeeded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack

from probe.model import Attempt, Observation, Role
from probe.net import resolver as resolvers
from probe.net.address_policy import family_of, is_public, literal
from probe.net.resolver import DnsResolver
from probe.net.streams import ByteStream, TlsStream
from probe.recorder import Log, StepContext
from probe.session import Session, Settings
from probe.steps import dns, http, resolver, schemes, tcp, tls

QUERY_TYPES = {"ipv4": "A", "ipv6": "AAAA"}
SECURED = ("https", "tls", "dot", "doh")
OWN = ("system", "getaddrinfo")
"""Resolvers whose address belongs to the volunteer's own network, and stays out of the record."""


async def addresses(host: str, hop: int, log: Log, session: Session) -> tuple[str | None, ...]:
    """Where to connect for `host`: (None,) where the path's far end resolves, () where nothing usable was found."""
    if literal(host):
        return (host,)
    if session.network.remote_names:
        return (None,)
    answers = await look_up(host, hop, "main", session.settings.resolvers, log, session)
    return _usable((address for answer in answers for address in answer.detail.addresses), session.settings)


async def look_up(
    host: str, hop: int, role: Role, texts: Iterable[str], log: Log, session: Session
) -> tuple[Observation, ...]:
    """Ask each of the configured resolvers for every family; all of them at once."""
    asked = [_ask_one(host, hop, role, text, log, session) for text in texts]
    if len(asked) == 1:  # a task of its own is not free, and most have one resolver
        return tuple(await asked[0])
    found = await asyncio.gather(*asked)
    return tuple(observation for answers in found for observation in answers)


async def _ask_one(host: str, hop: int, role: Role, text: str, log: Log, session: Session) -> list[Observation]:
    """One configured resolver; of a machine's several nameservers, the next only where one gives no DNS answer."""
    answers: list[Observation] = []
    if "." not in host and role == "trusted":
        return answers  # a name of the machine's own, of which the outside can say nothing
    for candidate in (resolvers.GETADDRINFO,) if "." not in host else resolvers.parse(text):
        answers += await _ask(host, hop, role, candidate, log, session)
        if any(answer.failure is None or answer.detail.rcode is not None for answer in answers):
            break
    return answers


async def _ask(host: str, hop: int, role: Role, resolver: DnsResolver, log: Log, session: Session) -> list[Observation]:
    own = resolver.text in OWN
    about = StepContext(
        role=role, hop=hop, host=host, address=None if own else resolver.address, port=None if own else resolver.port
    )
    types = ["ANY"] if resolver.transport == "getaddrinfo" else [QUERY_TYPES[f] for f in session.settings.families]
    return await asyncio.gather(*(dns.ask(log, about, resolver, kind, session.settings) for kind in types))


def _usable(found: Iterable[str], settings: Settings) -> tuple[str, ...]:
    """At most `max_addresses` of each family in use, in the order in which they were given."""
    chosen: list[str] = []
    for address in dict.fromkeys(found):
        family = family_of(address)
        if family not in settings.families or not (settings.allow_private or is_public(address)):
            continue
        if sum(family_of(other) == family for other in chosen) < settings.max_addresses:
            chosen.append(address)
    return tuple(chosen)


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
            if stream is not None and attempt.scheme in resolver.SPEC.schemes and attempt.request_path is not None:
                asked = await resolver.ask(log, _about(attempt), stream, attempt, session.settings)
                if asked.failure is None:
                    return asked
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
    if attempt.scheme not in SECURED:
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
