"""Measures many targets, as many at once as the line bears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from probe.measure import measure
from probe.model import Measurement, Target
from probe.net.concurrency import Pace, facts_of
from probe.recorder import Log
from probe.session import Session

T = TypeVar("T")


class Processed(NamedTuple, Generic[T]):
    """What was made of one measurement."""

    result: T
    is_suspect: bool
    """It timed out while our own line was full, which may be our own doing."""


async def measure_all(
    targets: Iterable[Target],
    session: Session,
    process: Callable[[Measurement], Awaitable[T]],
    *,
    pace: Pace | None = None,
) -> AsyncGenerator[Processed[T], None]:
    """Measure `targets` and yield what `process` makes of each, as it ends.

    `pace` limits how many are under way (default: the configured concurrency). `process` runs while its target still
    counts as under way, so a control measured there is of the same moment. Closing the generator cancels what is under
    way. An exception in a worker is raised after the results of the others.
    """
    workers = _Workers(iter(targets), session, process, pace or Pace(session.settings.concurrency))
    try:
        workers.start()
        while workers.pending:
            result = await workers.results.get()
            workers.pending -= 1
            if result is not None:
                yield result
        if workers.bug is not None:
            raise workers.bug
    finally:
        for task in workers.tasks:
            task.cancel()
        await asyncio.gather(*workers.tasks, return_exceptions=True)


class _Workers(Generic[T]):
    """The tasks under way; each puts one item into `results`, None if an exception ended it."""

    def __init__(
        self, targets: Iterator[Target], session: Session, process: Callable[[Measurement], Awaitable[T]], pace: Pace
    ) -> None:
        self._targets, self._session, self._process, self._pace = targets, session, process, pace
        self._loop = asyncio.get_running_loop()
        self._loading = self._waiting = 0
        self._more = True
        self.results: asyncio.Queue[Processed[T] | None] = asyncio.Queue(maxsize=session.settings.concurrency)
        self.tasks: set[asyncio.Task[None]] = set()
        self.pending = 0
        """How many items are still to come out of `results`."""
        self.bug: Exception | None = None

    def start(self) -> None:
        """Begin as many targets as there is room for now."""
        while self._more and self._pace.has_room(self._loading, self._waiting):
            try:
                target = next(self._targets, None)
            except Exception as bug:
                self.bug, target = self.bug or bug, None
            if target is None:
                self._more = False
                return
            self.pending += 1
            self._loading += 1
            task = self._loop.create_task(self._work(target))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _work(self, target: Target) -> None:
        result: Processed[T] | None = None
        try:
            result = await self._measured(target)
        except Exception as bug:
            self.bug = self.bug or bug
        await self.results.put(result)
        self._loading -= 1
        self.start()

    async def _measured(self, target: Target) -> Processed[T]:
        log = Log(self._session.network.token(), self._session.network)
        slot = _Slot(self, log)
        try:
            began = self._pace.began(self._waiting)
            measurement = await measure(target, self._session, log=log)
            is_suspect = self._pace.ended(began, facts_of(measurement))
            return Processed(await self._process(measurement), is_suspect)
        finally:
            slot.hold()

    def waiting_after_s(self, small: bool) -> float:
        return self._pace.waiting_after_s(self._session.settings.timeout_s, small=small)

    def pause(self) -> None:
        """A target that loaded the line now only waits, so another may begin."""
        self._loading -= 1
        self._waiting += 1
        self.start()

    def resume(self) -> None:
        """A target that waited loads the line again."""
        self._loading += 1
        self._waiting -= 1


class _Slot:
    """A target's share of the concurrency, released while the target only waits."""

    def __init__(self, workers: _Workers[Any], log: Log) -> None:
        self._workers, self._log = workers, log
        self._released = False
        self._timer = self._after(workers.waiting_after_s(small=True))

    def _after(self, seconds: float) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        small, quiet_s = self._log.quiet()
        soon_s = self._workers.waiting_after_s(small=True)
        left_s = self._workers.waiting_after_s(small=small) - quiet_s
        self._timer = self._after(min(soon_s, left_s) if left_s > 0 else soon_s)
        if left_s > 0:
            self._take_back()
        elif not self._released:
            self._released = True
            self._workers.pause()

    def _take_back(self) -> None:
        if self._released:
            self._released = False
            self._workers.resume()

    def hold(self) -> None:
        """Keep the slot until the target has ended."""
        self._timer.cancel()
        self._take_back()
