"""The event loop: uvloop's where it is installed (the extra `fast`), else Python's own."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from schedules.runtime.interrupted import Terminated

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end. Ctrl-C or SIGTERM cancels the work and lets it finish what it must.

    Then it raises KeyboardInterrupt, or Terminated.
    """
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        pass
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_until_terminated(work))


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    if threading.current_thread() is not threading.main_thread():
        return await work  # signals are the main thread's
    loop, task, terminated = asyncio.get_running_loop(), asyncio.current_task(), False

    def end() -> None:
        nonlocal terminated
        terminated = True
        if task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        return await work
    except asyncio.CancelledError as error:
        if terminated:
            raise Terminated("terminated; what was finished is kept") from error
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
