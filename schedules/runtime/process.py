"""The running process: its event loop, its signals, and what it reports to systemd."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from gettext import gettext as _
from typing import Any, TypeVar

T = TypeVar("T")
MAX_WATCHDOG_S = 240.0
"""Long, because each report wakes the machine."""

Notify = Callable[[str], None]


class StoppedBySignal(Exception):
    """The run was ended by Ctrl-C; finished measurements are in the database."""

    exit_code = 130


class Terminated(StoppedBySignal):
    """The run was ended by SIGTERM, as a service manager sends it."""

    exit_code = 143


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, on uvloop if the extra `fast` is installed.

    Ctrl-C or SIGTERM cancels it and lets it clean up; then KeyboardInterrupt or Terminated is raised.
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
        return await work  # only the main thread can handle signals
    loop, task, terminated = asyncio.get_running_loop(), asyncio.current_task(), False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        if task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await work
    except asyncio.CancelledError as error:
        if terminated:
            raise Terminated(_("terminated; finished measurements are saved")) from error
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def systemd_notifier(environ: Mapping[str, str]) -> Notify:
    """A function that sends lines such as READY=1 to $NOTIFY_SOCKET (sd_notify(3)); a no-op without one."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return lambda _: None
    path = "\0" + address[1:] if address.startswith("@") else address

    def notify(message: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto(message.encode(), path)
            except OSError:
                return  # measuring goes on without a service manager

    return notify


def watchdog_s(environ: Mapping[str, str]) -> float:
    """The interval between keep-alive messages: half of what systemd allows (sd_watchdog_enabled(3))."""
    limit_us = environ.get("WATCHDOG_USEC", "")
    return min(MAX_WATCHDOG_S, int(limit_us) / 2e6) if limit_us.isdecimal() and int(limit_us) else MAX_WATCHDOG_S
