"""No test leaves this machine: what would connect or send beyond the loopback fails here, and says where it wanted to.

`tests/conftest.py` switches it on for the tests; a program that a test starts finds it by PYTHONPATH. In another
network namespace, which a test has made and from which nothing leaves, it stays off.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SWITCH = "TESTS_STAY_ON_LOOPBACK_OF"
"""Holds the network namespace that must not be left."""
refused: list[str] = []
"""What was refused in this process since somebody emptied it."""


class LeavesTheMachine(AssertionError):
    """A test is about to talk to somebody else."""


def namespace() -> str:
    """This process's network namespace; the same word for all where there is no such thing."""
    try:
        return str(Path("/proc/self/ns/net").readlink())
    except OSError:
        return "the only one"


def stays(host: object) -> bool:
    """Is it an address of this machine's loopback?"""
    if not isinstance(host, str):
        return host is None
    if host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def install() -> None:
    """Guard every socket of this process, for good: by an audit hook, which nothing can take away again."""
    sys.addaudithook(_hear)
    kind: Any = socket.socket
    for name in ("send", "sendall"):  # no audit event tells of these
        setattr(kind, name, _checked(getattr(kind, name)))


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not event.startswith("socket."):
        return
    if event == "socket.connect":
        sock, address = arguments
        # A datagram socket sends nothing by connecting, and TCP to everybody is refused by the kernel itself.
        if sock.type != socket.SOCK_DGRAM and address[0] != "255.255.255.255":
            _check(sock, address)
    elif event in ("socket.sendto", "socket.sendmsg"):
        sock, address = arguments
        if address is not None:
            _check(sock, address)
        else:
            _check_peer(sock)
    elif event == "socket.getaddrinfo":
        host = arguments[0]
        name = host.decode("latin-1") if isinstance(host, bytes) else host
        if not stays(name) and not _is_address(name):
            _refuse(f"the look-up of {host!r}")


def _checked(send: Callable[..., Any]) -> Callable[..., Any]:
    def checked(sock: socket.socket, *arguments: Any) -> Any:
        _check_peer(sock)
        return send(sock, *arguments)

    return checked


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and not stays(address[0]):
        _refuse(f"{address[0]} port {address[1]}")


def _check_peer(sock: socket.socket) -> None:
    if sock.type != socket.SOCK_DGRAM:
        return
    try:
        peer = sock.getpeername()
    except OSError:
        return  # it has none, and says so itself
    _check(sock, peer)


def _refuse(where: str) -> None:
    refused.append(where)
    raise LeavesTheMachine(f"a test may not leave this machine, and this one was on its way to {where}")


if os.environ.get(SWITCH) == namespace():
    install()
