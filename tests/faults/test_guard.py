"""The guard that keeps every test on this machine, and every program that a test starts."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.guard import sitecustomize as guard

ABROAD = "192.0.2.1"


def connects(sock: socket.socket) -> None:
    sock.connect((ABROAD, 53))


def sends(sock: socket.socket) -> None:
    sock.connect((ABROAD, 53))
    sock.send(b"x")


def sends_to(sock: socket.socket) -> None:
    sock.sendto(b"x", (ABROAD, 53))


def looks_up(_: socket.socket) -> None:
    socket.getaddrinfo("www.example.com", 443)


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        (socket.SOCK_STREAM, connects),
        (socket.SOCK_DGRAM, sends),
        (socket.SOCK_DGRAM, sends_to),
        (socket.SOCK_DGRAM, looks_up),
    ],
)
def test_a_test_that_would_leave_the_machine_is_refused(
    kind: socket.SocketKind, act: Callable[[socket.socket], None]
) -> None:
    with closing(socket.socket(socket.AF_INET, kind)) as sock:
        if act is sends and not _has_a_way_out():
            pytest.skip("this machine has no way out in any case")
        with pytest.raises(guard.LeavesTheMachine, match="may not leave this machine"):
            act(sock)
    guard.refused.clear()


def test_a_program_that_a_test_starts_is_refused_too() -> None:
    script = f"import socket; socket.create_connection(('{ABROAD}', 443), 0.1)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (
        f"LeavesTheMachine: a test may not leave this machine, and this one was on its way to {ABROAD}" in done.stderr
    )


def test_the_loopback_is_free() -> None:
    for host in ("127.0.0.1", "127.77.0.53", "::1", "localhost"):
        assert guard.stays(host)


def _has_a_way_out() -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        try:
            sock.connect((ABROAD, 53))
        except OSError:
            return False
    return True
