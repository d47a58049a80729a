"""Wakes the agent every minute, by APScheduler, whatever the machine's clock does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from apscheduler.schedulers.base import BaseScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]

WAKE_S, JITTER_S = 60, 10
JOB = "wake"


class FromNow(BaseTrigger):  # type: ignore[misc]
    """A minute from now, more or less.

    APScheduler's own interval counts on from the last wake, and lists every missed one before it makes them one: some
    thirty million after the clock of a small computer has jumped from 1970 to today.
    """

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        if previous_fire_time is None:
            return now
        at: datetime = self._apply_jitter(now + timedelta(seconds=WAKE_S), JITTER_S, now)
        return at


def schedule_wakes(scheduler: BaseScheduler, wake: Callable[[], Awaitable[None]]) -> None:
    """Wake now and every minute: missed wakes become one, however late it is; never two at once."""
    scheduler.add_job(wake, FromNow(), id=JOB, coalesce=True, max_instances=1, misfire_grace_time=None)


def keep_pace(scheduler: BaseScheduler, now: datetime) -> None:
    """After a clock that was set back, bring the next wake back too: APScheduler would wait for the old time."""
    if (scheduler.get_job(JOB).next_run_time - now).total_seconds() > WAKE_S + 2 * JITTER_S:
        scheduler.modify_job(JOB, next_run_time=now)
