"""Vantages side by side: what differs by machine, network, country, path, family or time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from schedules.app import App

if TYPE_CHECKING:
    from results.comparing import Gathered

BY = ["vantage", "network", "country", "path", "day"]
DIFFERENT = 1


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE…")
@click.option("--by", type=click.Choice(BY), default="vantage", help="What is laid side by side.")
@click.option("--rows", type=click.Choice(["service", "target"]), default="service", help="What each row is.")
@click.option("--within", default="24h", metavar="TIME", help="How old a state may be beside the newest, as 24h, 7d.")
@click.option("--since", metavar="TIME", help="Only what was measured from this UTC date or time on.")
@click.option("--until", metavar="TIME", help="Only what was measured before this UTC date or time.")
@click.option("--alike", is_flag=True, help="How alike networks block, instead: pair by pair, like beside like.")
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
    within: str,
    since: str | None,
    until: str | None,
    alike: bool,
    form: str | None,
    fail_on_difference: bool,
) -> int:
    """Compare what SOURCES hold, row by row, and say what kind of difference there is.

    A SOURCE is a database, a file of records (ours or OONI's; .gz and .zst too), or a folder of these. States are
    compared that are close enough in time; what is missing or too old is shown as a gap, never as agreement.
    """
    from results.comparing import compare as compared
    from schedules.show import compared as show

    if alike and (by in ("path", "day") or form in ("csv", "markdown")):
        raise click.UsageError("--alike goes with --by vantage, network or country, and with --json")
    within_s = _seconds(within)
    with _gathered(app, sources, since, until) as gathered:
        if alike:
            return _alike(app, gathered, by, rows, within_s, form)
        found = show.counted(compared(gathered, by=by, rows=rows, within_s=within_s))
        {"json": show.as_json, "csv": show.as_csv, "markdown": show.as_markdown, None: show.for_a_person}[form](found)
        _tell(app, gathered)
        return DIFFERENT if fail_on_difference and found.differing else 0


def _alike(app: App, gathered: Gathered, by: Any, rows: Any, within_s: float, form: str | None) -> int:
    from results.comparing import compare as compared
    from results.comparing.alike import alike
    from schedules.show.alike import alike_as_json, alike_for_a_person

    try:
        found = alike(compared(gathered, by=by, rows=rows, within_s=within_s))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    (alike_as_json if form == "json" else alike_for_a_person)(found)
    _tell(app, gathered)
    return 0


@contextmanager
def _gathered(app: App, sources: tuple[str, ...], since: str | None, until: str | None) -> Iterator[Gathered]:
    from datetime import UTC, datetime

    from results.comparing import SourceError, gather

    period = {"since": _moment("--since", since), "until": _moment("--until", until)}
    try:
        with gather(sources, **period, now=datetime.now(UTC).timestamp() + 86400) as gathered:
            yield gathered
    except SourceError as error:
        raise click.ClickException(str(error)) from error


def _moment(option: str, text: str | None) -> float | None:
    from datetime import UTC, datetime

    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"{option} {text!r}: give a UTC date or time, as 2017-05-06T12:00") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _seconds(text: str) -> float:
    """`30m`, `24h` or `7d` in seconds."""
    read = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    if read is None or read[1].strip("0") == "":
        raise click.UsageError(f"--within {text!r}: give a number and a unit, as 30m, 24h or 7d")
    return int(read[1]) * {"m": 60.0, "h": 3600.0, "d": 86400.0}[read[2]]


def _tell(app: App, gathered: Gathered) -> None:
    """What was read, and what was not, and why."""
    from schedules.show.output import talk
    from schedules.show.words import how_many, safe

    notes = gathered.notes
    for one in notes.told:
        where = f"{one.path.name}:{one.line}" if one.line else str(one.path)
        talk(safe(f"{where}: {one.why} (skipped)"), quiet=app.quiet)
    said = [how_many(notes.read - notes.twice, "measurement")]
    said += [f"{notes.twice} held twice, counted once"] if notes.twice else []
    said += [f"{notes.outside} outside the period"] if notes.outside else []
    said += [f"{notes.future} from the future, left out"] if notes.future else []
    said += [f"{notes.skipped} skipped"] if notes.skipped else []
    talk(", ".join(said), quiet=app.quiet)
