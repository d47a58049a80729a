"""Many targets: as many at once as the line bears, each handed on as soon as it is finished."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from probe.measure import measure
from probe.model import Measurement, Target
from probe.net.concurrency import Pace, facts_of
from probe.recorder import Log
from probe.session import Session

T = TypeVar("T")


def _unheard(_: Measurement) -> None:
    """Nobody wants to know."""


async def measure_all(
    targets: Iterable[Target],
    session: Session,
    finish: Callable[[Measurement], Awaitable[T]],
    *,
    pace: Pace | None = None,
    doubtful: Callable[[Measurement], None] = _unheard,
) -> AsyncGenerator[T, None]:
    """Measure `targets`, at most `concurrency` at once, and yield what `finish` makes of each as it ends.

    `pace` says how many that is now, and how many may wait besides: see `probe.net.concurrency`. Without one, the
    concurrency is the limit. `doubtful` hears of what timed out while our own line was full, before `finish` does.
    `finish` runs in the target's own place, so that a control measured there is of the same moment. Closing the
    iterator ends what is under way; what was yielded stays with the caller. A bug in a worker is raised here.
    """
    crew = _Crew(iter(targets), session, finish, pace or Pace(session.settings.concurrency), doubtful)
    try:
        crew.fill()
        while crew.owed:
            result = await crew.ended.get()
            crew.owed -= 1
            if result is not None:
                yield result[0]
        if crew.bug is not None:
            raise crew.bug
    finally:
        for task in crew.tasks:
            task.cancel()
        await asyncio.gather(*crew.tasks, return_exceptions=True)


class _Crew(Generic[T]):
    """What is under way. Each target puts one result into `ended`, which is None where a bug ended it."""

    def __init__(
        self,
        targets: Iterator[Target],
        session: Session,
        finish: Callable[[Measurement], Awaitable[T]],
        pace: Pace,
        doubtful: Callable[[Measurement], None],
    ) -> None:
        self._targets, self._means, self._finish = targets, session, finish
        self._pace, self._doubtful = pace, doubtful
        self._loop = asyncio.get_running_loop()
        self._loading = self._waiting = 0
        self._more = True
        self.ended: asyncio.Queue[tuple[T] | None] = asyncio.Queue(maxsize=session.settings.concurrency)
        self.tasks: set[asyncio.Task[None]] = set()
        self.owed = 0
        """How many results are still to come out of `ended`."""
        self.bug: Exception | None = None

    def fill(self) -> None:
        """Begin as many targets as there is room for now."""
        while self._more and self._pace.has_room(self._loading, self._waiting):
            try:
                target = next(self._targets, None)
            except Exception as bug:
                self.bug, target = self.bug or bug, None
            if target is None:
                self._more = False
                return
            self.owed += 1
            self._loading += 1
            task = self._loop.create_task(self._measure(target))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _measure(self, target: Target) -> None:
        result: tuple[T] | None = None
        try:
            result = (await self._finished(target),)
        except Exception as bug:
            self.bug = self.bug or bug
        await self.ended.put(result)
        self._loading -= 1
        self.fill()

    async def _finished(self, target: Target) -> T:
        log = Log(self._means.network.token(), self._means.network)
        place = _Place(self, log)
        try:
            began = self._pace.began(self._waiting)
            measurement = await measure(target, self._means, log=log)
            if self._pace.ended(began, facts_of(measurement)):
                self._doubtful(measurement)
            return await self._finish(measurement)
        finally:
            place.hold()

    def patience_s(self, small: bool) -> float:
        return self._pace.patience_s(self._means.settings.timeout_s, small=small)

    def waits(self) -> None:
        """One that loaded the line now waits, and another may begin."""
        self._loading -= 1
        self._waiting += 1
        self.fill()

    def goes_on(self) -> None:
        """One that waited goes on."""
        self._loading += 1
        self._waiting -= 1


class _Place:
    """A target's place, which it gives up while it only waits."""

    def __init__(self, crew: _Crew[Any], log: Log) -> None:
        self._crew, self._log = crew, log
        self._waits = False
        self._timer = self._in_s(crew.patience_s(small=True))

    def _in_s(self, seconds: float) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        small, quiet_s = self._log.quiet()
        soon_s = self._crew.patience_s(small=True)
        left_s = self._crew.patience_s(small=small) - quiet_s
        self._timer = self._in_s(min(soon_s, left_s) if left_s > 0 else soon_s)
        if left_s > 0:
            self._take_back()
        elif not self._waits:
            self._waits = True
            self._crew.waits()

    def _take_back(self) -> None:
        if self._waits:
            self._waits = False
            self._crew.goes_on()

    def hold(self) -> None:
        """Keep it from now on, for the little that is left to do."""
        self._timer.cancel()
        self._take_back()
