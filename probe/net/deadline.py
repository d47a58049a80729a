"""Timeouts that count only time in which the event loop could run: our own stall is not the network's."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

TICK_S = 0.25
"""How often a wait looks whether the loop was late; a shorter stall before its end goes unnoticed."""
MIN_STALL_S = 0.02
"""Timers are late by less on a machine that only is busy."""
MAX_EXTENSION = 2.0
"""A wait is extended by at most this many times its length."""


class Deadline:
    """Raises TimeoutError where its body waits for longer than `seconds`, as asyncio.timeout does; None: no limit.

    Whatever arrived while the loop was stalled is in the socket, so the body gets the stalled time once more, and at
    least one tick in which to read it.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._extension_s = MAX_EXTENSION * (seconds or 0.0)
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def reschedule(self, when: float) -> None:
        """End at `when` on the loop's clock instead."""
        self._end = when

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        if self._seconds is not None:
            now = self._loop.time()
            self._end = now + self._seconds
            self._wait(now)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _wait(self, now: float) -> None:
        soon = now + TICK_S
        self._expected = soon if soon < self._end else self._end
        self._timer = self._loop.call_at(self._expected, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        late = min(now - self._expected, self._extension_s)
        if late > MIN_STALL_S:
            self._extension_s -= max(late, TICK_S)
            self._end = max(self._end + late, now + TICK_S)
        if now < self._end:
            self._wait(now)
        else:
            self._timer, self._is_over = None, True
            self._task.cancel()
