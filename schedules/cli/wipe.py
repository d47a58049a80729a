"""Remove this program's traces from this machine."""

from __future__ import annotations

from pathlib import Path

import click

from schedules.cli._app import App, confirmed

PARTS = ("registers", "consent", "schedule", "configuration")
SYSTEMS = Path("/var/lib/reachprobe/reachprobe.db")
NOT_REMOVED = """\
It is deleted, not shredded: a disk may hold deleted bytes for a while. Not
removed: this program itself, what the system's journal or cron's mail say of
it, your shell's history, and what others saw on the network."""


@click.command()
@click.option("--keep", type=click.Choice(PARTS), multiple=True, help="Leave this; may be given several times.")
@click.option("--yes", is_flag=True, help="Do it without being asked.")
@click.pass_obj
def wipe(app: App, keep: tuple[str, ...], yes: bool) -> int:
    """Remove what was measured, registers, consent, schedule and configuration; says first what that is, and asks.

    With --keep registers or --keep consent the database stays with these alone.
    """
    from schedules import wipe as wiping
    from schedules.runtime import lock

    config, numbers = _configuration(app)
    things = [*wiping.files(app.database), *_of_the_demo(app), *numbers]
    things += [config] if config is not None and "configuration" not in keep else []
    schedules = [] if "schedule" in keep else _installed(app)
    if not things and not schedules:
        click.echo("There is nothing to remove.")
        return 0
    _tell(app, [*schedules, *map(str, things)], keep)
    if not yes and not confirmed("Remove it? Type yes: "):
        raise click.UsageError("nothing was removed; type yes, or say --yes")
    left = 0 if "schedule" in keep else _remove_schedules(app)
    if app.database.parent.is_dir():
        with lock.held(app.database, "agent"), lock.held(app.database):
            _remove(app, things, keep)
    else:
        _remove(app, things, keep)
    click.echo(NOT_REMOVED, err=True)
    return left


def _remove(app: App, things: list[Path], keep: tuple[str, ...]) -> None:
    from schedules import wipe as wiping

    stays = [one for one in ("registers", "consent") if one in keep]
    if stays and app.database.exists():
        store = app.store(must_exist=True)
        try:
            wiping.empty(store, stays)
        finally:
            store.close()
        click.echo(f"emptied {app.database}; {' and '.join(stays)} kept")
        things = [thing for thing in things if thing != app.database]
    locks = [file for file in wiping.files(app.database) if file.name.endswith(".lock")]
    for gone in wiping.remove(dict.fromkeys([*things, *locks])):
        click.echo(f"removed {gone}")


def _tell(app: App, things: list[str], keep: tuple[str, ...]) -> None:
    from probe.text import safe

    click.echo("This removes for good:", err=True)
    for thing in things:
        click.echo(f"  {safe(thing)}", err=True)
    if keep:
        click.echo(f"and keeps: {', '.join(keep)}.", err=True)
    if SYSTEMS.exists() and app.database != SYSTEMS:
        click.echo(f"The system unit's database is another: `reachprobe --db {SYSTEMS} wipe`, as root.", err=True)


def _configuration(app: App) -> tuple[Path | None, list[Path]]:
    """The user's own configuration file, never one that was named; and the file of numbers that it names."""
    from schedules.config.toml import ConfigError
    from schedules.runtime.paths import config_file, usual_config_file

    there, usual = config_file(app.environ, app.config_file), usual_config_file()
    try:
        textfile = app.config().metrics.textfile
    except ConfigError:
        textfile = None  # a broken configuration must not keep anybody from this
    if there is not None and there != usual:
        click.echo(f"{there} was named by hand and stays.", err=True)
    numbers = [Path(textfile)] if textfile is not None and Path(textfile).is_file() else []
    return (usual if there == usual else None), numbers


def _of_the_demo(app: App) -> list[Path]:
    """What `reachprobe demo` left, unless a database was named."""
    from schedules import wipe as wiping
    from schedules.runtime.paths import demo_database

    return wiping.files(demo_database(app.environ)) if app.db is None else []


def _installed(app: App) -> list[str]:
    from schedules.install import install

    return [f"the schedule: {', '.join(map(str, one.paths))}" for one in install.installed(app.home)]


def _remove_schedules(app: App) -> int:
    """0, or 2 where one could not be removed, which is said."""
    from schedules.install import install
    from schedules.install.units import BadSchedule

    try:
        for gone in install.remove(app.home):
            click.echo(f"removed {gone}")
    except BadSchedule as error:
        click.echo(f"reachprobe: the schedule is not removed: {error}", err=True)
        return 2
    return 0
