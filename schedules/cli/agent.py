"""Measure what is due, when it is due, until stopped (Type=notify under systemd)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from schedules.cli._app import App

if TYPE_CHECKING:
    from probe.reference_sites import NetworkReport
    from results.db.store import Store
    from results.judge.judged import JudgedMeasurement
    from schedules.agent.agent import Agent, Measure, Say
    from schedules.config.schema import Config
    from schedules.location.location import Locator
    from schedules.plan.model import Choice
    from schedules.round.run import Cut


@click.command()
@click.pass_obj
def agent(app: App) -> int:
    """Stay in the foreground and measure what is due.

    A changed configuration is taken over. SIGTERM and Ctrl-C end it, and what is finished is kept.
    """
    import logging
    from functools import partial

    from schedules.agent.agent import Agent
    from schedules.agent.side_effects import Aside
    from schedules.round import consent
    from schedules.runtime import lock, process
    from schedules.runtime.process import StoppedBySignal

    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns of each wake during a long round
    say = _say(app)
    here = app.locator()
    measure = _measure(say, here)
    made = Agent(
        app.config,
        lambda: _version(app),
        app.database,
        measure=measure,
        say=say,
        locate=here.locate,
        aside=Aside(
            say,
            may_tell=partial(consent.why_not_told, app.environ),
            may_send=partial(consent.why_not_sent, app.environ),
        ),
    )
    store = app.store()
    try:
        consent.ensure(app.environ, store)
    finally:
        store.close()
    with lock.held(app.database, "agent"):
        try:
            process.run_async(_run(app, made))
        except (KeyboardInterrupt, StoppedBySignal):
            say("stopped; what was finished is kept")
    return 0


async def _run(app: App, made: Agent) -> None:
    from datetime import UTC

    from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]

    from schedules.agent.agent import run_agent
    from schedules.runtime.process import systemd_notifier, watchdog_s

    await run_agent(made, AsyncIOScheduler(timezone=UTC), systemd_notifier(app.environ), watchdog_s(app.environ))


def _measure(say: Say, here: Locator) -> Measure:
    """One round, and a line of what it found."""

    async def measure(choice: Choice, config: Config, store: Store) -> None:
        from schedules.render.tables import counted
        from schedules.round.run import once

        outcomes: Counter[str] = Counter()

        def committed(finished: JudgedMeasurement) -> None:
            outcomes[finished.verdict.outcome] += 1

        def begun(report: NetworkReport) -> None:
            if report.facts.clock is not None:
                say(f"worth knowing: {report.facts.clock}")

        def cut(by: Cut) -> None:
            say(f"{by.why}; {len(by.left)} targets wait")

        for sentence in config.place(choice.path).sentences:
            say(f"worth knowing: {sentence}")
        try:
            await once(choice, config, store, begun=begun, committed=committed, here=here, cut=cut)
        finally:
            say(f"{outcomes.total()} of {len(choice.targets)} targets by {choice.path}: {counted(outcomes) or 'none'}")

    return measure


def _version(app: App) -> object:
    """What changes whenever the configuration file does, comes or goes."""
    from schedules.runtime.paths import config_file

    path = config_file(app.environ, app.config_file)
    try:
        there = path.stat() if path is not None else None
    except OSError:
        return path
    return path, there and (there.st_ino, there.st_size, there.st_mtime_ns)


def _say(app: App) -> Say:
    from probe.text import safe
    from schedules.render.output import talk

    return lambda sentence: talk(safe(sentence), quiet=app.quiet)
