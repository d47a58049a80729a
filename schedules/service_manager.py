"""Tells systemd how the agent is: ready, alive, stopping (sd_notify(3))."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

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
