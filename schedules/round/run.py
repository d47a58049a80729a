"""One round: canaries, measure, judge, store; new anomalies once more, alone. Whoever calls it holds the lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from probe import reference_sites
from probe.model import Target
from probe.net.concurrency import Pace
from probe.net.ja4 import ja4
from probe.net.open_files import room
from probe.reference_sites import NetworkReport
from probe.round import measure_all
from probe.session import Session
from probe.steps.tls import client_hello
from probe.timestamps import rfc3339
from results.judge.judged import JudgedMeasurement, RoundRecord
from schedules.config.schema import VantageLocation
from schedules.location.location import Locator, MovementWatch
from schedules.plan.due import within
from schedules.round.batches import Batches
from schedules.round.controls import sources
from schedules.round.data_cap import Budget, affordable
from schedules.round.judge import Conclusions
from schedules.round.retest import Anomalies, measure_again, unmeasured
from schedules.round.session import session_of

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config
    from schedules.plan.model import Choice

NO_NETWORK = ("portal", "offline")
MOST_UNDER_WAY = 1000
"""How many targets may be under way besides, most of them waiting: what a home router's table of connections holds."""


class Cut(msgspec.Struct, frozen=True):
    """A round that had to end: why, what of it is left, and whether a new one may go on with that at once."""

    why: str
    left: tuple[Target, ...]
    goes_on: bool


def _unheard(*_: object) -> None:
    """Nobody wants to know."""


async def once(
    choice: Choice,
    config: Config,
    store: Store,
    *,
    begun: Callable[[NetworkReport], None],
    committed: Callable[[JudgedMeasurement], None],
    again: Callable[[int, NetworkReport | None], None] = _unheard,
    here: Locator | None = None,
    cut: Callable[[Cut], None] = _unheard,
) -> NetworkReport:
    """Measure the chosen targets and say what is found; gives what the canaries said last.

    `begun` hears what the canaries said, `committed` each record once it is in the database, `again` how many new
    anomalies are measured once more, and what the canaries say then, where they are asked. Cancelled, it keeps what is
    finished. Without a working network every target is recorded as offline, and nothing is measured. After the choice's
    `until` nothing is begun, no anomaly again either; what was not measured again is told as inconclusive.

    Where `here` finds that the machine slept or went to another network, or where the month's data are used up, the
    round ends: `cut` hears of it. What was under way then is no record of either network.
    """
    session = session_of(config, choice.path)
    now = session.network.now()
    budget = Budget(config, store, now)
    still = MovementWatch(here, config, choice.path) if here is not None else None
    conclusions = Conclusions(store, config, session.vantage, controls=sources(config, store, choice.path), at=now)
    keep = _Kept(config, choice, still)
    report = await look(session, store, conclusions, keep, budget)
    begun(report)
    batches = Batches(store, committed, budget)
    anomalies = Anomalies(store, keep.place.network_key)
    pace = Pace(room(session.settings.concurrency), room(MOST_UNDER_WAY))
    parts = _Parts(session, store, conclusions, keep, budget, batches, anomalies, pace)
    try:
        if report.state in NO_NETWORK:
            for target in choice.targets:
                batches.add(await conclusions.finish(unmeasured(target, session)))
            return report
        await _each(choice, parts)
        batches.close()
        if anomalies and session.network.monotonic() < choice.until and keep.why is None and not budget.used_up:
            report = await _each_anomaly(choice, parts, report, committed, again)
        for never_again in anomalies.untold:
            committed(store.finished(never_again))
    finally:
        batches.close()
    if keep.why is not None:
        cut(Cut(keep.why, keep.left, goes_on=True))
    elif budget.used_up:
        cut(Cut(budget.sentence, keep.left, goes_on=False))
    return report


class _Parts(NamedTuple):
    """What both halves of a round work with."""

    session: Session
    store: Store
    conclusions: Conclusions
    keep: _Kept
    budget: Budget
    batches: Batches
    anomalies: Anomalies
    pace: Pace


async def _each(choice: Choice, parts: _Parts) -> None:
    """The first half: every target once, those with new anomalies told of later."""
    session, conclusions, anomalies, batches = parts.session, parts.conclusions, parts.anomalies, parts.batches
    in_time = affordable(within(choice.targets, session.network.monotonic, choice.until), parts.budget)
    measuring = measure_all(in_time, session, conclusions.finish, pace=parts.pace, doubtful=anomalies.doubt)
    async with aclosing(measuring) as measured:
        async for finished in measured:
            if parts.keep.moved(finished):
                return
            if anomalies.is_new(finished):
                batches.add(conclusions.waiting(finished), told=False)
                anomalies.add(finished)
            else:
                batches.add(finished)


async def _each_anomaly(
    choice: Choice,
    parts: _Parts,
    report: NetworkReport,
    committed: Callable[[JudgedMeasurement], None],
    again: Callable[[int, NetworkReport | None], None],
) -> NetworkReport:
    """The second half: the anomalies once more; where they are most, the canaries first, who may say otherwise."""
    session, store, conclusions, keep, budget, _, anomalies, pace = parts
    now_seen = await look(session, store, conclusions, keep, budget) if anomalies.are_most else None
    again(len(anomalies), now_seen)
    report = now_seen or report
    await measure_again(
        anomalies,
        session,
        conclusions,
        store,
        committed,
        pace=pace,
        works=report.state not in NO_NETWORK,
        budget=budget,
        moved=keep.moved,
        until=choice.until,
    )
    return report


class _Kept:
    """Which targets of a round are finished, and whether it is still on the network where it began."""

    def __init__(self, config: Config, choice: Choice, still: MovementWatch | None) -> None:
        self._left = Counter(choice.targets)
        self._still = still
        self._place = config.place(choice.path)
        self.why: str | None = None
        """Why the round had to end, where it had to."""

    @property
    def place(self) -> VantageLocation:
        """Where it began; asked when the canaries have answered."""
        if self._still is None:
            return self._place
        return msgspec.structs.replace(self._place, network_key=self._still.settle().network_key)

    def moved(self, finished: JudgedMeasurement) -> bool:
        """Whether this was measured while the machine slept or went elsewhere; else it counts as finished."""
        if self._still is not None:
            self.why = self.why or self._still.moved(surely=finished.verdict.outcome != "reachable")
        if self.why is None:
            self._left[finished.measurement.target] -= 1
        return self.why is not None

    @property
    def left(self) -> tuple[Target, ...]:
        return tuple(self._left.elements())


async def look(session: Session, store: Store, conclusions: Conclusions, keep: _Kept, budget: Budget) -> NetworkReport:
    """Ask the canaries, and keep what they say as that of the measurements that follow."""
    at = rfc3339(session.network.now())
    report = await reference_sites.check(session)
    place = keep.place
    fingerprint = ja4(client_hello(session.settings.ca_file))
    looks = f"to a censor our TLS handshakes look like {fingerprint} (JA4), which is no browser's"
    evidence = (*report.evidence, *report.facts.sentences, *place.sentences, looks)
    round_ = RoundRecord(
        id=session.network.token(),
        started_at=at,
        network=report.state,
        evidence=evidence,
        asn_source=place.asn_source,
    )
    budget.add(report.measurements)
    store.save_round(round_, network_key=place.network_key, spent=budget.take())
    conclusions.enter(round_, report, place.network_key)
    return report
