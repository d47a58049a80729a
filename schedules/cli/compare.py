"""Compare results side by side: by network, country, path, machine, IP version or time."""

from __future__ import annotations

from typing import Any

import click

from results.i18n.language import ENGLISH, active
from schedules.cli._app import App
from schedules.cli._sources import SourceOptions, at_hand, gathered_from, source_options, tell_what_was_read

BY = ["vantage", "network", "country", "path", "day"]
DIFFERENT = 1


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE…")
@click.option("--by", type=click.Choice(BY), default="vantage", help="What the columns are.")
@click.option("--rows", type=click.Choice(["service", "target"]), default="service", help="What the rows are.")
@source_options
@click.option("--json", "form", flag_value="json", help="Print one JSON line per row.")
@click.option("--csv", "form", flag_value="csv", help="Print one CSV line per cell.")
@click.option("--markdown", "form", flag_value="markdown", help="Print a Markdown table.")
@click.option("--fail-on-difference", is_flag=True, help="Exit with code 1 if any row differs.")
@click.pass_obj
def compare(
    app: App,
    sources: tuple[str, ...],
    by: Any,
    rows: Any,
    options: SourceOptions,
    form: str | None,
    fail_on_difference: bool,
) -> int:
    """Compare the results in SOURCES row by row and explain each difference.

    A SOURCE is a database, a file of records (reachprobe's or OONI's, also .gz and .zst), a folder of these, or the
    https URL of a hub. Only results close enough in time are compared; missing or older results show as a gap.
    """
    from results.compare import compare as compared
    from schedules.render import compare as show

    with at_hand(app, sources, options) as files, gathered_from(files, options) as gathered:
        language = ENGLISH if form in ("json", "csv") else active()
        found = show.CountedRows(compared(gathered, by=by, rows=rows, within_s=options.within_s, language=language))
        {"json": show.as_json, "csv": show.as_csv, "markdown": show.as_markdown, None: show.for_a_person}[form](found)
        tell_what_was_read(app, gathered)
        return DIFFERENT if fail_on_difference and found.differing else 0
