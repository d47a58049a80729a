"""One round: checks the network, measures, judges and stores the targets, and re-tests new anomalies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import takewhile
from typing import TypeVar

import msgspec

from probe import reference_sites
from probe.model import Measurement, Target
from probe.net.concurrency import FLOOR, Pace, open_target_limit
from probe.reference_sites import NetworkReport
from probe.round import measure_all
from probe.timestamps import rfc3339
from results.db.store import Store
from results.judge.follow_up import pause_for
from results.judge.judged import JudgedMeasurement, RoundRecord
from schedules.config.schema import Config, VantageLocation
from schedules.location.location import Locator, MovementWatch
from schedules.plan.due import within
from schedules.plan.model import Choice
from schedules.round.data_cap import Budget, affordable
from schedules.round.judge import USUAL_CONNECTS, RoundJudge
from schedules.round.retest import UNREACHED, Anomalies, retest_concurrency
from schedules.round.session import adapted, control_sources, session_of

T = TypeVar("T")
NO_NETWORK = ("portal", "offline")
MAX_OPEN_TARGETS = 1000
"""Most targets under way, waiting ones included: what a home router's connection table holds."""
MAX_BATCH_RECORDS = 64
MAX_BATCH_S = 0.5
"""The longest that a record waits for its commit."""


class Started(msgspec.Struct, frozen=True):
    """The reference sites have answered; measuring begins."""

    network: NetworkReport


class Measured(msgspec.Struct, frozen=True):
    """A record whose transaction has committed."""

    record: JudgedMeasurement


class Retesting(msgspec.Struct, frozen=True):
    """This many new anomalies are measured again; `network` if the reference sites were asked again."""

    count: int
    network: NetworkReport | None


class Interrupted(msgspec.Struct, frozen=True):
    """The round had to end early; a new round may measure the rest at once if `can_continue`."""

    reason: str
    remaining: tuple[Target, ...]
    can_continue: bool


class Finished(msgspec.Struct, frozen=True):
    """The round is over; `network` is what the reference sites said last."""

    network: NetworkReport


Event = Started | Measured | Retesting | Interrupted | Finished


class Round:
    """One pass over the chosen targets; the caller holds the lock. BadPath if the path is not available.

    A `locator` detects that the machine slept or changed networks, which interrupts the round.
    """

    def __init__(self, choice: Choice, config: Config, store: Store, locator: Locator | None = None) -> None:
        self._choice, self._config, self._store = choice, config, store
        self._session = session_of(config, choice.path)
        now = self._session.network.now()
        self._budget = Budget(config, store, now)
        self._progress = _Progress(config, choice, locator)
        controls = control_sources(config, store, choice.path)
        self._judge = RoundJudge(store, config, self._session.vantage, controls=controls, at=now)
        self._pace = Pace(open_target_limit(self._session.settings.concurrency), open_target_limit(MAX_OPEN_TARGETS))
        self._anomalies = Anomalies(store)
        self._listed_name: str | None = None

    async def events(self) -> AsyncGenerator[Event, None]:
        """Measure, and yield what happens; use it with `aclosing`, for closing it cancels what is under way.

        Without a working network every target is recorded as offline. New anomalies come after their re-test, or as
        inconclusive. Nothing begins after the choice's `until`. A cancelled task still gets what is finished.
        """
        network = await self._check_network()
        yield Started(network)
        anomalies = self._anomalies = Anomalies(self._store, self._progress.location.network_key)
        works = network.state not in NO_NETWORK
        async with aclosing(committed(self._first_pass() if works else self._offline(), self._save)) as records:
            async for record in records:
                if record.measurement.id not in anomalies:
                    yield Measured(record)
        if not works:
            yield Finished(network)
            return
        if anomalies and self._in_time() and self._progress.interruption is None and not self._budget.used_up:
            now = await self._check_network() if anomalies.are_most else None
            yield Retesting(len(anomalies), now)
            network = now or network
            async with aclosing(self._retests(works=network.state not in NO_NETWORK)) as retests:
                async for record in retests:
                    yield Measured(record)
        for measurement_id in anomalies.unreported:
            yield Measured(self._store.finished(measurement_id))
        if self._progress.interruption is not None:
            yield Interrupted(self._progress.interruption, self._progress.remaining, can_continue=True)
        elif self._budget.used_up:
            yield Interrupted(self._budget.sentence, self._progress.remaining, can_continue=False)
        yield Finished(network)

    async def _check_network(self) -> NetworkReport:
        """Ask the reference sites, and store the answer as that of the measurements that follow."""
        started_at = rfc3339(self._session.network.now())
        report = await reference_sites.check(self._session)
        location = self._progress.location
        record = RoundRecord(
            id=self._session.network.token(),
            started_at=started_at,
            network=report.state,
            evidence=(*report.evidence, *report.facts.sentences, *location.worded()),
            asn_source=location.asn_source,
        )
        self._listed_name = report.working_name if report.state == "restricted" else None
        if self._listed_name is not None:
            self._session = adapted(self._session, self._config, self._listed_name)
        self._budget.add(report.measurements)
        self._store.save_round(record, network_key=location.network_key, spent=self._budget.take())
        self._judge.begin(record, report, location.network_key)
        return report

    async def _first_pass(self) -> AsyncGenerator[JudgedMeasurement, None]:
        """Measure every target once; what is a new anomaly is inconclusive for now."""
        in_time = within(self._choice.targets, self._session.network.monotonic, self._choice.until)
        measuring = measure_all(affordable(in_time, self._budget), self._session, self._judge.judge, pace=self._pace)
        async with aclosing(measuring) as measured:
            async for record, is_suspect in measured:
                if self._progress.moved(record):
                    return
                if self._anomalies.is_new(record, is_suspect=is_suspect or self._judge.connects > USUAL_CONNECTS):
                    self._anomalies.add(record)
                    record = self._judge.before_retest(record)
                self._budget.finished(record)
                yield record

    async def _offline(self) -> AsyncGenerator[JudgedMeasurement, None]:
        for target in self._choice.targets:
            yield await self._judge.judge(self._unmeasured(target))

    async def _retests(self, *, works: bool) -> AsyncGenerator[JudgedMeasurement, None]:
        """Measure each anomaly again, few at once, and yield its record once it is committed.

        A re-test that times out while even those few fill the line is not stored, and made once more at the floor; so
        is one that may have met what our own connections left behind, after a pause.
        """
        if not works:
            for target in self._anomalies.targets:
                yield self._save_retest(await self._judge_retest(self._unmeasured(target)))
            return
        pause_s, waiting = pause_for(self._session.settings.timeout_s), False
        at_first = retest_concurrency(self._session.settings.concurrency, len(self._anomalies))
        for is_last, at_once in ((False, at_first), (True, FLOOR)):
            if waiting:
                await self._session.network.sleep(pause_s)
            in_time = takewhile(lambda _: self._in_time(), self._anomalies.targets)
            affordable_now = affordable(in_time, self._budget)
            pace = self._pace.for_retests(at_once)
            session = adapted(self._session, self._config, self._listed_name, self._judge.connects)
            async with aclosing(measure_all(affordable_now, session, self._judge_retest, pace=pace)) as measured:
                async for record, is_suspect in measured:
                    if self._progress.moved(record):
                        return
                    is_crowded = at_once > FLOOR and is_suspect and record.verdict.outcome in UNREACHED
                    is_residual = not is_last and self._judge.is_residual(record) and self._in_time(pause_s)
                    waiting = waiting or is_residual
                    if is_crowded or is_residual:
                        self._anomalies.put_back(record)
                        self._budget.finished(record)
                    else:
                        yield self._save_retest(record)

    async def _judge_retest(self, measurement: Measurement) -> JudgedMeasurement:
        repeats = self._anomalies.take(measurement.target)
        return await self._judge.judge(msgspec.structs.replace(measurement, repeats=repeats))

    def _save(self, records: list[JudgedMeasurement]) -> list[JudgedMeasurement]:
        return self._store.save(records, spent=self._budget.take())

    def _save_retest(self, retest: JudgedMeasurement) -> JudgedMeasurement:
        first = self._store.finished(str(retest.measurement.repeats))
        self._budget.finished(retest)
        self._store.repeated(self._judge.after_retest(first, retest), retest, spent=self._budget.take())
        self._anomalies.reported(first.measurement.id)
        return retest

    def _unmeasured(self, target: Target) -> Measurement:
        """The record of a target that was due while there was no network."""
        network = self._session.network
        return Measurement(
            id=network.token(),
            target=target,
            vantage=self._session.vantage,
            started_at=rfc3339(network.now()),
            runtime_s=0.0,
            observations=(),
        )

    def _in_time(self, after_s: float = 0.0) -> bool:
        return self._session.network.monotonic() + after_s < self._choice.until


