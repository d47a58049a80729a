"""Measure the targets that are due, once (for cron and timers)."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from functools import partial
from gettext import gettext as _
from itertools import chain
from typing import TYPE_CHECKING

import click

from schedules.cli._app import App
from schedules.cli._times import Duration
from schedules.render.output import talk

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config
    from schedules.plan.model import Choice

NO_NETWORK = 69


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per measurement.")
@click.option("--dry-run", is_flag=True, help="List the hosts that could be contacted, without contacting any.")
@click.option("--by", type=click.Choice(["target", "service"]), default="target", help="Add a summary row per service.")
@click.option("--all", "everything", is_flag=True, help="Measure all targets, due or not.")
@click.option(
    "--deadline", type=Duration(), help="Start no target after this time (30m); the rest is left to the next run."
)
@click.pass_obj
def run(app: App, as_json: bool, dry_run: bool, by: str, everything: bool, deadline: float | None) -> int:
    """Run one round: measure the targets of the campaigns that are due.

    Without campaigns, the configured services are measured, or else the built-in ones.
    """

    from results.db.retention import ensure_room
    from schedules.agent.side_effects import SideEffects
    from schedules.cli import _rounds
    from schedules.hub_client.download import fetcher
    from schedules.plan.lists import refresh
    from schedules.plan.selection import from_campaigns, unmeasured
    from schedules.round import consent
    from schedules.round.unattended import prune, reason_to_skip
    from schedules.runtime import lock, process

    until = time.monotonic() + deadline if deadline is not None else math.inf
    if dry_run:
        return _dry_run(app, as_json=as_json)
    config = app.locator().locate(app.config())
    side_effects = SideEffects(partial(talk, quiet=app.quiet), app.environ)
    with app.store() as store:
        from_campaigns(config, store)
        for sentence in unmeasured(config, store):
            talk(sentence, quiet=app.quiet)
        consent.ensure(app.environ, store)
        with lock.held(app.database):
            if (why := reason_to_skip(config, store, time.time())) is not None:
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
                code = _rounds.measure(app, config, in_time, store, _rounds.OutputOptions(as_json, by == "service"))
                _report_remaining(app, config, store, until)
                if deleted := prune(config, store, time.time()):
                    talk(deleted, quiet=app.quiet)
                side_effects.after_round(config, store, choices, time.time())
            side_effects.export_metrics(config, store, time.time())
        side_effects.send(config, store, time.time())
        side_effects.finish(store, time.time())
        return code


def _dry_run(app: App, *, as_json: bool) -> int:
    """List the hosts of every campaign, due or not; writes nothing and creates no database."""

    from schedules.cli import _rounds
    from schedules.plan.selection import from_campaigns, unmeasured
    from schedules.round.contacted_hosts import notification_hosts, publishers

    config = app.locator(writes_files=False).locate(app.config())
    with app.store() if app.database.exists() else nullcontext() as store:
        wanted = from_campaigns(config, store)
        for sentence in unmeasured(config, store):
            talk(sentence, quiet=app.quiet)
        more = chain(publishers(config), notification_hosts(config))
        return _rounds.dry_run(config, wanted, as_json=as_json, more=more)


def _due(app: App, config: Config, store: Store) -> tuple[tuple[Choice, ...], int]:
    """The choices that are due and the exit code if there are none; prints what cannot be measured, and why."""
    from schedules.plan.due import due_now
    from schedules.render.text import words

    due = due_now(config, store, time.time())
    for sentence in due.missing:
        talk(_("{reason}; its targets wait").format(reason=sentence), quiet=app.quiet)
    if not due.choices and not due.missing:
        sentence = _("nothing is due; `run --all` measures everything")
        if due.next_due:
            sentence = _("nothing is due before {when}; `run --all` measures everything")
        talk(sentence.format(when=words().when(due.next_due or "")), quiet=app.quiet)
    return due.choices, NO_NETWORK if due.missing else 0


def _report_remaining(app: App, config: Config, store: Store, until: float) -> None:
    from schedules.plan.due import due_now

    if time.monotonic() >= until and (left := due_now(config, store, time.time()).count):
        talk(_("deadline reached; targets left to the next run: {count}").format(count=left), quiet=app.quiet)
