"""Measure continuously in the foreground (Type=notify for systemd)."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from datetime import UTC
from gettext import gettext as _
from typing import TYPE_CHECKING

import click

from probe.text import safe
from schedules.cli._app import App
from schedules.render.output import talk
from schedules.runtime.paths import config_file

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.agent.agent import Measure, Say
    from schedules.config.schema import Config
    from schedules.location.location import Locator
    from schedules.plan.model import Choice


@click.command()
@click.pass_obj
def agent(app: App) -> int:
    """Stay in the foreground and measure targets when they are due.

    Configuration changes are applied automatically. Ctrl-C or SIGTERM stops it; finished measurements are saved.
    """
    import logging

    from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]

    from schedules.agent.agent import Agent, ConfigSource, run_agent
    from schedules.agent.side_effects import SideEffects
    from schedules.round import consent
    from schedules.runtime import lock, process
    from schedules.runtime.process import StoppedBySignal, systemd_notifier, watchdog_s

    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns of each wake during a long round

    def say(sentence: str) -> None:
        talk(safe(sentence), quiet=app.quiet)

    locator = app.locator()
    runner = Agent(
        ConfigSource(app.config, lambda: _version(app), locator.locate),
        app.database,
        measure=_measure(say, locator),
        say=say,
        side_effects=SideEffects(say, app.environ),
    )
    with app.store() as store:
        consent.ensure(app.environ, store)
    with lock.held(app.database, "agent"):
        try:
            notifier, interval_s = systemd_notifier(app.environ), watchdog_s(app.environ)
            process.run_async(run_agent(runner, AsyncIOScheduler(timezone=UTC), notifier, interval_s))
        except (KeyboardInterrupt, StoppedBySignal):
            say(_("stopped; finished measurements are saved"))
    return 0


def _measure(say: Say, locator: Locator) -> Measure:
    """A function that runs one round and prints a line of its outcomes."""

    async def measure(choice: Choice, config: Config, store: Store) -> None:
        from schedules.render.tables import counted
        from schedules.round.round import Interrupted, Measured, Round, Started

        outcomes: Counter[str] = Counter()
        for sentence in config.place(choice.path).sentences:
            say(_("note: {text}").format(text=sentence))
        try:
            async with aclosing(Round(choice, config, store, locator).events()) as events:
                async for event in events:
                    match event:
                        case Started(network) if network.facts.clock is not None:
                            say(_("note: {text}").format(text=network.facts.clock))
                        case Measured(record):
                            outcomes[record.verdict.outcome] += 1
                        case Interrupted(reason, remaining):
                            sentence = _("{reason}; targets not measured: {count}")
                            say(sentence.format(reason=reason, count=len(remaining)))
        finally:
            sentence = _("targets measured via {path}: {count} of {all} ({outcomes})")
            done = {"count": outcomes.total(), "all": len(choice.targets), "outcomes": counted(outcomes) or _("none")}
            say(sentence.format(path=choice.path, **done))

    return measure


def _version(app: App) -> object:
    """Changes whenever the configuration file changes, appears or disappears."""
    path = config_file(app.environ, app.config_file)
    try:
        there = path.stat() if path is not None else None
    except OSError:
        return path
    return path, there and (there.st_ino, there.st_size, there.st_mtime_ns)
