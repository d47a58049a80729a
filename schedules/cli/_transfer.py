"""`results import` and `results merge`: measurements into a database, from files and from other databases."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schedules.cli._app import App

if TYPE_CHECKING:
    from results.export.exchange import Read, Skipped, Taken

FORMATS = click.Choice(["jsonl", "ooni"])
TOLD = 20
"""How many skipped lines are told one by one."""


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=FORMATS, required=True, help="Our own JSONL, or OONI's data format.")
@click.option(
    "--verify", "public_key", metavar="KEY", help="Take only what is signed with this public key, or its file."
)
@click.pass_obj
def import_(app: App, files: tuple[Path, ...], format_: str, public_key: str | None) -> None:
    """Read measurements from FILE… (as they are, or packed with gzip or zstd) and judge them by our rules.

    Prints one line of JSON for each, also where it was there already. What cannot be read is skipped, and said.
    """
    from results import ooni
    from results.db.jsonl import BadFile
    from results.export import exchange
    from results.export.exchange import import_files
    from schedules.round.judge import judge_again
    from schedules.runtime import lock

    config = app.config()
    for path in files:
        if not path.exists() or path.is_dir():
            raise click.ClickException(f"{path}: there is no such file")
    if public_key is not None:
        verified(app, files, public_key)
    read: Read = {"jsonl": exchange.read_line, "ooni": ooni.read_line}[format_]
    told = ImportLog(app.quiet)
    with closing(app.store()) as store, lock.held(app.database):
        try:
            for result in import_files(store, files, read, judge_again(store, config)):
                told.add(result)
        except BadFile as error:
            raise click.ClickException(str(error)) from error
        finally:
            told.sum_up()


@click.command("merge")
@click.argument("databases", nargs=-1, required=True, metavar="A.db B.db…", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The counts as one line of JSON.")
@click.pass_obj
def merge(app: App, databases: tuple[Path, ...], as_json: bool) -> None:
    """Bring what databases measured into one: into that of --db where it is given, else into A.db.

    The others are only read. Their order does not matter, and merging again changes nothing. Where two measurements
    have one id, both are kept and it is said.
    """
    from results.compare.merge import merge as merged
    from results.db.store import Store
    from schedules.render.output import print_json
    from schedules.round.judge import judge_again
    from schedules.runtime import lock

    config = app.config()
    target = app.db if app.db is not None else databases[0]
    others = databases if app.db is not None else databases[1:]
    if not others:
        raise click.UsageError("merge what? name a second database, or with --db the one to merge into")
    for path in others:
        if not path.is_file():
            raise click.ClickException(f"{path}: there is no such database")
    told = ImportLog(app.quiet, each=False)
    with closing(Store.open(target, must_exist=app.db is None)) as store, lock.held(target):
        try:
            for result in merged(store, others, judge_again(store, config)):
                told.add(result)
        finally:
            told.sum_up()
    if as_json:
        print_json({"into": str(target), **told.counts})


def verified(app: App, files: tuple[Path, ...], public_key: str) -> None:
    """All of them are signed with that key, before anything of them is read; else the command ends."""
    from results.export import signing
    from schedules.render.output import talk
    from schedules.render.text import safe

    try:
        key = signing.read_public(public_key)
        for path in files:
            talk(safe(f"{path}: signed, and as it was signed: {signing.verify(path, key)}"), quiet=app.quiet)
    except (signing.SignatureError, OSError) as error:
        raise click.ClickException(str(error)) from error


class ImportLog:
    """Says what became of each line, and counts them."""

    def __init__(self, quiet: bool, *, each: bool = True) -> None:
        self._quiet = quiet
        self._each = each
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """How many were added, there already, in conflict with another, or skipped."""
        names = {"added": "new", "known": "known", "conflicts": "conflict", "skipped": "skipped"}
        return {name: self._counts[counted] for name, counted in names.items()}

    def add(self, result: Taken | Skipped) -> None:
        from results.db.json_rows import row
        from results.export.exchange import Taken
        from schedules.render.output import print_json

        if isinstance(result, Taken):
            self._counts["new" if result.new else "known"] += 1
            if result.new and result.conflict is not None:
                self._counts["conflict"] += 1
                which = f"this one as {result.finished.measurement.id}" if result.moved is None else ""
                which = which or f"that one as {result.moved}"
                self._say(f"{result.conflict}: another measurement has this id; both are kept, {which}")
            if self._each:
                print_json(row(result.finished))
            return
        self._counts["skipped"] += 1
        if self._counts["skipped"] <= TOLD:
            self._say(f"{result.path.name}:{result.line}: {result.why} (skipped)")

    def sum_up(self) -> None:
        new, known, skipped = (self._counts[name] for name in ("new", "known", "skipped"))
        if skipped > TOLD:
            self._say(f"{skipped - TOLD} more lines skipped")
        self._say(f"{_count(new, 'measurement')} added, {known} there already, {_count(skipped, 'line')} skipped")

    def _say(self, message: str) -> None:
        from schedules.render.output import talk
        from schedules.render.text import safe

        talk(safe(message), quiet=self._quiet)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
