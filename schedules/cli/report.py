"""What was found, as one page for people: HTML, Markdown or CSV, in English or Russian."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schedules.cli._app import App
from schedules.cli._sources import TOKEN_FILE, at_hand
from schedules.cli._times import Duration, Moment, epoch_of

if TYPE_CHECKING:
    from datetime import datetime

    from results.report import Summary

RENDERERS = {"html": "html", "md": "markdown", "csv": "csv"}


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE…]")
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Instead of stdout.")
@click.option(
    "--format", "format_", type=click.Choice(list(RENDERERS)), default="html", help="By default one HTML file."
)
@click.option("--language", type=click.Choice(["en", "ru"]), default="en", help="English, or Russian.")
@click.option("--within", type=Duration(), default="24h", help="How old a state may be beside the newest, as 24h, 7d.")
@click.option("--since", type=Moment(), metavar="TIME", help="Only what was measured from this UTC date or time on.")
@click.option("--until", type=Moment(), metavar="TIME", help="Only what was measured before this UTC date or time.")
@TOKEN_FILE
@click.pass_obj
def report(
    app: App,
    sources: tuple[str, ...],
    output: Path | None,
    format_: str,
    language: str,
    within: float,
    since: datetime | None,
    until: datetime | None,
    token_file: Path | None,
) -> int:
    """Write what was found so that it can be read: in sentences, tables and pictures.

    A SOURCE is a database, a file of records (ours or OONI's; .gz and .zst too), a folder of these, or the https URL of
    a hub; without one, this machine's database. The HTML file needs nothing else and opens offline. Its pictures need
    an extra: pip install 'reachprobe[report]'.
    """
    from importlib import import_module

    from results.i18n.translator import Translator
    from schedules.render.output import talk
    from schedules.runtime import paths

    named = sources or (str(_own(app)),)
    with at_hand(app, named, since, until, token_file, whole=True) as files:
        summary = _summary(app, files, since, until, within)
    renderer = import_module(f"results.report.{ {'html': 'html', 'md': 'markdown', 'csv': 'csv'}[format_] }")
    written = renderer.render(summary, Translator(language))
    if output is None:
        sys.stdout.buffer.write(written.encode())
        sys.stdout.buffer.flush()
        return 0
    try:
        paths.write_atomically(output, written.encode())
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror or error}") from error
    talk(f"written to {output}", quiet=app.quiet)
    return 0


def _summary(
    app: App, sources: tuple[str, ...], since: datetime | None, until: datetime | None, within: float
) -> Summary:
    from time import time

    from results.report import gather_details, summarise
    from schedules.cli._sources import gathered_from, tell_what_was_read

    now = time()
    period = {"since": epoch_of(since), "until": epoch_of(until), "now": now + 86400}
    with gathered_from(app, sources, since, until) as gathered, gather_details(map(Path, sources), **period) as more:
        summary = summarise(gathered, more, now=now, within_s=within)
        tell_what_was_read(app, gathered)
    return summary


def _own(app: App) -> Path:
    from results.db.store import Store

    Store.open(app.database, must_exist=True).close()
    return app.database
