"""The agent: checks every minute whether something is due, and measures it. A missed check loses nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from gettext import gettext as _
from gettext import ngettext
from pathlib import Path
from typing import NamedTuple

from apscheduler.schedulers.base import BaseScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]

from probe.net.path import BadPath
from results.db.retention import ensure_room
from results.db.store import Store, StoreError
from schedules.agent.side_effects import SideEffects
from schedules.config.schema import Config
from schedules.config.toml import ConfigError
from schedules.hub_client.download import fetcher
from schedules.plan.due import DueRound, due_now
from schedules.plan.lists import refresh
from schedules.plan.model import BadChoice, Choice
from schedules.round.unattended import prune, reason_to_skip
from schedules.runtime import lock
from schedules.runtime.lock import Locked
from schedules.runtime.process import Notify

WAKE_S, JITTER_S = 60, 10
JOB = "wake"
PAUSE_S = 900
"""How long the agent waits after a failure."""
DEADLINE_S = 1800
"""A longer round ends, so that what has become due meanwhile is measured too."""
FINISH_S = 2.0
"""How long the agent waits at its end for notifications under way; they are repeated otherwise."""

Measure = Callable[["Choice", "Config", Store], Awaitable[None]]
Say = Callable[[str], None]


class ConfigSource(NamedTuple):
    """Where the agent's configuration comes from."""

    load: Callable[[], Config]
    version: Callable[[], object]
    """Changes whenever `load` would return another configuration."""
    locate: Callable[[Config], Config] = lambda declared: declared
    """What holds on the network where the machine is now."""


class Agent:
    """Measures what is due each time it is woken; one wake at a time."""

    def __init__(
        self,
        source: ConfigSource,
        database: Path,
        *,
        measure: Measure,
        say: Say,
        side_effects: SideEffects,
    ) -> None:
        self._source = source
        self._version = source.version()
        self._config = source.load()
        self._database, self._measure, self._say = database, measure, say
        self._checked_at, self._next_check = 0.0, 0.0
        self._round: asyncio.Task[DueRound] | None = None
        self._database_version: tuple[object, ...] | None = None
        """The state of the database after the last wake, None while something is wrong with it."""
        self._skip_reason = ""
        self._side_effects = side_effects

    async def wake(self) -> None:
        """Measure what is due now, then notify and export metrics; errors are reported and retried after a pause."""
        if await self._check(time.time()):
            self._run_side_effects(time.time())
            if self._database_version is not None:
                self._database_version = _file_version(self._database)

    async def _check(self, now: float) -> bool:
        """False if the round was cancelled."""
        changed = self._reload()
        due = not self._checked_at <= now < self._next_check
        before = self._database_version
        others_wrote = before is not None and before != _file_version(self._database)  # a register's new version?
        if not (changed or due or others_wrote):
            return True
        self._checked_at, self._next_check = now, now + PAUSE_S
        self._round = asyncio.create_task(self._measure_due(now))
        await asyncio.wait([self._round])
        if self._round.cancelled():
            return False
        try:
            self._next_check = _next_check(self._round.result(), time.time())
            self._database_version = ()
        except Locked as error:
            if due:
                self._say(str(error))
            self._next_check = now
        except (StoreError, BadChoice, ConfigError) as error:
            self._database_version = None
            minutes = PAUSE_S // 60
            says = ngettext("{error}; retrying in {count} minute", "{error}; retrying in {count} minutes", minutes)
            self._say(says.format(error=error, count=minutes))
        return True

    async def stop(self) -> None:
        """Cancel the round under way; finished measurements stay stored."""
        if self._round is not None:
            self._round.cancel()
            await asyncio.wait([self._round])
        self._finish()

    def _run_side_effects(self, now: float) -> None:
        self._side_effects.serve_metrics(self._config)
        if not self._side_effects.is_wanted(self._config) or not self._side_effects.is_due(now):
            return
        try:
            with closing(Store.open(self._database)) as store:
                self._side_effects.send(self._config, store, now)
                self._side_effects.export_metrics(self._source.locate(self._config), store, now)
        except StoreError:
            return  # reported when measuring fails for it

    def _finish(self) -> None:
        try:
            if self._config.notify:
                with closing(Store.open(self._database)) as store:
                    self._side_effects.finish(store, time.time(), FINISH_S)
        except StoreError as error:
            self._say(_("notifications may be sent twice: {error}").format(error=error))
        finally:
            self._side_effects.close()

    async def _measure_due(self, now: float) -> DueRound:
        """Measure; what is due afterwards, and when."""
        with lock.held(self._database):
            ensure_room(self._database)
            store = Store.open(self._database)
            try:
                config = self._source.locate(self._config)
                due = due_now(config, store, now)
                if self._must_skip(due, config, store, now):
                    return DueRound((), None)
                for sentence in await refresh(config, self._database, now, fetcher(config, self._database)):
                    self._say(sentence)
                due = due_now(config, store, now)
                for sentence in due.missing:
                    self._say(_("{reason}; its targets wait").format(reason=sentence))
                await self._rounds(due, config, store)
                if due.choices:
                    self._side_effects.after_round(config, store, due.choices, time.time())
                if deleted := prune(config, store, time.time()):
                    self._say(deleted)
                return due_now(self._source.locate(self._config), store, time.time()) if due.choices else due
            finally:
                store.close()

    def _must_skip(self, due: DueRound, config: Config, store: Store, now: float) -> bool:
        """Whether what is due must wait; the reason is reported once."""
        reason = reason_to_skip(config, store, now)
        if reason is not None and reason != self._skip_reason and due.choices:
            self._say(reason)
            self._skip_reason = reason
        elif reason is None:
            self._skip_reason = ""
        return reason is not None

    async def _rounds(self, due: DueRound, config: Config, store: Store) -> None:
        until = time.monotonic() + DEADLINE_S
        for choice in due.choices:
            try:
                await self._measure(choice.ending(until), config, store)
            except BadPath as error:
                self._say(_("{reason}; its targets wait").format(reason=error))

    def _reload(self) -> bool:
        """Load a changed configuration; if it cannot be read, the old one stays and the error is reported once."""
        version = self._source.version()
        if version == self._version:
            return False
        self._version = version
        try:
            self._config = self._source.load()
        except ConfigError as error:
            self._say(_("{error}; keeping the previous configuration").format(error=error))
            return False
        self._say(_("configuration reloaded"))
        return True


