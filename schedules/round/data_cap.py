"""What may be sent and received in a month, and what of it is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from results.judge.traffic import bytes_of, month_of, next_month, spent_in

if TYPE_CHECKING:
    from probe.model import Measurement
    from results.db.store import Store
    from results.judge.judged import JudgedMeasurement, Spent
    from schedules.config.schema import Config

T = TypeVar("T")


class Budget:
    """Counts what a round costs, and knows when the month's cap is reached. What is taken goes into the database."""

    def __init__(self, config: Config, store: Store, now: datetime) -> None:
        self._cap, self._now = config.care.cap_bytes, now
        self._month = month_of(now)
        self._spent = spent_in(store.db, self._month)
        self._not_taken = 0

    def add(self, measurements: Iterable[Measurement]) -> None:
        self._not_taken += sum(map(bytes_of, measurements))

    def finished(self, finished: JudgedMeasurement) -> None:
        """A measurement and the controls that were made for it."""
        made = [control for control in finished.controls if control.control_of == finished.measurement.id]
        self.add([finished.measurement, *made])

    def take(self) -> Spent:
        """What was added since it was asked last, for the transaction that keeps its cause."""
        taken, self._not_taken = self._not_taken, 0
        self._spent += taken
        return self._month, taken

    @property
    def used_up(self) -> bool:
        return self._cap is not None and self._spent + self._not_taken >= self._cap

    @property
    def sentence(self) -> str:
        """What is said where it is used up."""
        spent, cap = (self._spent + self._not_taken) / 1e6, (self._cap or 0) / 1e6
        return (
            f"the data cap of {self._month} is reached: {spent:.1f} of {cap:.0f} MB ([care] data_cap_mb); "
            f"measuring goes on from {next_month(self._now):%Y-%m-%d}"
        )


def affordable(items: Iterable[T], budget: Budget) -> Iterator[T]:
    """Items as long as the month's cap is not reached."""
    for item in items:
        if budget.used_up:
            return
        yield item
