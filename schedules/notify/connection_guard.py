"""Holds the connections of a library that opens its own to the gate, at each connect of a thread."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from probe.failure import PrivateAddress
from probe.net.address_policy import Gate, is_public_host, literal

SENDS = frozenset(("socket.connect", "socket.sendto", "socket.sendmsg"))


class ConnectionGuard:
    """What one thread, and every thread that it starts, may connect to; `refused` if something else was tried."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.refused = False

    def check(self, address: Any) -> None:
        """PrivateAddress unless an address may be connected to; a name would be resolved where nothing checks it."""
        host = str(address[0])
        if literal(host) is None or not self._gate.permits(host):
            self.refused = True
            raise PrivateAddress(f"{host} may not be connected to")


@contextmanager
def guarded(gate: Gate, hosts: Iterable[str]) -> Iterator[ConnectionGuard]:
    """Guard this thread. Those of `hosts`, which the configuration names, that are private ones may be connected to."""
    _install()
    guard = ConnectionGuard(_opened(gate, hosts))
    thread = threading.current_thread()
    before = _guards.get(thread)
    _guards[thread] = guard
    try:
        yield guard
    finally:
        if before is not None:
            _guards[thread] = before
        else:
            del _guards[thread]


def _opened(gate: Gate, hosts: Iterable[str]) -> Gate:
    """With the addresses of the private hosts, since at a connect their names are no longer known."""
    found: set[str] = set()
    for host in hosts:
        if host.lower() in gate.hosts or not is_public_host(host):
            found.add(host.lower())
            try:
                found.update(str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError):
                continue  # the library fails in the same way, and says so
    return msgspec.structs.replace(gate, hosts=gate.hosts | found)


_guards: WeakKeyDictionary[threading.Thread, ConnectionGuard] = WeakKeyDictionary()


@cache
def _install() -> None:
    """Install an audit hook (PEP 578), which sees every connect; it stays, and idles without a guard."""
    sys.addaudithook(_hear)
    start = threading.Thread.start

    def start_guarded(thread: threading.Thread) -> None:
        if (guard := _guards.get(threading.current_thread())) is not None:
            _guards[thread] = guard
        start(thread)

    setattr(threading.Thread, "start", start_guarded)  # noqa: B010


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in SENDS:
        return
    guard = _guards.get(threading.current_thread())
    if guard is None:
        return
    sock, address = arguments[:2]
    if sock.family in (socket.AF_INET, socket.AF_INET6) and address is not None:
        guard.check(address)
