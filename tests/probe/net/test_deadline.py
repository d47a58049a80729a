"""A wait ends after its time on the network; what our own loop was stalled does not count. The clock is a fake."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

import probe
from probe.net.deadline import MAX_EXTENSION, TICK_S, Deadline

LIMIT_S = 5.0


class FakeClockLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes only where it would wait, at once."""

    def __init__(self) -> None:
        super().__init__(_Selector(self))
        self.clock = 1000.0

    def time(self) -> float:
        return self.clock


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: FakeClockLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout:
            self._loop.clock += timeout
        return events


@pytest.fixture
def loop() -> Iterator[FakeClockLoop]:
    made = FakeClockLoop()
    yield made
    made.close()


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end, and the server's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def stall(loop: FakeClockLoop, seconds: float, meanwhile: Callable[[], object] = int) -> None:
    """Block the loop, as work on a hostile page or a slow disk does."""
    loop.clock += seconds
    meanwhile()


async def receive(sock: socket.socket, limit_s: float | None = LIMIT_S) -> bytes:
    async with Deadline(limit_s):
        return await asyncio.get_running_loop().sock_recv(sock, 100)


def run(loop: FakeClockLoop, work: Awaitable[bytes]) -> tuple[bytes | None, float]:
    """What was received, None for a timeout, and after how many seconds."""
    began = loop.clock

    async def whole() -> bytes | None:
        try:
            return await work
        except TimeoutError:
            return None

    return loop.run_until_complete(whole()), loop.clock - began


Wire = tuple[socket.socket, socket.socket]


def test_silence_ends_when_its_time_is_over(loop: FakeClockLoop, wire: Wire) -> None:
    assert run(loop, receive(wire[0])) == (None, pytest.approx(LIMIT_S))


def test_an_answer_in_time_is_received(loop: FakeClockLoop, wire: Wire) -> None:
    loop.call_later(4.9, wire[1].send, b"answer")
    assert run(loop, receive(wire[0])) == (b"answer", pytest.approx(4.9))


def test_an_answer_a_moment_late_is_a_timeout(loop: FakeClockLoop, wire: Wire) -> None:
    loop.call_later(5.1, wire[1].send, b"answer")
    assert run(loop, receive(wire[0]))[0] is None


def test_an_answer_that_came_while_we_were_stalled_is_received(loop: FakeClockLoop, wire: Wire) -> None:
    loop.call_later(1, stall, loop, 2 * LIMIT_S, lambda: wire[1].send(b"answer"))
    assert run(loop, receive(wire[0]))[0] == b"answer"


def test_an_answer_that_came_in_a_stall_at_the_very_end_is_received(loop: FakeClockLoop, wire: Wire) -> None:
    loop.call_later(LIMIT_S - TICK_S / 2, stall, loop, 0.5, lambda: wire[1].send(b"answer"))
    assert run(loop, receive(wire[0]))[0] == b"answer"


def test_the_network_gets_the_time_that_a_stall_took(loop: FakeClockLoop, wire: Wire) -> None:
    loop.call_later(1, stall, loop, 3)
    loop.call_later(7.5, wire[1].send, b"answer")
    assert run(loop, receive(wire[0]))[0] == b"answer"


def test_the_network_gets_no_more_than_that(loop: FakeClockLoop, wire: Wire) -> None:
    loop.call_later(1, stall, loop, 3)
    assert run(loop, receive(wire[0])) == (None, pytest.approx(LIMIT_S + 3, abs=TICK_S))


def test_a_loop_that_is_always_stalled_ends_the_wait_all_the_same(loop: FakeClockLoop, wire: Wire) -> None:
    def again() -> None:
        stall(loop, 1)
        loop.call_later(0.01, again)

    loop.call_later(0, again)
    received, seconds = run(loop, receive(wire[0]))
    assert received is None
    assert seconds < (2 + MAX_EXTENSION) * LIMIT_S


def test_without_a_limit_it_waits(loop: FakeClockLoop, wire: Wire) -> None:
    loop.call_later(1000, wire[1].send, b"answer")
    assert run(loop, receive(wire[0], None))[0] == b"answer"


def test_a_later_end_is_a_later_timeout(loop: FakeClockLoop, wire: Wire) -> None:
    async def extended() -> bytes:
        async with Deadline(LIMIT_S) as deadline:
            loop.call_later(4, lambda: deadline.reschedule(loop.time() + LIMIT_S))
            return await loop.sock_recv(wire[0], 100)

    assert run(loop, extended()) == (None, pytest.approx(4 + LIMIT_S))


def test_a_cancelled_task_is_cancelled_and_not_timed_out(loop: FakeClockLoop, wire: Wire) -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(receive(wire[0]))
        loop.call_later(1, task.cancel)
        await task

    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(cancelled())


def test_an_error_of_the_body_passes(loop: FakeClockLoop) -> None:
    async def fails() -> bytes:
        async with Deadline(LIMIT_S):
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        run(loop, fails())


def test_every_wait_for_the_network_uses_it() -> None:
    waits = {
        path.name
        for path in Path(probe.__file__).parent.rglob("*.py")
        if "asyncio.timeout(" in path.read_text("utf-8") or "wait_for(" in path.read_text("utf-8")
    }
    assert waits == {"api_client.py"}, "a stall of ours must not look like the network's"
