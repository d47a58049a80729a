"""The agent under a clock that a test moves: months in seconds, sleep, clocks that jump, what fails, what changes."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
import time_machine
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from probe.model import Target
from probe.net.path import BadPath
from probe.timestamps import rfc3339
from results.db.store import Store, StoreError
from results.registers.importing import ImportOptions, import_register
from schedules.agent.agent import PAUSE_S, Agent, ConfigSource, follow_clock, schedule_wakes
from schedules.agent.side_effects import SideEffects
from schedules.config.load import load
from schedules.config.schema import Config
from schedules.config.toml import ConfigError
from schedules.plan.model import Choice
from schedules.runtime import lock
from tests.results.records import finished, measurement

BEGIN = datetime(2026, 2, 1, tzinfo=UTC)
CAMPAIGNS = """
[[campaign]]
name = "hourly"
targets = ["https://a.example/", "https://b.example/"]
every = "1h"
[[campaign]]
name = "by vpn"
targets = ["https://a.example/"]
every = "6h"
path = "vpn"
[[campaign]]
name = "daily"
targets = ["https://c.example/"]
every = "1d"
[[path]]
name = "vpn"
proxy = "socks5://127.0.0.1:9"
"""


class Simulated(AsyncIOScheduler):  # type: ignore[misc]
    """APScheduler itself, only that it sleeps by moving the clock."""

    wait: float = 0.0

    def _start_timer(self, wait_seconds: float) -> None:
        self.wait = wait_seconds

    def _stop_timer(self) -> None:
        pass

    async def process(self) -> None:
        """Run what is due by now to its end."""
        self.wait = self._process_jobs()
        running = self._lookup_executor("default")._pending_futures
        while running:
            await asyncio.wait(running)
            await asyncio.sleep(0)


class World:
    """An agent with a clock, a configuration and a network that are the test's own."""

    def __init__(self, folder: Path, clock: Any) -> None:
        self.clock = clock
        self.file = folder / "c.toml"
        self.file.write_text(CAMPAIGNS)
        self.database = folder / "x.db"
        self.measured: Counter[tuple[str, str]] = Counter()
        self.made = count()
        self.said: list[str] = []
        self.trouble: Exception | None = None
        self.outcome = "reachable"
        self.agent = Agent(
            ConfigSource(lambda: load(self.file, {}, {}), lambda: self.file.read_text()),
            self.database,
            measure=self.measure,
            say=self.said.append,
            side_effects=SideEffects(self.said.append, {}),
        )
        self.scheduler = Simulated(timezone=UTC)

    async def measure(self, choice: Choice, config: Config, store: Store) -> None:
        if self.trouble is not None:
            raise self.trouble
        for target in choice.targets:
            self.measured[target.text, choice.path] += 1
            store.save([self.record(target, config, choice.path)])

    def record(self, target: Target, config: Config, path: str) -> Any:
        name = f"{next(self.made):016d}"
        made = msgspec.structs.replace(
            measurement(name),
            target=target,
            vantage=config.vantage_by(path),
            started_at=rfc3339(datetime.now(UTC)),
            observations=(),
        )
        return finished(name, self.outcome, measurement=made)

    async def start(self) -> None:
        self.scheduler.start()
        schedule_wakes(self.scheduler, self.agent.wake)
        await asyncio.sleep(0)  # lets the scheduler's own wake-up by the loop pass

    async def live(self, time: timedelta) -> None:
        """Let so much time pass, the agent awake."""
        end = datetime.now(UTC) + time
        while True:
            await self.scheduler.process()
            left = (end - datetime.now(UTC)).total_seconds()
            if self.scheduler.wait >= left:
                self.clock.shift(left)
                return
            self.clock.shift(self.scheduler.wait)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with time_machine.travel(BEGIN, tick=False) as clock:
        yield World(tmp_path, clock)


@pytest.mark.slow
async def test_a_simulated_month_measures_each_target_exactly_as_often_as_it_should(world: World) -> None:
    await world.start()
    await world.live(timedelta(days=28, minutes=2))
    assert world.measured == {
        ("https://a.example/", "direct"): 1 + 28 * 24,
        ("https://b.example/", "direct"): 1 + 28 * 24,
        ("https://a.example/", "vpn"): 1 + 28 * 4,
        ("https://c.example/", "direct"): 1 + 28,
    }
    assert world.said == []
    world.scheduler.shutdown()


async def test_a_machine_that_slept_measures_each_target_once_when_it_wakes(world: World) -> None:
    await world.start()
    await world.live(timedelta(minutes=5))
    world.measured.clear()
    world.clock.shift(timedelta(days=5).total_seconds())
    await world.live(timedelta(seconds=30))
    assert set(world.measured.values()) == {1}
    assert len(world.measured) == 4
    world.scheduler.shutdown()


