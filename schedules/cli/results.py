"""What was found: list it, explain it, judge it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from schedules.cli import _browse, _enforcement, _export, _outbox, _prune, _transfer
from schedules.cli._app import App
from schedules.cli._times import Moment, text_of

if TYPE_CHECKING:
    from datetime import datetime

OUTCOMES = ["reachable", "blocked", "denied", "down", "offline", "inconclusive"]
FOR_A_PERSON = 40
AGREEMENTS = ["enforced", "unenforced", "collateral", "unlisted-block", "open", "undecided"]


@click.group()
def results() -> None:
    """What was found, from the database."""


results.add_command(_browse.browse)
results.add_command(_prune.prune)
results.add_command(_enforcement.enforcement)
results.add_command(_outbox.outbox)
results.add_command(_export.export)
results.add_command(_export.key)
results.add_command(_transfer.import_)
results.add_command(_transfer.merge)


@results.command("list")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each measurement.")
@click.option("--target", help="Only this target, as it was given.")
@click.option("--service", help="Only this service's targets.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only this outcome.")
@click.option("--agreement", type=click.Choice(AGREEMENTS), help="Only this agreement.")
@click.option("--vantage", help="Only this vantage.")
@click.option("--path", help="Only what left by this path.")
@click.option("--since", type=Moment(), metavar="TIME", help="Only from this UTC date or time on.")
@click.option("--until", type=Moment(), metavar="TIME", help="Only before this UTC date or time.")
@click.option("--limit", type=click.IntRange(1), help="At most so many, the newest; 40 without --json.")
@click.pass_obj
def list_(
    app: App,
    /,
    as_json: bool,
    limit: int | None,
    since: datetime | None,
    until: datetime | None,
    **filters: str | None,
) -> None:
    """List measurements and their verdicts, newest first."""
    from schedules.render.output import out, print_json
    from schedules.render.tables import recent_table

    filters |= {"since": text_of(since), "until": text_of(until)}
    store = app.store(must_exist=True)
    try:
        if as_json:
            for row in store.rows(limit, True, **filters):
                print_json(row)
        else:
            out().print(recent_table(store.rows(limit or FOR_A_PERSON, False, **filters), store.short))
    finally:
        store.close()


@results.command()
@click.argument("measurement_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The whole record as one line of JSON.")
@click.pass_obj
def show(app: App, measurement_id: str, as_json: bool) -> None:
    """Explain one measurement: what was done, what came back, and which rules say what of it.

    ID is the measurement's, or the first four characters or more of it.
    """
    from results.fingerprints.collection import library_of
    from schedules.render.explain import print_explanation
    from schedules.render.output import out, print_json

    store = app.store(must_exist=True)
    try:
        finished = store.finished(measurement_id)
        if as_json:
            print_json(_whole(finished))
        else:
            print_explanation(finished, out(), library_of(app.database))
    finally:
        store.close()


@results.command()
@click.option("--json", "as_json", is_flag=True, help="The changed rows and the counts as JSON.")
@click.pass_obj
def reclassify(app: App, as_json: bool) -> None:
    """Judge every stored measurement again, by today's rules and registers."""
    from results.db.json_rows import row
    from results.fingerprints.collection import library_of
    from schedules.render.output import print_json, talk
    from schedules.round.judge import judge_again
    from schedules.runtime import lock

    config = app.config()
    store = app.store(must_exist=True)
    try:
        with lock.held(app.database):
            judged = store.db.execute("SELECT count(*) FROM verdicts").fetchone()[0]
            if others := store.judged_with_others(library_of(store.path).digest):
                talk(f"{others} were judged with other fingerprints than those now in force", quiet=app.quiet)
            changed = 0
            for before, after in store.reclassify(judge_again(store, config)):
                changed += 1
                if as_json:
                    print_json(row(after))
                elif not app.quiet:
                    click.echo(_change(store.short(after.measurement.id), before, after))
        if as_json:
            print_json({"judged": judged, "changed": changed})
        else:
            click.echo(f"{judged} judged again, {changed} changed")
    finally:
        store.close()


def _change(short: str, before: Any, after: Any) -> str:
    from schedules.render.text import safe

    def said(finished: Any) -> str:
        verdict = finished.verdict
        return " ".join(filter(None, (verdict.outcome, verdict.method, verdict.confidence, finished.agreement)))

    return f"{short}  {safe(after.measurement.target.text)}  {said(before)}  →  {said(after)}"


def _whole(finished: Any) -> dict[str, Any]:
    """The row, and with it the observations of the measurement and its controls; bytes in base64."""
    import msgspec

    from results.db.json_rows import row

    return row(finished) | {
        "observations": msgspec.to_builtins(finished.measurement.observations),
        "controls": msgspec.to_builtins(finished.controls),
        "context": msgspec.to_builtins(finished.context),
    }
