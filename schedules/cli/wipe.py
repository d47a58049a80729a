"""Delete reachprobe's data from this machine."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING

import click

from probe.temporary_files import leftover_files, leftover_folders
from probe.text import safe
from schedules.cli._app import App, confirmed
from schedules.runtime.paths import config_file, demo_database, usual_config_file

if TYPE_CHECKING:
    from results.db.store import Store

SUFFIXES = re.compile(
    r"(-wal|-shm|-journal|\.lock|\.agent\.lock|\.networks|\.echoed|\.shared|\.fingerprints.*|\.m.*\.backup(\.part)?)?"
)
"""The suffixes of files next to a database."""
FILES_IN_FOLDERS = {
    "lists": re.compile(r"[0-9a-f]{32}\.(csv|failed)(\.part(\.json)?)?"),
    "downloads": re.compile(r"[0-9a-f]{16}|signature-.*"),
}
"""The folders next to it, and our files in them."""
KEEPABLE_TABLES = {"registers": re.compile("register(?!_samples)"), "consent": re.compile("consents$")}
"""The tables that may be kept."""
PARTS = ("registers", "consent", "schedule", "configuration")
SYSTEMS = Path("/var/lib/reachprobe/reachprobe.db")
TABLES = r"""
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\_%' ESCAPE '\'
"""


@click.command()
@click.option("--keep", type=click.Choice(PARTS), multiple=True, help="Keep this part (repeatable).")
@click.option("--yes", is_flag=True, help="Do not ask (for scripts).")
@click.pass_obj
def wipe(app: App, keep: tuple[str, ...], yes: bool) -> int:
    """Delete results, registers, consent, schedule and configuration, after listing them and asking.

    With --keep registers or --keep consent, the database is kept with only that data.
    """
    from schedules.install import install
    from schedules.runtime import lock

    config, numbers = _configuration(app)
    things = [
        *files(app.database),
        *leftover_files(app.database),
        *leftover_folders(),
        *(files(demo_database(app.environ)) if app.db is None else ()),
        *numbers,
    ]
    things += [config, *leftover_files(config)] if config is not None and "configuration" not in keep else []
    installed = [] if "schedule" in keep else install.installed(app.home)
    schedules = [_("schedule: {files}").format(files=", ".join(map(str, one.paths))) for one in installed]
    if not things and not schedules:
        click.echo(_("Nothing to delete."))
        return 0
    click.echo(_("This permanently deletes:"), err=True)
    for thing in (*schedules, *things):
        click.echo(f"  {safe(str(thing))}", err=True)
    if keep:
        click.echo(_("Kept: {parts}.").format(parts=", ".join(keep)), err=True)
    if SYSTEMS.exists() and app.database != SYSTEMS:
        sentence = _("The system unit has its own database: run `reachprobe --db {path} wipe` as root.")
        click.echo(sentence.format(path=SYSTEMS), err=True)
    if not yes and not confirmed(_("Delete? Type yes: ")):
        raise click.ClickException(_("not confirmed, nothing was deleted; --yes skips the question"))
    left = 0 if "schedule" in keep else _remove_schedules(app)
    if app.database.parent.is_dir():
        with lock.held(app.database, "agent"), lock.held(app.database):
            _remove(app, things, keep)
    else:
        _remove(app, things, keep)
    sentence = _("""\
Files are deleted, not overwritten: the disk may keep their contents for a while.
Not removed: the program itself, entries in the system journal or cron mail,
your shell history, and what others saw on the network.""")
    click.echo(sentence, err=True)
    return left


def _remove(app: App, things: list[Path], keep: tuple[str, ...]) -> None:
    stays = [one for one in ("registers", "consent") if one in keep]
    if stays and app.database.exists():
        with app.store(must_exist=True) as store:
            empty(store, stays)
        click.echo(_("emptied {path}; kept: {parts}").format(path=app.database, parts=", ".join(stays)))
        things = [thing for thing in things if thing != app.database]
    locks = [file for file in files(app.database) if file.name.endswith(".lock")]
    for gone in remove(dict.fromkeys([*things, *locks])):
        click.echo(_("removed {path}").format(path=gone))


def _configuration(app: App) -> tuple[Path | None, list[Path]]:
    """The user's own configuration file, never one that was named; and the file of numbers that it names."""
    from schedules.config.toml import ConfigError

    there, usual = config_file(app.environ, app.config_file), usual_config_file()
    try:
        textfile = app.config().metrics.textfile
    except ConfigError:
        textfile = None  # a broken configuration must not prevent this
    if there is not None and there != usual:
        click.echo(_("{path} was given explicitly and is kept.").format(path=there), err=True)
    numbers = [Path(textfile)] if textfile is not None and Path(textfile).is_file() else []
    return (usual if there == usual else None), numbers


def _remove_schedules(app: App) -> int:
    """0, or 2 if a schedule could not be removed; prints the reason."""
    from schedules.install import install
    from schedules.install.install import BadSchedule

    try:
        for gone in install.remove(app.home):
            click.echo(_("removed {path}").format(path=gone))
    except BadSchedule as error:
        sentence = _("reachprobe: the schedule could not be removed: {error}")
        click.echo(sentence.format(error=error), err=True)
        return 2
    return 0


def files(database: Path) -> list[Path]:
    """The existing files of this database."""
    folder = database.parent
    if not folder.is_dir():
        return []
    found = [
        file
        for file in sorted(folder.iterdir())
        if file.name.startswith(database.name) and SUFFIXES.fullmatch(file.name.removeprefix(database.name))
    ]
    for name, ours in FILES_IN_FOLDERS.items():
        inside = folder / name
        if inside.is_dir() and not inside.is_symlink():
            found += [file for file in sorted(inside.iterdir()) if ours.fullmatch(file.name)]
    return found


def remove(things: Iterable[Path]) -> Iterator[Path]:
    """Delete files, folders, and folders left empty; yields each. Raises StoreError for the first failure."""
    from results.db.store import StoreError

    folders: dict[Path, None] = {}
    for thing in things:
        try:
            if thing.is_dir() and not thing.is_symlink():
                for inner in sorted(thing.rglob("*"), reverse=True):
                    inner.rmdir() if inner.is_dir() and not inner.is_symlink() else inner.unlink()
                thing.rmdir()
            else:
                thing.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                _("{path}: cannot be removed: {error}").format(path=thing, error=error.strerror)
            ) from error
        folders[thing.parent] = None
        yield thing
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        if folder.name in (*FILES_IN_FOLDERS, "reachprobe"):
            try:
                folder.rmdir()
            except OSError:
                continue  # not empty
            yield folder


def empty(store: Store, keep: Collection[str]) -> None:
    """Delete all rows but those of the kept tables, and rewrite the database so that none can be recovered."""
    db = store.db
    kept = [KEEPABLE_TABLES[one] for one in keep]
    gone = [name for (name,) in db.execute(TABLES) if not any(pattern.match(name) for pattern in kept)]
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA foreign_keys = OFF")
    with store.writing():
        for name in gone:
            db.execute(f'DELETE FROM "{name}"')  # noqa: S608 the names of our own tables
    store.forget_ids()
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
