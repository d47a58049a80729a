"""`results export` and `results import`: measurements out of the database and into it, in our own format or OONI's."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from schedules.app import App

if TYPE_CHECKING:
    from results.exchange import Read, Skipped, Taken, Write

FORMATS = click.Choice(["jsonl", "ooni"])
TOLD = 20
"""How many skipped lines are told one by one."""


@click.command("export")
@click.option("--format", "format_", type=FORMATS, required=True, help="Our own JSONL, or OONI's data format.")
@click.option("-o", "--output", "path", metavar="FILE", type=click.Path(path_type=Path), help="Instead of stdout.")
@click.pass_obj
def export(app: App, format_: str, path: Path | None) -> None:
    """Write every measurement, oldest first, one a line. FILE is there only once it is complete."""
    from results.exchange import export as lines

    _, write = _format(format_)
    written = 0
    with closing(app.store(must_exist=True)) as store, _output(path) as out:
        for line in lines(store, write):
            out.write(line + b"\n")
            written += 1
    if path is not None and not app.quiet:
        click.echo(f"{_count(written, 'measurement')} written to {path}", err=True)


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=FORMATS, required=True, help="Our own JSONL, or OONI's data format.")
@click.pass_obj
def import_(app: App, files: tuple[Path, ...], format_: str) -> None:
    """Read measurements from FILE… (as they are, or packed with gzip) and judge them by our rules.

    Prints one line of JSON for each, also where it was there already. What cannot be read is skipped, and said.
    """
    from results.exchange import import_files
    from results.record_lines import BadFile
    from schedules import lock
    from schedules.conclude import judge_again

    config = app.config()
    for path in files:
        if not path.exists() or path.is_dir():
            raise click.ClickException(f"{path}: there is no such file")
    read, _ = _format(format_)
    told = Told(app.quiet)
    with closing(app.store()) as store, lock.held(app.database):
        try:
            for result in import_files(store, files, read, judge_again(store, config)):
                told.add(result)
        except BadFile as error:
            raise click.ClickException(str(error)) from error
        finally:
            told.sum_up()


class Told:
    """Says what became of each line, and counts them."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._counts: Counter[str] = Counter()

    def add(self, result: Taken | Skipped) -> None:
        from results.exchange import Taken
        from results.rows import row
        from schedules.show.output import print_json

        if isinstance(result, Taken):
            self._counts["new" if result.new else "known"] += 1
            if result.new and result.conflict is not None:
                new, old = result.finished.measurement.id, result.conflict
                self._say(f"{old}: another measurement has this id; both are kept, this one as {new}")
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
        from schedules.show.output import talk
        from schedules.show.words import safe

        talk(safe(message), quiet=self._quiet)


def _format(name: str) -> tuple[Read, Write]:
    from results import exchange, ooni

    return {"jsonl": (exchange.read_line, exchange.write_line), "ooni": (ooni.read_line, ooni.write_line)}[name]


@contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    """Where the lines go: stdout, or a file beside `path` that takes its place when all is written."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        if path.exists() and not path.is_file():  # a pipe or a device is written to, never replaced
            with path.open("wb") as there:
                yield there
            return
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with unfinished.open("xb") as out:
                yield out
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from error


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
