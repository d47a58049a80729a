"""Records are handed on only when they are safely in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from results.db.store import Store
from results.judge.judged import JudgedMeasurement
from schedules.round import batches
from schedules.round.batches import MOST, Batches
from tests.results.records import finished


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "x.db")
    yield opened
    opened.close()


def stored(store: Store) -> int:
    return int(store.db.execute("SELECT count(*) FROM measurements").fetchone()[0])


async def test_a_full_batch_is_committed_at_once_and_then_told(store: Store) -> None:
    told: list[int] = []
    waiting = Batches(store, lambda _: told.append(stored(store)))
    for number in range(MOST - 1):
        waiting.add(finished(f"{number:016d}"))
    assert (told, stored(store)) == ([], 0)
    waiting.add(finished(f"{MOST:016d}"))
    assert told == [MOST] * MOST


async def test_a_lonely_record_is_committed_by_the_clock(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LONGEST_S", 0)
    committed = asyncio.Event()

    def told(_: JudgedMeasurement) -> None:
        committed.set()

    Batches(store, told).add(finished())
    await asyncio.wait_for(committed.wait(), 5)
    assert stored(store) == 1


async def test_what_waits_is_committed_when_the_round_ends(store: Store) -> None:
    told: list[JudgedMeasurement] = []
    waiting = Batches(store, told.append)
    waiting.add(finished())
    waiting.close()
    waiting.close()
    assert (len(told), stored(store)) == (1, 1)


async def test_a_commit_that_fails_by_the_clock_ends_the_round_and_nothing_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "LONGEST_S", 0)
    told: list[JudgedMeasurement] = []
    tried = asyncio.Event()

    def fail(*_: object, **__: object) -> None:
        tried.set()
        raise OSError("disk full")

    monkeypatch.setattr(store, "save", fail)
    waiting = Batches(store, told.append)
    waiting.add(finished())
    await asyncio.wait_for(tried.wait(), 5)
    with pytest.raises(OSError, match="disk full"):
        waiting.close()
    assert told == []
