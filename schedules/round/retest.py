"""New anomalies wait for a re-test with little else under way, so that our own load cannot be the cause."""

from __future__ import annotations

from collections import defaultdict, deque

from probe.model import Target
from results.db.store import Store
from results.judge.judged import JudgedMeasurement

ANOMALOUS = ("blocked", "inconclusive")
UNREACHED = (*ANOMALOUS, "down")
"""What a timeout on a full line can make of a reachable target."""
ANOMALIES_PER_SLOT = 8
"""An eighth of the anomalies at once: a single one is alone, and a long list still ends."""
MIN_SLOWDOWN = 4
"""Re-tests run at most at this fraction of the round's concurrency."""


class Anomalies:
    """The measurements of a round that look abnormal and did not before, by target."""

    def __init__(self, store: Store, network_key: str | None = None) -> None:
        self._store, self._network_key = store, network_key
        self._waiting: dict[Target, deque[str]] = defaultdict(deque)
        self._unreported: dict[str, None] = {}
        self._measured = 0

    def is_new(self, record: JudgedMeasurement, *, is_suspect: bool) -> bool:
        """Whether to re-test it; ask once for each record. `is_suspect`: it timed out while our line was full."""
        self._measured += 1
        measurement, outcome = record.measurement, record.verdict.outcome
        if is_suspect:
            return outcome in UNREACHED
        if outcome not in ANOMALOUS:
            return False
        before = self._store.latest_outcome(
            measurement.target, measurement.vantage, measurement.started_at, network=self._network_key
        )
        return before != outcome

    def add(self, record: JudgedMeasurement) -> None:
        self._waiting[record.measurement.target].append(record.measurement.id)
        self._unreported[record.measurement.id] = None

    def take(self, target: Target) -> str:
        """The id of a measurement of this target that waits for its re-test."""
        return self._waiting[target].popleft()

    def put_back(self, retest: JudgedMeasurement) -> None:
        """The re-test does not count: its measurement waits for another one."""
        self._waiting[retest.measurement.target].append(str(retest.measurement.repeats))

    def reported(self, measurement_id: str) -> None:
        """Its re-test was reported."""
        del self._unreported[measurement_id]

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __contains__(self, measurement_id: str) -> bool:
        return measurement_id in self._unreported

    @property
    def targets(self) -> tuple[Target, ...]:
        """One for each measurement that waits."""
        return tuple(target for target, ids in self._waiting.items() for _ in ids)

    @property
    def unreported(self) -> tuple[str, ...]:
        """Measurements of which neither row was reported yet."""
        return tuple(self._unreported)

    @property
    def are_most(self) -> bool:
        """Whether more than half of what was measured is abnormal, so that the network itself may be the cause."""
        return 2 * len(self) > self._measured


def retest_concurrency(concurrency: int, count: int) -> int:
    """How many of `count` re-tests may run at once."""
    return min(-(-count // ANOMALIES_PER_SLOT), max(1, concurrency // MIN_SLOWDOWN))
