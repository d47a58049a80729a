"""Many targets: a bounded number at once, each handed on as soon as it is finished."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeVar

from probe.means import Means
from probe.measure import measure
from probe.model import Measurement, Target

T = TypeVar("T")


async def measure_all(
    targets: Iterable[Target], means: Means, finish: Callable[[Measurement], Awaitable[T]]
) -> AsyncGenerator[T, None]:
    """Measure `targets`, at most `concurrency` at once, and yield what `finish` makes of each as it ends.

    `finish` runs in the target's own place, so that a control measured there is of the same moment. Closing the
    iterator ends what is under way; what was yielded stays with the caller. A bug in a worker is raised here.
    """
    waiting = iter(targets)
    ended: asyncio.Queue[tuple[T] | None] = asyncio.Queue(maxsize=means.settings.concurrency)

    async def work() -> None:
        try:
            for target in waiting:
                await ended.put((await finish(await measure(target, means)),))
        except asyncio.CancelledError:
            raise  # nobody reads the queue any more
        except BaseException:
            await ended.put(None)
            raise
        await ended.put(None)

    workers = [asyncio.create_task(work()) for _ in range(means.settings.concurrency)]
    try:
        running = len(workers)
        while running:
            result = await ended.get()
            if result is None:
                running -= 1
            else:
                yield result[0]
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
