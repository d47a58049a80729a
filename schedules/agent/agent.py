"""The scheduler in the foreground: looks every minute whether something is due, and measures it. APScheduler wakes it.

Which targets are due is the plan's business, so nothing is lost when a wake is: after sleep, a stop or a crash the next
look finds what is due then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from probe.net.path import BadPath
from results.db.retention import ensure_room
from results.db.store import Store, StoreError
from schedules.agent.side_effects import Aside
from schedules.agent.ticker import keep_pace, schedule_wakes
from schedules.config.toml import ConfigError
from schedules.hub_client.download import fetcher
from schedules.plan.due import DueRound, due_now
from schedules.plan.lists import refresh
from schedules.plan.model import BadChoice
from schedules.round.preflight import unwilling
from schedules.round.retention import tidy
from schedules.runtime import lock
from schedules.runtime.lock import Locked
from schedules.runtime.process import Notify

if TYPE_CHECKING:
    from apscheduler.schedulers.base import BaseScheduler  # type: ignore[import-untyped]

    from schedules.config.schema import Config
    from schedules.plan.model import Choice

PAUSE_S = 900
"""How long the agent waits after something failed, so that it does not knock at doors for nothing."""
DEADLINE_S = 1800
"""A long round ends so that what has become due meanwhile gets its turn."""

LAST_WORDS_S = 2.0
"""How long the agent waits at its end for what is being told, which is told again otherwise."""

Measure = Callable[["Choice", "Config", Store], Awaitable[None]]
Say = Callable[[str], None]


class Agent:
    """One look at a time: `wake` returns when nothing is due, or when what was due is measured."""

    def __init__(
        self,
        load: Callable[[], Config],
        version: Callable[[], object],
        database: Path,
        *,
        measure: Measure,
        say: Say,
        clock: Callable[[], float] = time.time,
        locate: Callable[[Config], Config] = lambda declared: declared,
        aside: Aside | None = None,
    ) -> None:
        """`load` reads the configuration, `version` tells whether that would give another than before.

        `locate` makes of what is declared what holds on the network where the machine is now.
        """
        self._locate, self._unwilling = locate, ""
        self._load, self._version = load, version
        self._seen = version()
        self._config = load()
        self._database, self._measure, self._say, self._clock = database, measure, say, clock
        self._looked_at, self._look_again = 0.0, 0.0
        self._round: asyncio.Task[DueRound] | None = None
        self._left: tuple[object, ...] | None = None
        """How the database was left, None while something is wrong with it."""
        self._aside = aside or Aside(say)

    async def wake(self) -> None:
        """Measure what is due now; then tell people and count. What goes wrong is said, and tried again after a
        pause."""
        if await self._look(self._clock()):
            self._beside(self._clock())
            if self._left is not None:
                self._left = _written(self._database)

    async def _look(self, now: float) -> bool:
        """False where it was ended before its time."""
        changed = self._reload()
        due = not self._looked_at <= now < self._look_again
        others_wrote = self._left is not None and self._left != _written(self._database)  # a register's new version?
        if not (changed or due or others_wrote):
            return True
        self._looked_at, self._look_again = now, now + PAUSE_S
        self._round = asyncio.create_task(self._measure_due(now))
        await asyncio.wait([self._round])
        if self._round.cancelled():
            return False
        try:
            self._look_again = _again(self._round.result(), self._clock())
            self._left = ()
        except Locked as error:
            if due:
                self._say(str(error))
            self._look_again = now
        except (StoreError, BadChoice, ConfigError) as error:
            self._left = None
            self._say(f"{error}; the next try is in {PAUSE_S // 60} minutes")
        return True

    async def stop(self) -> None:
        """End the round that is under way; what is finished is kept."""
        if self._round is not None:
            self._round.cancel()
            await asyncio.wait([self._round])
        self._last_words()

    def _beside(self, now: float) -> None:
        self._aside.serve(self._config)
        if not self._aside.is_wanted(self._config) or not self._aside.is_due(now):
            return
        try:
            with closing(Store.open(self._database)) as store:
                self._aside.tell(self._config, store, now)
                self._aside.count(self._locate(self._config), store, now)
        except StoreError:
            return  # it is said where it keeps from measuring

    def _last_words(self) -> None:
        try:
            if self._config.notify:
                with closing(Store.open(self._database)) as store:
                    self._aside.finish(store, self._clock(), LAST_WORDS_S)
        except StoreError as error:
            self._say(f"what is being told may be told again: {error}")
        finally:
            self._aside.close()

    async def _measure_due(self, now: float) -> DueRound:
        """What is left to do, and when."""
        with lock.held(self._database):
            ensure_room(self._database)
            store = Store.open(self._database)
            try:
                config = self._locate(self._config)
                found = due_now(config, store, now)
                if self._may_not(found, config, store, now):
                    return DueRound((), None)
                for sentence in await refresh(config, self._database, now, fetcher(config, self._database)):
                    self._say(sentence)
                found = due_now(config, store, now)
                for sentence in found.missing:
                    self._say(f"{sentence}; what is due by it waits")
                await self._rounds(found, config, store)
                if found.choices:
                    self._aside.measured(config, store, found.choices, self._clock())
                if said := tidy(config, store, self._clock()):
                    self._say(said)
                return due_now(self._locate(self._config), store, self._clock()) if found.choices else found
            finally:
                store.close()

    def _may_not(self, found: DueRound, config: Config, store: Store, now: float) -> bool:
        """Whether all that is due must wait, by its owner's wish; why is said once."""
        why = unwilling(config, store, now)
        if why is not None and why != self._unwilling and found.choices:
            self._say(why)
            self._unwilling = why
        elif why is None:
            self._unwilling = ""
        return why is not None

    async def _rounds(self, found: DueRound, config: Config, store: Store) -> None:
        until = time.monotonic() + DEADLINE_S
        for choice in found.choices:
            try:
                await self._measure(choice.ending(until), config, store)
            except BadPath as error:
                self._say(f"{error}; what is due by it waits")

    def _reload(self) -> bool:
        """Take over a changed configuration; one that cannot be read is said once, and the old one stays."""
        seen = self._version()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self._config = self._load()
        except ConfigError as error:
            self._say(f"{error}; the configuration from before stays in force")
            return False
        self._say("the configuration has changed and is in force")
        return True


def _written(database: Path) -> tuple[object, ...]:
    """What changes whenever somebody writes into the database, told by its files alone."""
    found: list[object] = []
    for file in (database, database.with_name(f"{database.name}-wal")):
        try:
            there = file.stat()
        except OSError:
            continue
        if there.st_size:
            found += (there.st_ino, there.st_size, there.st_mtime_ns)
    return tuple(found)


def _again(left: DueRound, now: float) -> float:
    """When to look again: at once where a round was cut, after a pause where a path is missing, else when due."""
    if left.choices:
        return now
    times = [now + PAUSE_S] if left.missing else []
    return min([*times, *([left.later] if left.later is not None else [])], default=now + PAUSE_S)


async def run_agent(agent: Agent, scheduler: BaseScheduler, tell: Notify, beat_s: float) -> None:
    """Run until cancelled; then end the round and keep what is finished. Every `beat_s` it tells that it is alive."""
    schedule_wakes(scheduler, agent.wake)
    scheduler.start()
    tell("READY=1")
    try:
        while True:
            await asyncio.sleep(beat_s)
            keep_pace(scheduler, datetime.now(UTC))
            tell("WATCHDOG=1")
    finally:
        tell("STOPPING=1")
        await agent.stop()
        scheduler.shutdown(wait=False)
