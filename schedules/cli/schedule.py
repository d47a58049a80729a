"""Let systemd or cron run a round of what is due, every 15 minutes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schedules.cli._app import App, confirmed

if TYPE_CHECKING:
    from schedules.install.install import Kind, UnitFile


@click.group()
def schedule() -> None:
    """Let systemd or cron run a round of what is due, or keep the agent running."""


def which(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what kind of schedule, at most one of them, and whether it keeps the agent running."""

    @wraps(command)
    def chosen(*arguments: Any, systemd: bool, system: bool, cron: bool, agent: bool, **others: Any) -> Any:
        given = {"user": systemd, "system": system, "cron": cron}
        kinds = [kind for kind, wanted in given.items() if wanted]
        if len(kinds) > 1:
            raise click.UsageError("give one of --systemd, --system and --cron")
        from schedules.install.install import likely

        kind = kinds[0] if kinds else likely()
        if agent and kind == "cron":
            raise click.UsageError("cron cannot keep an agent running; take --systemd or --system")
        return command(*arguments, kind=kind, agent=agent, **others)

    chosen = click.option("--agent", is_flag=True, help="Keep `reachprobe agent` running, in place of a timer.")(chosen)
    chosen = click.option("--cron", is_flag=True, help="Lines for your crontab.")(chosen)
    chosen = click.option("--system", is_flag=True, help="systemd units of the system.")(chosen)
    return click.option("--systemd", is_flag=True, help="systemd units of your own.")(chosen)


@schedule.command()
@which
@click.pass_obj
def show(app: App, kind: Kind, agent: bool) -> None:
    """Print what `install` would write, each file after a line with its path. Nothing is changed."""
    for place, file in enumerate(_rendered(app, kind, agent)):
        click.echo(("\n" if place else "") + f"# {file.path}\n{file.text}", nl=False)


@schedule.command()
@which
@click.option("--yes", is_flag=True, help="Do not ask, for scripts.")
@click.pass_obj
def install(app: App, kind: Kind, agent: bool, yes: bool) -> None:
    """Show what would be written, ask, write it and start it."""
    from schedules.install import install as installing
    from schedules.install.install import refuse_hidden
    from schedules.round import consent

    if kind == "system":
        refuse_hidden([Path(sys.base_prefix)])
    files = _rendered(app, kind, agent)
    app.config()
    with app.store() as store:
        consent.ensure(app.environ, store)
        if store.consent() is None:
            consent.record(store)
    for file in files:
        click.echo(f"# {file.path}\n{file.text}", err=True)
    if not yes and not confirmed("Write and start this? Type yes: "):
        raise click.ClickException("nothing was changed; `schedule install --yes` does not ask")
    installing.install(kind, files)
    click.echo(f"installed: {', '.join(str(file.path) for file in files)}")
    if kind == "user":
        click.echo("it runs while you are logged in; `loginctl enable-linger` lets it run always")


@schedule.command()
@click.pass_obj
def remove(app: App) -> None:
    """Stop and remove every schedule of ours. What was measured stays."""
    from schedules.install import install as installing

    gone = installing.remove(app.home)
    click.echo(f"removed: {', '.join(gone)}" if gone else "there was no schedule")


@schedule.command()
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@click.pass_obj
def status(app: App, as_json: bool) -> None:
    """What is installed, when it fired last, when the last round was, and what is due."""
    import time

    import msgspec

    from results.db.history import last_round
    from schedules.install import install as installing
    from schedules.plan.due import due_now
    from schedules.render.output import print_json

    found = installing.installed(app.home)
    with app.store(must_exist=True) as store:
        waiting = due_now(app.locator().locate(app.config()), store, time.time())
        ran = last_round(store.db)
    if as_json:
        told = {"installed": msgspec.to_builtins(found, enc_hook=str), "last_round": ran}
        print_json({**told, "due": waiting.count, "next_due": waiting.next_due})
        return
    for one in found:
        when = ", ".join(f"{what} {at}" for what, at in (("last", one.last), ("next", one.next)) if at)
        click.echo(
            f"{one.kind}: {', '.join(map(str, one.paths))}" + f" ({one.active or 'unknown'}; {when})" * bool(when)
        )
    if not found:
        click.echo("nothing is installed; `reachprobe schedule install` sets it up")
    click.echo(f"last round: {ran or 'none'}; due now: {waiting.count}; next: {waiting.next_due or 'now'}")


def _rendered(app: App, kind: Kind, agent: bool) -> list[UnitFile]:
    import shutil

    from schedules.install.install import Start, program, render
    from schedules.runtime import paths

    config = paths.config_file(app.environ, app.config_file)
    start = Start(program(), config.absolute() if config else None, app.database.absolute())
    if kind == "system" and (app.db is not None or "REACHPROBE_DB" in app.environ):
        click.echo("a system unit keeps its database in /var/lib/reachprobe; --db is not taken over", err=True)
    return render(kind, start, home=app.home, seed=_seed(app), agent=agent, flock=shutil.which("flock") or "flock")


def _seed(app: App) -> str:
    """What gives this machine its own minute: its database, and before there is one the vantage's name."""
    from results.db.history import made_at

    if not app.database.exists():
        return app.config().vantage.name
    with app.store() as store:
        return made_at(store.db)
