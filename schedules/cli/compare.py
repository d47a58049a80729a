"""Vantages side by side: what differs by machine, network, country, path, family or time."""

from __future__ import annotations

from typing import Any

import click

from schedules.cli._app import App
from schedules.cli._sources import SourceOptions, at_hand, gathered_from, source_options, tell_what_was_read

BY = ["vantage", "network", "country", "path", "day"]
DIFFERENT = 1


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE…")
@click.option("--by", type=click.Choice(BY), default="vantage", help="What is laid side by side.")
@click.option("--rows", type=click.Choice(["service", "target"]), default="service", help="What each row is.")
@source_options
@click.option("--json", "form", flag_value="json", help="One line of JSON a row.")
@click.option("--csv", "form", flag_value="csv", help="One line of CSV a cell.")
@click.option("--markdown", "form", flag_value="markdown", help="A table for a page or a message.")
@click.option("--fail-on-difference", is_flag=True, help="Exit with 1 where any row differs.")
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
    """Compare what SOURCES hold, row by row, and say what kind of difference there is.

    A SOURCE is a database, a file of records (ours or OONI's; .gz and .zst too), a folder of these, or the https URL of
    a hub. States are
    compared that are close enough in time; what is missing or too old is shown as a gap, never as agreement.
    """
    from results.compare import compare as compared
    from schedules.render import compare as show

    with at_hand(app, sources, options) as files, gathered_from(files, options) as gathered:
        found = show.CountedRows(compared(gathered, by=by, rows=rows, within_s=options.within_s))
        {"json": show.as_json, "csv": show.as_csv, "markdown": show.as_markdown, None: show.for_a_person}[form](found)
        tell_what_was_read(app, gathered)
        return DIFFERENT if fail_on_difference and found.differing else 0
