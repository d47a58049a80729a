"""A round's records are reported only when they are safely in the database, also when the round ends early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from results.db.store import Store
from results.judge.judged import JudgedMeasurement
from schedules.config.schema import Config
from schedules.demo import censor
from schedules.plan.model import Choice
from schedules.plan.selection import from_words
from schedules.round import round as rounds
from schedules.round.round import MAX_BATCH_RECORDS, Measured, Round, Started, committed
from tests.results.records import finished
from tests.schedules.lab import Lab


def stored(store: Store) -> int:
    return int(store.db.execute("SELECT count(*) FROM measurements").fetchone()[0])


async def records(count: int, then: asyncio.Event | Exception | None = None) -> AsyncGenerator[JudgedMeasurement, None]:
    """This many records at once; then the end, an error, or a wait for the event."""
    for number in range(count):
        yield finished(f"{number:016d}")
    if isinstance(then, Exception):
        raise then
    if then is not None:
        await then.wait()


async def test_a_full_batch_is_committed_before_its_first_record_is_reported(store: Store) -> None:
    async with aclosing(committed(records(MAX_BATCH_RECORDS + 1, asyncio.Event()), store.save)) as rows:
        assert stored(store) == 0
        seen = [(await anext(rows), stored(store))[1] for _ in range(MAX_BATCH_RECORDS)]
    assert seen == [MAX_BATCH_RECORDS] * MAX_BATCH_RECORDS


async def test_a_single_record_is_committed_after_a_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "MAX_BATCH_S", 0)
    async with aclosing(committed(records(1, asyncio.Event()), store.save)) as rows:
        await asyncio.wait_for(anext(rows), 5)
        assert stored(store) == 1


async def test_what_waits_is_committed_and_reported_at_the_end(store: Store) -> None:
    assert len([row async for row in committed(records(3), store.save)]) == 3
    assert stored(store) == 3


async def test_what_waits_is_committed_and_reported_before_an_error(store: Store) -> None:
    seen = []

    async def read() -> None:
        async for row in committed(records(3, ZeroDivisionError()), store.save):
            seen.append(row)

    with pytest.raises(ZeroDivisionError):
        await read()
    assert (len(seen), stored(store)) == (3, 3)


async def test_what_waits_is_committed_and_reported_when_the_task_is_cancelled(store: Store) -> None:
    seen = []

    async def read() -> None:
        async with aclosing(committed(records(3, asyncio.Event()), store.save)) as rows:
            async for row in rows:
                seen.append(row)

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    assert seen == []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (len(seen), stored(store)) == (3, 3)


async def test_a_commit_that_fails_ends_the_round_and_nothing_is_reported(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "MAX_BATCH_S", 0)

    def fail(_: list[JudgedMeasurement]) -> list[JudgedMeasurement]:
        raise OSError("disk full")

    async with aclosing(committed(records(1, asyncio.Event()), fail)) as rows:
        with pytest.raises(OSError, match="disk full"):
            await asyncio.wait_for(anext(rows), 5)


async def test_a_cancelled_round_reports_what_is_finished(lab: Lab, store: Store, config: Config) -> None:
    slow = lab.net.add_site("slow.x.test", censored=censor.drops)
    choice = Choice(from_words([lab.good.url, slow.url], config))
    seen = []

    async def read() -> None:
        async with aclosing(Round(choice, config, store).events()) as events:
            async for event in events:
                if isinstance(event, Started):
                    asyncio.get_running_loop().call_later(0.3, task.cancel)
                elif isinstance(event, Measured):
                    seen.append(event.record.measurement.target.text)

    task = asyncio.create_task(read())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [row["target"] for row in store.rows()] == [lab.good.url]


async def test_closing_the_events_ends_what_is_under_way(lab: Lab, store: Store, config: Config) -> None:
    choice = Choice(from_words([lab.good.url, lab.reset.url], config))
    before = asyncio.all_tasks()
    async with aclosing(Round(choice, config, store).events()) as events:
        async for event in events:
            if isinstance(event, Measured):
                break
    lab_tasks = {task for task in asyncio.all_tasks() - before if "_work" in repr(task)}
    assert lab_tasks == set()
