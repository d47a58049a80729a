"""Write a report as HTML, Markdown or CSV."""

from __future__ import annotations

import sys
from gettext import gettext as _
from importlib import import_module
from pathlib import Path
from time import time

import click

from results.i18n.language import active, languages
from schedules.cli._app import App
from schedules.cli._sources import SourceOptions, at_hand, gathered_from, source_options, tell_what_was_read
from schedules.render.output import talk
from schedules.runtime import paths

RENDERERS = {"html": "html", "md": "markdown", "csv": "csv"}


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE…]")
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write to FILE instead of stdout."
)
@click.option(
    "--format", "format_", type=click.Choice(list(RENDERERS)), default="html", help="Output format (default: html)."
)
@click.option("--language", type=click.Choice(languages()), help="Language of the report (default: that of messages).")
@source_options
@click.pass_obj
def report(
    app: App,
    sources: tuple[str, ...],
    output: Path | None,
    format_: str,
    language: str | None,
    options: SourceOptions,
) -> int:
    """Write a report with text, tables and charts.

    A SOURCE is a database, a file of records (reachprobe's or OONI's, also .gz and .zst), a folder of these, or the
    https URL of a hub (default: this machine's database). The HTML file is self-contained and opens offline. Charts
    need an extra: pip install 'reachprobe[report]'.
    """

    from results.i18n.translator import Translator
    from results.report import gather_details, summarise

    if not sources:
        app.store(must_exist=True).close()
    with at_hand(app, sources or (str(app.database),), options, whole=True) as files:
        now = time()
        period = {"since": options.since, "until": options.until, "now": now + 86400}
        with gathered_from(files, options) as gathered, gather_details(map(Path, files), **period) as more:
            summary = summarise(gathered, more, now=now, within_s=options.within_s)
            tell_what_was_read(app, gathered)
    renderer = import_module(f"results.report.{RENDERERS[format_]}")
    written = renderer.render(summary, Translator(language or active()))
    if output is None:
        sys.stdout.buffer.write(written.encode())
        sys.stdout.buffer.flush()
        return 0
    try:
        paths.write_atomically(output, written.encode())
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror or error}") from error
    talk(_("written to {path}").format(path=output), quiet=app.quiet)
    return 0
