"""Tells systemd how the agent is: ready, alive, stopping (sd_notify(3))."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

BEAT_S = 240.0
"""As seldom as may be, for each time wakes the machine."""

Tell = Callable[[str], None]


def teller(environ: Mapping[str, str]) -> Tell:
    """Sends lines such as READY=1 to $NOTIFY_SOCKET; without one, nowhere."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return lambda _: None
    path = "\0" + address[1:] if address.startswith("@") else address

    def tell(message: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto(message.encode(), path)
            except OSError:
                return  # a manager that does not listen is no reason to stop measuring

    return tell


def beat_s(environ: Mapping[str, str]) -> float:
    """How often to say that one is alive: twice in the time that systemd waits for it (sd_watchdog_enabled(3))."""
    waits_us = environ.get("WATCHDOG_USEC", "")
    return min(BEAT_S, int(waits_us) / 2e6) if waits_us.isdecimal() and int(waits_us) else BEAT_S
