"""Commits what is finished in batches, and hands each record on only when it is safely in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from results.db.store import Store
from results.judge.judged import JudgedMeasurement
from schedules.round.data_cap import Budget

MOST = 64
LONGEST_S = 0.5


class Batches:
    """At most MOST records or LONGEST_S seconds wait for a commit. Close it, however the round ends."""

    def __init__(
        self, store: Store, committed: Callable[[JudgedMeasurement], None], budget: Budget | None = None
    ) -> None:
        self._store = store
        self._budget = budget
        self._committed = committed
        self._waiting: list[tuple[JudgedMeasurement, bool]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._error: Exception | None = None

    def add(self, finished: JudgedMeasurement, *, told: bool = True) -> None:
        """Raises what an earlier commit by the clock failed with. What is not to be told is committed all the same."""
        self._raise()
        self._waiting.append((finished, told))
        if self._budget is not None:
            self._budget.finished(finished)
        if len(self._waiting) >= MOST:
            self.close()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LONGEST_S, self._by_the_clock)

    def close(self) -> None:
        """Commit what waits, now. Raises what an earlier commit by the clock failed with."""
        self._raise()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        if batch:
            spent = self._budget.take() if self._budget is not None else None
            self._store.save([finished for finished, _ in batch], spent=spent)
            for finished, told in batch:
                if told:
                    self._committed(finished)

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _by_the_clock(self) -> None:
        try:
            self.close()
        except Exception as error:
            self._error = error