async def test_a_clock_set_back_does_not_silence_the_agent(world: World) -> None:
    await world.start()
    await world.live(timedelta(minutes=5))
    world.clock.move_to(BEGIN - timedelta(days=400))
    follow_clock(world.scheduler, datetime.now(UTC))
    world.measured.clear()
    await world.live(timedelta(days=1, minutes=2))
    assert world.measured["https://a.example/", "direct"] == 1 + 24
    world.scheduler.shutdown()


async def test_a_computer_that_begins_in_1970_measures_as_soon_as_its_clock_is_right(world: World) -> None:
    world.clock.move_to(datetime(1970, 1, 1, tzinfo=UTC))
    await world.start()
    await world.live(timedelta(minutes=2))
    assert len(world.measured) == 4
    world.clock.move_to(BEGIN)
    await world.live(timedelta(minutes=2))
    assert set(world.measured.values()) == {2}
    world.scheduler.shutdown()


async def test_what_was_measured_under_a_clock_that_ran_ahead_holds_nothing_up(world: World) -> None:
    world.clock.move_to(BEGIN + timedelta(days=4000))
    await world.start()
    await world.live(timedelta(minutes=2))
    world.clock.move_to(BEGIN)
    follow_clock(world.scheduler, datetime.now(UTC))
    world.measured.clear()
    await world.live(timedelta(days=2, minutes=2))
    assert world.measured["https://c.example/", "direct"] == 1 + 2
    world.scheduler.shutdown()


async def test_a_changed_configuration_is_taken_over_within_two_minutes(world: World) -> None:
    await world.start()
    await world.live(timedelta(minutes=5))
    world.file.write_text(CAMPAIGNS.replace("c.example", "d.example"))
    await world.live(timedelta(minutes=2))
    assert world.measured["https://d.example/", "direct"] == 1
    assert world.said == ["configuration reloaded"]
    world.scheduler.shutdown()


async def test_a_broken_configuration_is_said_once_and_the_old_one_stays(world: World) -> None:
    await world.start()
    await world.live(timedelta(minutes=5))
    world.file.write_text("[vantage]\nnmae = 1\n")
    await world.live(timedelta(hours=2))
    assert len(world.said) == 1
    assert "nmae" in world.said[0]
    assert world.measured["https://a.example/", "direct"] == 3
    world.scheduler.shutdown()


def test_an_agent_does_not_start_with_a_broken_configuration(world: World) -> None:
    world.file.write_text("[vantage]\nnmae = 1\n")
    source = ConfigSource(lambda: load(world.file, {}, {}), lambda: 0)
    with pytest.raises(ConfigError):
        Agent(
            source,
            world.database,
            measure=world.measure,
            say=world.said.append,
            side_effects=SideEffects(world.said.append, {}),
        )