def _file_version(database: Path) -> tuple[object, ...]:
    """Changes whenever a program writes into the database."""
    version: list[object] = []
    for file in (database, database.with_name(f"{database.name}-wal")):
        try:
            there = file.stat()
        except OSError:
            continue
        if there.st_size:
            version += (there.st_ino, there.st_size, there.st_mtime_ns)
    return tuple(version)


def _next_check(left: DueRound, now: float) -> float:
    """At once if a round was interrupted, after a pause if a path is missing, else when something is due."""
    if left.choices:
        return now
    times = [now + PAUSE_S] if left.missing else []
    return min([*times, *([left.later] if left.later is not None else [])], default=now + PAUSE_S)


class MinuteTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires a minute from now, with jitter.

    APScheduler's own interval trigger lists every missed wake: thirty million after a clock jumps from 1970 to today.
    """

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        if previous_fire_time is None:
            return now
        at: datetime = self._apply_jitter(now + timedelta(seconds=WAKE_S), JITTER_S, now)
        return at


def schedule_wakes(scheduler: BaseScheduler, wake: Callable[[], Awaitable[None]]) -> None:
    """Wake now and every minute; missed wakes become one, and two never overlap."""
    scheduler.add_job(wake, MinuteTrigger(), id=JOB, coalesce=True, max_instances=1, misfire_grace_time=None)


def follow_clock(scheduler: BaseScheduler, now: datetime) -> None:
    """If the clock was set back, wake now: APScheduler would wait for the old time."""
    if (scheduler.get_job(JOB).next_run_time - now).total_seconds() > WAKE_S + 2 * JITTER_S:
        scheduler.modify_job(JOB, next_run_time=now)


async def run_agent(agent: Agent, scheduler: BaseScheduler, notify: Notify, watchdog_s: float) -> None:
    """Run until cancelled, then stop the agent; notify systemd every `watchdog_s` seconds."""
    schedule_wakes(scheduler, agent.wake)
    scheduler.start()
    notify("READY=1")
    try:
        while True:
            await asyncio.sleep(watchdog_s)
            follow_clock(scheduler, datetime.now(UTC))
            notify("WATCHDOG=1")
    finally:
        notify("STOPPING=1")
        await agent.stop()
        scheduler.shutdown(wait=False)
