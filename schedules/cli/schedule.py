"""Schedule automatic measurements (systemd or cron)."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from functools import wraps
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from results.i18n.language import ENGLISH, active
from schedules.cli._app import App, confirmed
from schedules.cli._register import tell
from schedules.render.output import print_json, talk
from schedules.runtime import paths

if TYPE_CHECKING:
    from schedules.install.install import Kind, UnitFile


@click.group()
def schedule() -> None:
    """Schedule automatic measurements (systemd or cron): a round every 15 minutes, or the agent."""


def which(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options for the kind of schedule: at most one of --systemd, --system and --cron, and --agent."""

    @wraps(command)
    def chosen(*arguments: Any, systemd: bool, system: bool, cron: bool, agent: bool, **others: Any) -> Any:
        given = {"user": systemd, "system": system, "cron": cron}
        kinds = [kind for kind, wanted in given.items() if wanted]
        if len(kinds) > 1:
            raise click.UsageError(_("use only one of --systemd, --system and --cron"))
        from schedules.install.install import likely

        kind = kinds[0] if kinds else likely()
        if agent and kind == "cron":
            raise click.UsageError(_("cron cannot keep an agent running; use --systemd or --system"))
        return command(*arguments, kind=kind, agent=agent, **others)

    chosen = click.option("--agent", is_flag=True, help="Keep `reachprobe agent` running instead of using a timer.")(
        chosen
    )
    chosen = click.option("--cron", is_flag=True, help="Use your crontab.")(chosen)
    chosen = click.option("--system", is_flag=True, help="Use systemd system units (root).")(chosen)
    return click.option("--systemd", is_flag=True, help="Use systemd user units.")(chosen)


@schedule.command()
@which
@click.pass_obj
def show(app: App, kind: Kind, agent: bool) -> None:
    """Print the files that `install` would write."""
    for place, file in enumerate(_rendered(app, kind, agent)):
        click.echo(("\n" if place else "") + f"# {file.path}\n{file.text}", nl=False)


@schedule.command()
@which
@click.option("--yes", is_flag=True, help="Do not ask (for scripts).")
@click.pass_obj
def install(app: App, kind: Kind, agent: bool, yes: bool) -> None:
    """Install and start a schedule.

    Shows the files and asks before writing them.
    """
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
    if not yes and not confirmed(_("Write these files and start? Type yes: ")):
        sentence = _("not confirmed, nothing was changed; `schedule install --yes` skips the question")
        raise click.ClickException(sentence)
    installing.install(kind, files)
    tell(_("installed: {files}").format(files=", ".join(str(file.path) for file in files)))
    if kind == "user":
        tell(_("it runs only while you are logged in; use `loginctl enable-linger` to change that"))


@schedule.command()
@click.pass_obj
def remove(app: App) -> None:
    """Stop and remove every reachprobe schedule. Results are kept."""
    from schedules.install import install as installing

    gone = installing.remove(app.home)
    removed = _("removed: {files}").format(files=", ".join(gone))
    tell(removed if gone else _("no schedule was installed"))


@schedule.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
@click.pass_obj
def status(app: App, as_json: bool) -> None:
    """Show the state of the schedule.

    Prints what is installed, its last start, the last round and what is due.
    """

    from results.db.read import last_round
    from schedules.install import install as installing
    from schedules.plan.due import due_now
    from schedules.render.text import words

    found = installing.installed(app.home)
    with app.store(must_exist=True) as store:
        waiting = due_now(app.locator().locate(app.config()), store, time.time())
        ran = last_round(store.db)
    if as_json:
        told = {"installed": msgspec.to_builtins(found, enc_hook=str), "last_round": ran}
        print_json({**told, "due": waiting.count, "next_due": waiting.next_due})
        return
    for one in found:
        paths = ", ".join(map(str, one.paths))
        sentence = (
            _("{kind}: {paths} ({state}; last {last}, next {next})") if one.last or one.next else "{kind}: {paths}"
        )
        times = {"last": one.last or "–", "next": one.next or "–", "state": one.active or _("unknown")}
        tell(sentence.format(kind=one.kind, paths=paths, **times))
    if not found:
        tell(_("no schedule is installed; use `reachprobe schedule install`"))
    sentence = _("last round: {last}; due now: {count}; next: {next}")
    last, next_due = (words().when(at) if at else None for at in (ran, waiting.next_due))
    tell(sentence.format(last=last or _("none"), count=waiting.count, next=next_due or _("now")))


def _rendered(app: App, kind: Kind, agent: bool) -> list[UnitFile]:

    from schedules.install.install import Start, program, render

    config = paths.config_file(app.environ, app.config_file)
    language = None if app.config().ui.language is not None or active() == ENGLISH else active()
    start = Start(program(), config.absolute() if config else None, app.database.absolute(), language)
    if kind == "system" and (app.db is not None or "REACHPROBE_DB" in app.environ):
        talk(_("a system unit uses the database in /var/lib/reachprobe; ignoring --db"))
    return render(kind, start, home=app.home, seed=_seed(app), agent=agent, flock=shutil.which("flock") or "flock")


def _seed(app: App) -> str:
    """The seed of this machine's minute: when its database was made, or the vantage point's name before that."""
    from results.db.read import made_at

    if not app.database.exists():
        return app.config().vantage.name
    with app.store() as store:
        return made_at(store.db)
