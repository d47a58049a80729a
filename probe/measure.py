"""Measures one target: look up, connect, handshake, fetch, hop after hop; stops at the first failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from urllib.parse import urljoin

import msgspec

import probe.dns.client  # noqa: F401 steps import it as they run, which no step's duration is to include
from probe import target as targets
from probe.endpoint import addresses, attempt_all, look_up
from probe.failure import internal_error
from probe.model import Attempt, FollowUp, Http, Lookup, Measurement, Observation, Target
from probe.net.address_policy import family_of
from probe.recorder import Log
from probe.redact.scrub import scrub
from probe.session import Session, no_follow_up
from probe.steps import dns, schemes, svcb

MAX_PASSES = 8
"""Passes of follow-up steps, each of which sees the results of the last."""
MAX_LEARNED_ADDRESSES = 8


async def measure(
    target: Target, session: Session, *, control_of: str | None = None, log: Log | None = None
) -> Measurement:
    """Measure one target to its end, follow-ups included. Failures are in the record, never raised.

    An exception is a bug or unexpected input: it is logged, and named in the record's
    `internal_error`. `log` is a new one, for a caller who wants to look at it meanwhile.
    """
    log = log or Log(session.network.token(), session.network)
    error: str | None = None
    with closing(log):
        try:
            await _measure_whole(target, log, session, control_of)
        except Exception as bug:
            error = internal_error(bug, target.text)
    record = msgspec.structs.replace(_record(target, log, session, control_of), internal_error=error)
    try:
        connected = {observation.address for observation in log.observations}
        if len(session.learned_addresses) < MAX_LEARNED_ADDRESSES:
            session.learned_addresses.update(log.own_addresses - connected)
        told = log.own_addresses | session.learned_addresses
        return scrub(record, session.network.own_addresses() | (told - connected))
    except Exception as bug:
        # What cannot be searched for the volunteer's addresses must not be kept.
        return msgspec.structs.replace(record, observations=(), internal_error=internal_error(bug, target.text))


async def _measure_whole(target: Target, log: Log, session: Session, control_of: str | None) -> None:
    await _redirect_chain(target, log, session)
    await dns.hear_late(log, session.settings, wait=_is_odd(log))
    followed = False
    for _ in range(MAX_PASSES):
        wanted = session.follow_up(_record(target, log, session, control_of))
        if not wanted:
            break
        followed = True
        for more in wanted:
            await _follow(more, log, session)
    if followed:
        await dns.hear_overdue(log, session.settings)


def _is_odd(log: Log) -> bool:
    """Whether anything failed; that a name has no address of one family is nothing odd."""
    return any(o.failure not in (None, "dns_no_answer") for o in log.observations)


def _record(target: Target, log: Log, session: Session, control_of: str | None) -> Measurement:
    return Measurement(
        id=log.measurement_id,
        target=target,
        vantage=session.vantage,
        started_at=log.started_at,
        runtime_s=round(log.elapsed(), 6),
        observations=tuple(log.observations),
        control_of=control_of,
    )


async def _redirect_chain(target: Target, log: Log, session: Session) -> None:
    """The target and every redirect behind it, each a hop; a loop or a redirect that leads nowhere ends it."""
    known: dict[str, tuple[str | None, ...]] = {}
    visited: set[tuple[str, str, int, str | None]] = set()
    goal: Target | None = target
    for hop in range(session.settings.max_redirects + 1):
        if goal is None or (where := (goal.scheme, goal.host, goal.port, goal.request_path)) in visited:
            return
        visited.add(where)
        if goal.host not in known:
            known[goal.host] = await _look_up(goal, hop, log, session)
        reached = await _endpoints(goal, hop, known[goal.host], log, session)
        goal = _next(reached, session) if reached is not None else None


async def _look_up(goal: Target, hop: int, log: Log, session: Session) -> tuple[str | None, ...]:
    if not session.settings.https_records or goal.scheme != "https" or session.network.remote_names:
        return await addresses(goal.host, hop, log, session)
    found, _ = await asyncio.gather(
        addresses(goal.host, hop, log, session), svcb.ask_each(log, goal.host, hop, goal.port, session.settings)
    )
    return found


async def _endpoints(
    goal: Target, hop: int, where: tuple[str | None, ...], log: Log, session: Session
) -> Observation | None:
    """First the leading address of each family, in full; then the others, as far as is still in question."""
    if not where:
        return None
    leaders = tuple({family_of(a) if a else "": a for a in reversed(where)}.values())[::-1]
    reached = await attempt_all(_attempts(goal, hop, leaders, goal.scheme), log, session)
    others = tuple(address for address in where if address not in leaders)
    if others:
        scheme = goal.scheme if reached is None or schemes()[goal.scheme].attempt is not None else "tcp"
        reached_there = await attempt_all(_attempts(goal, hop, others, scheme), log, session)
        reached = reached or reached_there
    return reached


def _attempts(goal: Target, hop: int, where: Sequence[str | None], scheme: str) -> list[Attempt]:
    return [
        Attempt(
            role="main",
            hop=hop,
            scheme=scheme,
            host=goal.host,
            server_name=goal.host,
            address=address,
            port=goal.port,
            request_path=goal.request_path,
        )
        for address in where
    ]


def _next(reached: Observation, session: Session) -> Target | None:
    """The target a redirect leads to; None where there is none, or where it leads nowhere that can be measured."""
    answer = reached.detail
    if not isinstance(answer, Http) or answer.location is None or not session.follows_redirect(answer):
        return None
    try:
        found = targets.parse(
            urljoin(answer.url, answer.location.strip()).split("#")[0], allow_private=session.settings.allow_private
        )
    except ValueError:
        return None
    return found if found.scheme in ("http", "https") else None


async def _follow(more: Lookup | Attempt, log: Log, session: Session) -> None:
    if isinstance(more, Attempt):
        if more.after_s:
            await session.network.sleep(more.after_s)
        await attempt_all([more], log, session)
        return
    settings = session.settings
    texts = {"trusted": settings.trusted_resolvers, "system": ("getaddrinfo",)}.get(more.role, settings.resolvers)
    await look_up(more.host, more.hop, more.role, texts, log, session)


ControlSource = Callable[[Measurement], Awaitable[Sequence[Measurement]]]
"""Returns a measurement's control measurements, made for it (`control_of`) or recorded elsewhere; never raises."""


ControlFollowUp = Callable[[Measurement], FollowUp]
"""What a control measurement asks for as well: given the vantage point's measurement, the control's follow-up."""


def by_path(control: Session, follow_up_of: ControlFollowUp | None = None) -> ControlSource:
    """Measures the same target at the same moment via another path."""

    async def source(measurement: Measurement) -> Sequence[Measurement]:
        return (await measure_control(measurement, control, follow_up_of),)

    return source


async def measure_control(
    measurement: Measurement, control: Session, follow_up_of: ControlFollowUp | None = None
) -> Measurement:
    """The measurement's target via the control path, and what `follow_up_of` the measurement asks for there."""
    follow_up = follow_up_of(measurement) if follow_up_of is not None else no_follow_up
    return await measure(
        measurement.target,
        msgspec.structs.replace(control, follow_up=follow_up),
        control_of=measurement.id,
    )