async def test_a_full_disk_is_said_and_tried_again_after_a_pause_and_not_each_minute(world: World) -> None:
    world.trouble = StoreError("x.db: the disk is full")
    await world.start()
    await world.live(timedelta(hours=1))
    assert 3 <= len(world.said) <= 4
    assert world.said[0] == f"x.db: the disk is full; retrying in {PAUSE_S // 60} minutes"
    world.trouble = None
    await world.live(timedelta(minutes=PAUSE_S // 60 + 2))
    assert len(world.measured) == 4
    world.scheduler.shutdown()


async def test_a_path_that_is_not_there_keeps_the_others_from_nothing(world: World) -> None:
    gone = BadPath("path vpn: there is no interface wg0")
    measure = world.measure

    async def without_vpn(choice: Choice, config: Config, store: Store) -> None:
        if choice.path == "vpn":
            raise gone
        await measure(choice, config, store)

    world.agent._measure = without_vpn
    await world.start()
    await world.live(timedelta(minutes=2))
    assert {path for _, path in world.measured} == {"direct"}
    assert world.said[0] == f"{gone}; its targets wait"
    world.scheduler.shutdown()


async def test_while_another_round_holds_the_lock_the_agent_waits_and_says_who_holds_it(world: World) -> None:
    await world.start()
    with lock.held(world.database):
        await world.live(timedelta(minutes=2))
        assert not world.measured
        assert "another round is running" in world.said[0]
    await world.live(timedelta(minutes=2))
    assert len(world.measured) == 4
    world.scheduler.shutdown()


async def test_without_a_network_a_daily_target_is_tried_again_each_hour(world: World) -> None:
    world.outcome = "offline"
    await world.start()
    await world.live(timedelta(hours=5, minutes=2))
    assert world.measured["https://c.example/", "direct"] == 1 + 5
    world.outcome = "reachable"
    await world.live(timedelta(hours=1))
    world.measured.clear()
    await world.live(timedelta(days=1))
    assert world.measured["https://c.example/", "direct"] == 1
    world.scheduler.shutdown()


async def test_a_round_that_is_under_way_is_ended_by_stop_and_what_is_finished_is_kept(world: World) -> None:
    under_way, kept = asyncio.Event(), []

    async def never_ends(choice: Choice, config: Config, store: Store) -> None:
        try:
            under_way.set()
            await asyncio.Event().wait()
        finally:
            kept.append(choice.path)

    world.agent._measure = never_ends
    waking = asyncio.create_task(world.agent.wake())
    await under_way.wait()
    await world.agent.stop()
    await waking
    assert kept == ["direct"]
    with lock.held(world.database):
        pass


ONE_A_DAY = """
[vantage]
country = "RU"
[[campaign]]
name = "daily"
targets = ["https://a.example/", "https://b.example/"]
every = "1d"
"""


def publish(world: World, *names: str) -> None:
    """Another process brings in the register's version of now."""
    file = world.database.with_name("register.txt")
    file.write_text("".join(f"{name}\n" for name in names))
    now = datetime.now(UTC)
    with closing(Store.open(world.database)) as store:
        import_register(
            store.db, [file], ImportOptions(name="list", country="RU", format="plain", updated=now, now=now)
        )


@pytest.mark.slow
async def test_a_new_listing_is_measured_within_two_minutes_then_hourly_for_two_days_and_daily_again(
    world: World,
) -> None:
    world.file.write_text(ONE_A_DAY.replace('every = "1d"', 'every = "7d"'))
    await world.start()
    await world.live(timedelta(minutes=2))
    publish(world, "x.example")
    await world.live(timedelta(days=1))
    assert set(world.measured.values()) == {1}
    publish(world, "x.example", "a.example")
    await world.live(timedelta(minutes=2))
    assert world.measured == {("https://a.example/", "direct"): 2, ("https://b.example/", "direct"): 1}
    for days, times in ((2, 48), (14, 14), (28, 4)):
        before = world.measured.copy()
        await world.live(timedelta(days=days))
        assert world.measured["https://a.example/", "direct"] - before["https://a.example/", "direct"] == times
    assert world.measured["https://b.example/", "direct"] == 1 + 6
    assert world.said == ["configuration reloaded"]
    world.scheduler.shutdown()


async def test_a_changed_verdict_is_confirmed_after_a_quarter_of_an_hour_and_an_hour_and_then_daily_again(
    world: World,
) -> None:
    world.file.write_text(ONE_A_DAY)
    await world.start()
    await world.live(timedelta(days=5, minutes=2))
    assert set(world.measured.values()) == {1 + 5}
    world.outcome = "blocked"
    await world.live(timedelta(days=1))
    assert set(world.measured.values()) == {1 + 6 + 2}
    await world.live(timedelta(days=5))
    assert set(world.measured.values()) == {1 + 11 + 2}
    world.scheduler.shutdown()


async def grown(world: World) -> tuple[int, int]:
    """By how many open files and objects the agent is larger after another week than after two days."""

    def held() -> tuple[int, int]:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir())), len(gc.get_objects())

    await world.start()
    await world.live(timedelta(days=2))
    before = held()
    await world.live(timedelta(weeks=1))
    after = held()
    world.scheduler.shutdown()
    return after[0] - before[0], after[1] - before[1]


counted = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files cannot be counted here")
ROUNDS = 7 * 24
"""In a week of an hourly campaign."""


@pytest.mark.slow
@counted
async def test_weeks_leave_no_files_open_and_no_memory_behind(world: World) -> None:
    files, objects = await grown(world)
    assert files == 0
    assert objects < ROUNDS / 2


@pytest.mark.slow
@counted
async def test_one_object_a_round_left_behind_would_be_noticed(world: World) -> None:
    left: list[list[object]] = []
    measure = world.measure

    async def leaks(choice: Choice, config: Config, store: Store) -> None:
        left.append([choice])
        await measure(choice, config, store)

    world.agent._measure = leaks
    assert (await grown(world))[1] > ROUNDS / 2


@pytest.mark.slow
@counted
async def test_one_file_a_day_left_open_would_be_noticed(world: World) -> None:
    left: list[Any] = []
    measure = world.measure

    async def leaks(choice: Choice, config: Config, store: Store) -> None:
        if any(target.host == "c.example" for target in choice.targets):
            left.append(world.file.open())
        await measure(choice, config, store)

    world.agent._measure = leaks
    assert (await grown(world))[0] == 7
    for file in left:
        file.close()
