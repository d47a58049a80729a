"""New anomalies once more, alone, when our own load cannot be the cause: before that nothing is said of them."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import aclosing
from itertools import takewhile
from typing import TYPE_CHECKING

import msgspec

from probe.model import Measurement, Target
from probe.net.concurrency import FLOOR, Pace
from probe.round import measure_all
from probe.session import Session
from probe.timestamps import rfc3339
from schedules.round.data_cap import Budget, affordable

if TYPE_CHECKING:
    from results.db.store import Store
    from results.judge.judged import JudgedMeasurement
    from schedules.round.judge import Conclusions

ODD = ("blocked", "inconclusive")
UNREACHED = (*ODD, "down")
"""What a time-out on a full line can make of a target that is well."""
SHARE = 8
"""Alone: an eighth of the anomalies at once, so that one is really alone, and a long list ends all the same."""
CALMER = 4
"""Never more at once than this part of what the round had under way."""


class Anomalies:
    """What a round found odd, and the vantage had not found so before: the measurements' ids, target by target."""

    def __init__(self, store: Store, network: str | None = None) -> None:
        self._store, self._network = store, network
        self._waiting: dict[Target, deque[str]] = defaultdict(deque)
        self._untold: dict[str, None] = {}
        self._doubtful: set[str] = set()
        self._seen = 0

    def doubt(self, measurement: Measurement) -> None:
        """It timed out while our own line was full: whatever it was before, it has to be seen on a calm one."""
        self._doubtful.add(measurement.id)

    def is_new(self, finished: JudgedMeasurement) -> bool:
        """Asked once of everything that the round measures."""
        self._seen += 1
        measurement, outcome = finished.measurement, finished.verdict.outcome
        if measurement.id in self._doubtful:
            return outcome in UNREACHED
        if outcome not in ODD:
            return False
        before = self._store.latest_outcome(
            measurement.target, measurement.vantage, measurement.started_at, network=self._network
        )
        return before != outcome

    def add(self, finished: JudgedMeasurement) -> None:
        self._waiting[finished.measurement.target].append(finished.measurement.id)
        self._untold[finished.measurement.id] = None

    def put_back(self, again: JudgedMeasurement) -> None:
        """What was measured again told nothing: it waits as before."""
        self._waiting[again.measurement.target].append(str(again.measurement.repeats))

    def told(self, measurement_id: str) -> None:
        """It was measured again, and that was told."""
        del self._untold[measurement_id]

    def take(self, target: Target) -> str:
        """A measurement of this target that waits to be repeated."""
        return self._waiting[target].popleft()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    @property
    def targets(self) -> tuple[Target, ...]:
        """One for each measurement that waits."""
        return tuple(target for target, ids in self._waiting.items() for _ in ids)

    @property
    def untold(self) -> tuple[str, ...]:
        """Those of which nothing was said yet."""
        return tuple(self._untold)

    @property
    def are_most(self) -> bool:
        """Whether more than half of what was measured is odd: then the network itself may be."""
        return 2 * len(self) > self._seen


async def measure_again(
    anomalies: Anomalies,
    session: Session,
    conclusions: Conclusions,
    store: Store,
    committed: Callable[[JudgedMeasurement], None],
    *,
    pace: Pace,
    works: bool,
    budget: Budget,
    moved: Callable[[JudgedMeasurement], bool],
    until: float = math.inf,
) -> None:
    """Measure each anomaly again; keep both, say what the later one is. Without a network nothing is measured.

    Few at once, by what `pace` saw the line bear. What times out while even those fill the line tells nothing and is
    not kept: it is measured once more, at the floor, where our load is as good as none.

    It ends early where the machine has `moved` to another network, or the month's data are used up, and begins nothing
    after `until`, a reading of the monotonic clock.
    """
    doubtful: set[str] = set()

    def keep(again: JudgedMeasurement) -> None:
        first = store.finished(str(again.measurement.repeats))
        budget.finished(again)
        store.repeated(conclusions.repeated(first, again), again, spent=budget.take())
        anomalies.told(first.measurement.id)
        committed(again)

    async def finish(measurement: Measurement) -> JudgedMeasurement:
        repeat = msgspec.structs.replace(measurement, repeats=anomalies.take(measurement.target))
        return await conclusions.finish(repeat)

    if not works:
        for target in anomalies.targets:
            keep(await finish(unmeasured(target, session)))
        return
    for at_once in (_few(session, len(anomalies)), FLOOR):
        in_time = takewhile(lambda _: session.network.monotonic() < until, anomalies.targets)
        paid = affordable(in_time, budget)
        calmer = pace.alone(at_once)
        async with aclosing(
            measure_all(paid, session, finish, pace=calmer, doubtful=lambda measured: doubtful.add(measured.id))
        ) as measured:
            async for finished in measured:
                if moved(finished):
                    return
                if at_once > FLOOR and finished.measurement.id in doubtful and finished.verdict.outcome in UNREACHED:
                    anomalies.put_back(finished)
                    budget.finished(finished)
                else:
                    keep(finished)


def unmeasured(target: Target, session: Session) -> Measurement:
    """The record of a target that was due while there was no network."""
    return Measurement(
        id=session.network.token(),
        target=target,
        vantage=session.vantage,
        started_at=rfc3339(session.network.now()),
        runtime_s=0.0,
        observations=(),
    )


def _few(session: Session, count: int) -> int:
    return min(-(-count // SHARE), max(1, session.settings.concurrency // CALMER))
