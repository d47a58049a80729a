"""Many targets at once: each handed on once, and nothing left when the reader goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import aclosing
from typing import Any

import pytest
import uvloop

from probe.model import Measurement, Target
from probe.net.concurrency import Began, LineFacts, Pace
from probe.round import measure_all
from probe.session import Session
from probe.target import parse
from schedules.demo import censor, resolver
from schedules.demo.listener import Address, Listeners, ServerStream
from tests.lab import dns_behaviours
from tests.lab.network import LabNetwork
from tests.probe.loopback import at_most, course, forever, server, session, session_in

Run = Callable[[Coroutine[Any, Any, Any]], Any]


async def itself(measured: Measurement) -> Measurement:
    return measured


def endpoints(address: Address, count: int) -> list[Target]:
    return [parse(f"tcp://{address[0]}:{address[1]}", service=str(n), allow_private=True) for n in range(count)]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_every_target_is_yielded_exactly_once(run: Run) -> None:
    async def situation() -> list[str | None]:
        async with Listeners() as here:
            targets = endpoints(server(here, forever), 300)
            wanted = session(concurrency=16, per_address=4)
            return [m.target.service async for m, _ in measure_all(targets, wanted, itself)]

    assert sorted(run(situation()), key=lambda name: int(name or -1)) == [str(n) for n in range(300)]


async def test_no_targets_are_a_round_too() -> None:
    assert [m async for m in measure_all([], session(), itself)] == []


async def test_no_more_than_the_concurrency_are_under_way_and_an_address_bears_no_more_than_its_share(
    here: Listeners,
) -> None:
    under_way: set[str] = set()
    most = there = most_there = 0

    async def count(stream: ServerStream) -> None:
        nonlocal there, most_there
        there += 1
        most_there = max(most_there, there)
        await stream.gone()
        there -= 1

    def targets() -> Iterator[Target]:
        nonlocal most
        for target in endpoints(server(here, count), 60):
            under_way.add(target.service or "")
            most = max(most, len(under_way))
            yield target

    async def finish(measured: Measurement) -> str | None:
        under_way.discard(measured.target.service or "")
        return measured.target.service

    got = [name async for name, _ in measure_all(targets(), session(concurrency=8, per_address=3), finish)]
    assert len(set(got)) == 60
    assert most <= 8
    assert most_there <= 2 * 3, "those that we have closed may not have noticed yet"


async def test_targets_are_taken_as_they_are_needed(here: Listeners) -> None:
    address, taken = server(here, forever), 0

    def endless() -> Iterator[Target]:
        nonlocal taken
        while True:
            taken += 1
            yield endpoints(address, 1)[0]

    async with aclosing(measure_all(endless(), session(concurrency=2), itself)) as measured:
        got = [await anext(measured) for _ in range(10)]
    assert len(got) == 10
    assert taken < 20


async def test_closing_the_iterator_ends_what_is_under_way(net: LabNetwork) -> None:
    quick = net.add_site("quick.x.test")
    slow = [net.add_site(f"slow{n}.x.test", censored=censor.drops) for n in range(5)]
    silent = net.add_site("silent.x.test", lie=dns_behaviours.silence)
    targets = [parse(site.url) for site in [*slow, silent, quick]]
    wanted = session_in(net)
    async with aclosing(measure_all(targets, wanted, itself)) as measured:
        assert (await anext(measured)).result.target.host == quick.name
    assert wanted.limits._slots == {}


async def test_a_reader_that_is_cancelled_leaves_nothing(net: LabNetwork) -> None:
    targets = [parse(net.add_site(f"slow{n}.x.test", censored=censor.drops).url) for n in range(5)]
    got: list[Measurement] = []

    async def read() -> None:
        async with aclosing(measure_all(targets, session_in(net), itself)) as measured:
            got.extend([m async for m, _ in measured])

    task = asyncio.create_task(read())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert got == []


async def test_a_bug_in_a_worker_is_raised_after_what_the_others_found(here: Listeners) -> None:
    async def finish(measured: Measurement) -> str | None:
        if measured.target.service == "3":
            raise ZeroDivisionError("a bug")
        return measured.target.service

    got: list[str | None] = []

    async def read() -> None:
        async for name, _ in measure_all(endpoints(server(here, forever), 20), session(concurrency=4), finish):
            got.append(name)

    with pytest.raises(ZeroDivisionError):
        await read()
    assert set(got) == {str(n) for n in range(20)} - {"3"}


async def test_targets_that_cannot_be_listed_are_an_error_here(here: Listeners) -> None:
    def broken() -> Iterator[Target]:
        yield endpoints(address, 1)[0]
        raise ZeroDivisionError("a bug")

    address = server(here, forever)
    with pytest.raises(ZeroDivisionError):
        await _all(broken(), session(concurrency=1))


async def test_a_slow_reader_is_waited_for(here: Listeners) -> None:
    finished = 0

    async def finish(measured: Measurement) -> int:
        nonlocal finished
        finished += 1
        return finished

    async with aclosing(measure_all(endpoints(server(here, forever), 100), session(concurrency=4), finish)) as measured:
        await anext(measured)
        for _ in range(2000):
            await asyncio.sleep(0)
        assert finished <= 1 + 4 + 4, "one read, four waiting, four in hand"


async def test_addresses_shared_by_many_names_never_lock_up(net: LabNetwork) -> None:
    at = [net.host(f"127.77.9.{n}") for n in range(4)]
    first = net.add_site("site0.x.test", at=tuple(at), tls=False)
    for n in range(1, 40):
        net.honest_zone[f"site{n}.x.test"] = resolver.addresses(*(at[(n + k) % 4] for k in range(3)))
    targets = [parse(f"http://site{n}.x.test:{first.port}/") for n in range(40)]
    wanted = session_in(net, per_address=1, concurrency=40)
    got = await at_most(60, _all(targets, wanted))
    assert len(got) == 40
    assert {course(m)[-1][1] for m in got} == {None}
    assert wanted.limits._slots == {}


async def _all(targets: Iterable[Target], wanted: Session) -> list[Measurement]:
    return [m async for m, _ in measure_all(targets, wanted, itself)]


@pytest.mark.slow
async def test_half_of_the_targets_timing_out_costs_the_other_half_nothing(net: LabNetwork) -> None:
    dead = net.add_site("dead.x.test", connect="unanswered")
    live = net.add_site("live.x.test", tls=False)
    targets = [parse(url) for _ in range(30) for url in (dead.url, live.url)]
    got = await at_most(60, _all(targets, session_in(net, timeout_s=2, per_address=64, concurrency=60)))
    ends = {name: {course(m)[-1] for m in got if m.target.host == name} for name in (dead.name, live.name)}
    assert ends == {dead.name: {("tcp", "generic_timeout_error")}, live.name: {("http", None)}}


class Watched(Pace):
    """A pace that keeps what it was asked."""

    def __init__(self, ceiling: int, most: int) -> None:
        super().__init__(ceiling, most)
        self.asked: list[tuple[int, int]] = []

    def has_room(self, loading: int, waiting: int) -> bool:
        self.asked.append((loading, waiting))
        return super().has_room(loading, waiting)


@pytest.mark.slow
async def test_a_silent_target_gives_its_place_up_and_nobody_waits_for_it(net: LabNetwork) -> None:
    dead = net.add_site("dead.x.test", connect="unanswered")
    live = net.add_site("live.x.test", tls=False)
    targets = [parse(url) for _ in range(12) for url in (dead.url, live.url)]
    wanted, pace = session_in(net, timeout_s=3, per_address=64, concurrency=2), Watched(2, 20)
    got = [m.target.host async for m, _ in measure_all(targets, wanted, itself, pace=pace)]
    assert len(got) == 24
    assert got[:12] == [live.name] * 12, "one at a time, the silent ones would hold both places for 3 s each"
    assert all(loading >= 0 and waiting >= 0 and loading + waiting <= 20 for loading, waiting in pace.asked)


async def test_a_target_that_goes_on_after_a_wait_is_counted_again(net: LabNetwork) -> None:
    slow = net.add_site("slow.x.test", tls=False, lie=dns_behaviours.silence)
    resumed: list[tuple[int, int]] = []
    pace = Watched(1, 20)

    async def finish(measured: Measurement) -> str:
        pace.asked.clear()
        return measured.target.host

    async for _ in measure_all([parse(slow.url)], session_in(net, timeout_s=0.3), finish, pace=pace):
        resumed = list(pace.asked)
    assert resumed == [(0, 0)], "its place was its own again when it ended"


async def test_what_timed_out_while_the_line_was_full_is_marked(here: Listeners) -> None:
    class Full(Pace):
        def ended(self, began: Began, facts: LineFacts) -> bool:
            return True

    (processed,) = [p async for p in measure_all(endpoints(server(here, forever), 1), session(), itself, pace=Full(1))]
    assert processed.is_suspect
