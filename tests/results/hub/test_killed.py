"""A hub that is killed at any moment under load has lost nothing that it acknowledged, and stores nothing twice."""

from __future__ import annotations

import asyncio
import itertools
import random
import sqlite3
from contextlib import closing

import pytest

from tests.faults.whole import LONG, kept
from tests.results.hub.hub_process import RunningHub, record, statuses

pytestmark = pytest.mark.slow

KILLS = 100 if LONG else 5
SENDERS = 8
BATCH = 20
FIRST = asyncio.FIRST_COMPLETED


class Sender:
    """Sends batch after batch, each again until it is answered, as an agent does."""

    def __init__(self, hub: RunningHub, name: str, token: str) -> None:
        self._hub, self._name, self._token = hub, name, token
        self._numbers = itertools.count()
        self._batch: list[str] = []
        self.acknowledged: set[str] = set()
        self.sent: set[str] = set()
        self.known = 0
        self.answered = asyncio.Event()

    async def until(self, stop: asyncio.Event) -> None:
        self.answered.clear()
        while not stop.is_set():
            try:
                await self.once()
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.02)

    @property
    def waits(self) -> bool:
        return bool(self._batch)

    async def once(self) -> None:
        if not self._batch:
            self._batch = [f"{self._name}.{next(self._numbers):012d}" for _ in range(BATCH)]
            self.sent |= set(self._batch)
        status, said = await self._hub.send(self._token, [record(one, self._name) for one in self._batch])
        if status in (429, 503):  # it has had enough of this one
            await asyncio.sleep(0.1)
            return
        assert status == 200, said
        assert set(statuses(said)) <= {"stored", "known"}
        self.known += statuses(said).count("known")
        self.acknowledged |= {answer["id"] for answer in said["answers"]}
        self._batch = []
        self.answered.set()


async def test_killed_repeatedly_under_load_it_loses_and_duplicates_nothing(hub: RunningHub) -> None:
    senders = [Sender(hub, f"v{number}", await hub.enrol(f"v{number}")) for number in range(SENDERS)]
    dice, unheard = random.Random(9), set[str]()
    for number in range(KILLS):
        stop = asyncio.Event()
        sending = [asyncio.create_task(sender.until(stop)) for sender in senders]
        waiting = [asyncio.create_task(sender.answered.wait()) for sender in senders]
        async with asyncio.timeout(60):
            await asyncio.wait([*waiting, *sending], return_when=FIRST)
        for task in waiting:
            task.cancel()
        await asyncio.sleep(dice.uniform(0, 0.3))
        hub.kill()
        stop.set()
        await asyncio.gather(*sending)
        there = kept(hub.db)
        for sender in senders:
            assert sender.acknowledged <= there, number
        unheard |= there - set().union(*(sender.acknowledged for sender in senders))
        await asyncio.to_thread(hub.start)
    for sender in senders:
        while sender.waits:
            await sender.once()
    with closing(sqlite3.connect(hub.db)) as db:
        found = [name for (name,) in db.execute("SELECT id FROM measurements")]
        assert len(found) == len(set(found)) == db.execute("SELECT count(*) FROM received").fetchone()[0]
        assert db.execute("SELECT count(*) FROM verdicts").fetchone()[0] == len(found)
    acknowledged = set().union(*(sender.acknowledged for sender in senders))
    assert set(found) == acknowledged == set().union(*(sender.sent for sender in senders))
    # What was on the disk before anybody was told of it was sent again, and kept once.
    assert sum(sender.known for sender in senders) >= len(unheard)