class _Progress:
    """Which targets are finished, and whether the machine is still on the network where the round began."""

    def __init__(self, config: Config, choice: Choice, locator: Locator | None) -> None:
        self._left = Counter(choice.targets)
        self._watch = MovementWatch(locator, config, choice.path) if locator is not None else None
        self._location = config.place(choice.path)
        self.interruption: str | None = None

    @property
    def location(self) -> VantageLocation:
        """Where the round began; read it after the reference sites have answered."""
        if self._watch is None:
            return self._location
        return msgspec.structs.replace(self._location, network_key=self._watch.settle().network_key)

    def moved(self, record: JudgedMeasurement) -> bool:
        """Whether the machine slept or moved while this was measured; otherwise the target counts as finished."""
        if self._watch is not None and self.interruption is None:
            self.interruption = self._watch.moved(surely=record.verdict.outcome != "reachable")
        if self.interruption is None:
            self._left[record.measurement.target] -= 1
        return self.interruption is not None

    @property
    def remaining(self) -> tuple[Target, ...]:
        return tuple(self._left.elements())


async def committed(records: AsyncGenerator[T, None], save: Callable[[list[T]], list[T]]) -> AsyncGenerator[T, None]:
    """Save `records` in batches, and yield what was saved of each batch.

    If `records` raises or the task is cancelled, what waits is saved and yielded first.
    """
    loop = asyncio.get_running_loop()
    waiting: list[T] = []
    due = 0.0
    upcoming: asyncio.Future[T] | None = None
    end: BaseException | None = None
    try:
        while end is None:
            upcoming = upcoming or asyncio.ensure_future(anext(records))
            try:
                await asyncio.wait({upcoming}, timeout=max(0.0, due - loop.time()) if waiting else None)
                if upcoming.done():
                    due = due if waiting else loop.time() + MAX_BATCH_S
                    waiting.append(upcoming.result())
                    upcoming = None
            except (Exception, asyncio.CancelledError) as error:
                end = error
            if waiting and (end is not None or len(waiting) >= MAX_BATCH_RECORDS or loop.time() >= due):
                batch, waiting = waiting, []
                for record in save(batch):
                    yield record
        if not isinstance(end, StopAsyncIteration):
            raise end
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.wait({upcoming})
            if not upcoming.cancelled() and upcoming.exception() is None:
                save([upcoming.result()])
        await records.aclose()
