"""An address that never answers a SYN, without root and without a firewall.

Linux drops the SYN for a listening socket whose queue of connections waiting to be accepted is full. The queue here
has one place, and a connection of our own takes it.
"""

from __future__ import annotations

import socket

from schedules.demo.listener import Address, Listeners, address_of, tcp_socket

FILLERS = 3


def leave_unanswered(here: Listeners, host: str, port: int = 0) -> Address:
    """Returns the address at which a connect now times out."""
    silent = here.hold(tcp_socket(host, port, backlog=0))
    for _ in range(FILLERS):
        filler = here.hold(socket.socket(silent.family, socket.SOCK_STREAM))
        filler.setblocking(False)
        filler.connect_ex(silent.getsockname())
    return address_of(silent)
