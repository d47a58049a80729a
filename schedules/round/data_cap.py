"""The monthly data cap, and what is left of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from gettext import gettext as _
from typing import TypeVar

from probe.model import Measurement
from results.db.store import Store
from results.judge.judged import JudgedMeasurement, Spent
from results.judge.traffic import bytes_of, month_of, next_month, spent_in
from schedules.config.schema import Config
from schedules.render.text import words

T = TypeVar("T")


class Budget:
    """Counts the bytes of a round against the month's cap."""

    def __init__(self, config: Config, store: Store, now: datetime) -> None:
        self._cap, self._now = config.care.cap_bytes, now
        self._month = month_of(now)
        self._spent = spent_in(store.db, self._month)
        self._unsaved = 0

    def add(self, measurements: Iterable[Measurement]) -> None:
        self._unsaved += sum(map(bytes_of, measurements))

    def finished(self, finished: JudgedMeasurement) -> None:
        """Add a measurement and the control measurements made for it."""
        made = [control for control in finished.controls if control.control_of == finished.measurement.id]
        self.add([finished.measurement, *made])

    def take(self) -> Spent:
        """The bytes added since the last call, to be stored in the transaction that stores their cause."""
        unsaved, self._unsaved = self._unsaved, 0
        self._spent += unsaved
        return self._month, unsaved

    @property
    def used_up(self) -> bool:
        return self._cap is not None and self._spent + self._unsaved >= self._cap

    @property
    def sentence(self) -> str:
        """The message when the cap is reached."""
        spent, cap = (self._spent + self._unsaved) / 1e6, (self._cap or 0) / 1e6
        says = _("data cap for {month} reached: {spent} of {cap} MB ([care] data_cap_mb); measuring resumes on {date}")
        resumes = words().day(next_month(self._now).date().isoformat())
        return says.format(month=self._month, spent=words().number(round(spent, 1)), cap=f"{cap:.0f}", date=resumes)


def affordable(items: Iterable[T], budget: Budget) -> Iterator[T]:
    """The items, until the month's cap is reached."""
    for item in items:
        if budget.used_up:
            return
        yield item
