"""Readers and those who ask for controls take turns: one client's long questions hold up nobody else's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from probe.net.network import RealNetwork
from probe.net.path import Path as NetworkPath
from results.db.store import Store
from results.hub import control, database, read_api
from results.hub.control import MAX_CONCURRENT_EACH, ControlRequest, Controls
from results.hub.credentials import Member
from results.hub.database import ReadPool
from results.hub.limits import CLIENT, Overloaded, TooManyRequests
from results.hub.read_api import ExportQuery
from tests.results.hub.asgi_client import Inside
from tests.results.hub.in_thread import asked
from tests.results.records import finished, measurement


def as_client(name: str, ask: Callable[[], Any]) -> asyncio.Task[Any]:
    async def work() -> Any:
        CLIENT.set(name)
        return await ask()

    return asyncio.create_task(work())


@pytest.fixture
def pool(tmp_path: Path) -> Any:
    Store.open(tmp_path / "hub.db").close()
    with closing(ReadPool(tmp_path / "hub.db")) as made:
        yield made


async def test_a_reader_with_many_long_questions_leaves_a_thread_to_others(pool: ReadPool) -> None:
    def long(db: Any) -> None:
        time.sleep(0.15)

    evil = [as_client("evil", lambda: pool.run(long)) for _ in range(20)]
    await asyncio.sleep(0.02)
    began = time.monotonic()
    await as_client("good", lambda: pool.run(lambda db: db.execute("SELECT 1").fetchone()))
    took = time.monotonic() - began
    for task in evil:
        task.cancel()
    await asyncio.gather(*evil, return_exceptions=True)
    assert took < 0.6


async def test_a_question_whose_client_went_away_keeps_its_turn_until_the_thread_is_free(pool: ReadPool) -> None:
    running, most = [0], [0]

    def long(db: Any) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.05)
        running[0] -= 1

    for _ in range(5):
        task = as_client("evil", lambda: pool.run(long))
        await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await as_client("evil", lambda: pool.run(long))
    assert most == [1]


async def test_a_readers_time_is_spent_and_a_download_waits_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MAX_READ_S", 0.05)
    monkeypatch.setattr(database, "READ_S_PER_S", 1.0)
    Store.open(tmp_path / "hub.db").close()
    with closing(ReadPool(tmp_path / "hub.db")) as pool:
        await as_client("evil", lambda: pool.run(lambda db: time.sleep(0.2)))
        with pytest.raises(TooManyRequests, match="too much of the hub's time"):
            await as_client("evil", lambda: pool.run(lambda db: None))
        assert await as_client("good", lambda: pool.run(lambda db: 1)) == 1
        assert await as_client("evil", lambda: pool.run_patiently(lambda db: 1)) == 1


class Sites:
    """Measures what never answers, but for targets of `good`."""

    def __init__(self) -> None:
        self.measured: list[str] = []
        self.silence = asyncio.Event()

    async def observe(self, target: Any, seen: Any) -> Any:
        self.measured.append(target.host)
        if "good" not in target.host:
            await self.silence.wait()
        return measurement(RealNetwork(NetworkPath()).token())

    async def resolve(self, host: str) -> tuple[str, ...]:
        return ()


def ask(controls: Controls, member: str, target: str) -> asyncio.Task[Any]:
    async def json_body(request: object, kind: object) -> ControlRequest:
        return ControlRequest(target)

    hub: Any = SimpleNamespace(json_body=json_body)
    return as_client(member, lambda: controls.handle(hub, SimpleNamespace(), Member(1, member, "t")))  # type: ignore[arg-type]


async def test_a_member_that_asks_for_silent_targets_leaves_slots_to_others_and_is_429() -> None:
    sites = Sites()
    controls = Controls(sites.observe, sites.resolve, lambda address, port: True)
    evil = [ask(controls, "evil", f"https://silent-{n}.example/") for n in range(control.MAX_WAITING_EACH)]
    await asyncio.sleep(0.05)
    assert len(sites.measured) == MAX_CONCURRENT_EACH
    with pytest.raises(TooManyRequests, match="controls at once"):
        await ask(controls, "evil", "https://one-more.example/")
    said = await asyncio.wait_for(ask(controls, "good", "https://good.example/"), 2)
    assert json.loads(said.body)["measurement"]
    sites.silence.set()
    await asyncio.gather(*evil)


async def test_what_waits_in_one_members_queue_is_measured_at_once_for_another() -> None:
    sites = Sites()
    controls = Controls(sites.observe, sites.resolve, lambda address, port: True)
    evil = [ask(controls, "evil", f"https://silent-{n}.example/") for n in range(MAX_CONCURRENT_EACH)]
    evil.append(ask(controls, "evil", "https://good.example/"))
    await asyncio.sleep(0.05)
    assert "good.example" not in sites.measured
    await asyncio.wait_for(ask(controls, "good", "https://good.example/"), 2)
    sites.silence.set()
    await asyncio.gather(*evil)
    assert sites.measured.count("good.example") == 1


async def test_a_control_that_takes_too_long_is_busy_and_gives_its_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "TIMEOUT_S", 0.05)
    sites = Sites()
    controls = Controls(sites.observe, sites.resolve, lambda address, port: True)
    tasks = [ask(controls, "evil", f"https://silent-{n}.example/") for n in range(MAX_CONCURRENT_EACH)]
    for one in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(one, Overloaded)
    await asyncio.wait_for(ask(controls, "evil", "https://good.example/"), 2)


def large(tmp_path: Path, count: int) -> None:
    """A database of records with long pages."""
    with closing(Store.open(tmp_path / "hub.db")) as store:
        for number in range(count):
            made = measurement(f"large{number:011}")
            *steps, page = made.observations
            page = msgspec.structs.replace(page, detail=msgspec.structs.replace(page.detail, title="x" * 200_000))
            made = msgspec.structs.replace(made, observations=(*steps, page))
            store.save([finished(made.id, measurement=made)])


@pytest.mark.parametrize("form", ["csv", "jsonl", "ooni"])
def test_a_download_of_long_records_comes_in_parts_of_bounded_size(tmp_path: Path, form: Any) -> None:
    large(tmp_path, 24)
    asked_for, parts, whole, more = ExportQuery(format=form), [], b"", True
    with closing(ReadPool(tmp_path / "hub.db")) as pool:
        while more:
            chunk = partial(read_api._chunk, asked=asked_for, is_first=not parts, compressor=None)
            data, rows = pool._run(chunk, timeout_s=60)
            parts.append(len(data))
            whole += data
            more = rows.more
            asked_for = msgspec.structs.replace(asked_for, after=rows.after)
    assert max(parts) < read_api.MAX_CHUNK_BYTES + 600_000
    assert whole.count(b"\n") == 24 + (form == "csv")
    assert all(whole.count(f"large{number:011}".encode()) for number in range(24))
    assert len(parts) > 3 or form == "csv"


async def test_a_burst_of_downloads_gets_no_more_places_than_there_are(tmp_path: Path) -> None:
    with Inside(tmp_path) as app:
        said = await asyncio.gather(*(asked(app, "/v1/export?format=csv") for _ in range(10)))
        assert {one.status for one in said} == {200, 429}
        later = await asked(app, "/v1/export?format=csv")
    assert later.status == 200
