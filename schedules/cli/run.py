"""One round of what is due. What cron and the timer call."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import click

from schedules.cli._app import App
from schedules.cli._times import Duration

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config
    from schedules.plan.model import Choice

NO_NETWORK = 69


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each measurement.")
@click.option("--dry-run", is_flag=True, help="List every host that could be contacted, and contact none.")
@click.option("--by", type=click.Choice(["target", "service"]), default="target", help="Also say it of each service.")
@click.option("--all", "everything", is_flag=True, help="Measure everything, due or not.")
@click.option("--deadline", type=Duration(), help="Begin no target after so long (30m); the rest comes next time.")
@click.pass_obj
def run(app: App, as_json: bool, dry_run: bool, by: str, everything: bool, deadline: float | None) -> int:
    """One round of what is due of the campaigns; without any, of the configured services, else the built-in ones."""
    from functools import partial

    from results.db.retention import ensure_room
    from schedules.agent.side_effects import Aside
    from schedules.cli import _rounds
    from schedules.hub_client.download import fetcher
    from schedules.plan.lists import refresh
    from schedules.plan.selection import from_campaigns, unmeasured
    from schedules.render.output import talk
    from schedules.round import consent
    from schedules.round.preflight import unwilling
    from schedules.round.retention import tidy
    from schedules.runtime import lock, process

    until = time.monotonic() + deadline if deadline is not None else math.inf
    if dry_run:
        return _dry_run(app, as_json=as_json)
    config = app.locator().locate(app.config())
    aside = Aside(
        partial(talk, quiet=app.quiet),
        may_tell=partial(consent.why_not_told, app.environ),
        may_send=partial(consent.why_not_sent, app.environ),
    )
    store = app.store()
    try:
        from_campaigns(config, store)
        for sentence in unmeasured(config, store):
            talk(sentence, quiet=app.quiet)
        consent.ensure(app.environ, store)
        with lock.held(app.database):
            if (why := unwilling(config, store, time.time())) is not None:
                talk(why, quiet=app.quiet)
                return 0
            ensure_room(app.database)
            for sentence in process.run_async(
                refresh(config, app.database, time.time(), fetcher(config, app.database))
            ):
                talk(sentence, quiet=app.quiet)
            choices, code = (from_campaigns(config, store), 0) if everything else _due(app, config, store)
            if choices:
                in_time = [choice.ending(until) for choice in choices]
                code = _rounds.rounds(app, config, in_time, store, as_json=as_json, by_service=by == "service")
                _say_what_is_left(app, config, store, until)
                if said := tidy(config, store, time.time()):
                    talk(said, quiet=app.quiet)
                aside.measured(config, store, choices, time.time())
            aside.count(config, store, time.time())
        aside.tell(config, store, time.time())
        aside.finish(store, time.time())
        return code
    finally:
        store.close()


def _dry_run(app: App, *, as_json: bool) -> int:
    """Every host of every campaign, due or not. Leaves nothing behind, and makes no database."""
    from schedules.cli import _rounds
    from schedules.plan.selection import from_campaigns, unmeasured
    from schedules.render.output import talk
    from schedules.round.contacted_hosts import publishers, told

    config = app.locator(writes_files=False).locate(app.config())
    store = app.store() if app.database.exists() else None
    try:
        wanted = from_campaigns(config, store)
        for sentence in unmeasured(config, store):
            talk(sentence, quiet=app.quiet)
        return _rounds.dry_run(config, wanted, as_json=as_json, more=[*publishers(config), *told(config)])
    finally:
        if store is not None:
            store.close()


def _due(app: App, config: Config, store: Store) -> tuple[tuple[Choice, ...], int]:
    """What is due, and the exit code where that is nothing; says why it is nothing, or not all."""
    from schedules.plan.due import due_now
    from schedules.render.output import talk

    found = due_now(config, store, time.time())
    for sentence in found.missing:
        talk(f"{sentence}; what is due by it waits", quiet=app.quiet)
    if not found.choices and not found.missing:
        when = f" before {found.next_due}" if found.next_due else ""
        talk(f"nothing is due{when}; `run --all` measures everything", quiet=app.quiet)
    return found.choices, NO_NETWORK if found.missing else 0


def _say_what_is_left(app: App, config: Config, store: Store, until: float) -> None:
    from schedules.plan.due import due_now
    from schedules.render.output import talk

    if time.monotonic() >= until and (left := due_now(config, store, time.time()).count):
        talk(f"the time is up: {left} still due, with which the next run goes on", quiet=app.quiet)
