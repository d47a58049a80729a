"""Measure nothing for a while."""

from __future__ import annotations

import click

from schedules.cli._app import App
from schedules.cli._times import Duration


@click.command()
@click.option("--for", "length", type=Duration(), metavar="TIME", help="For so long (12h, 3d); else until `resume`.")
@click.pass_obj
def pause(app: App, length: float | None) -> None:
    """Measure nothing that is due until `reachprobe resume`, or for a time. What is installed stays and does nothing.

    What you ask for by `reachprobe check` is measured all the same.
    """
    from datetime import UTC, datetime, timedelta

    from probe.timestamps import rfc3339
    from results.db import store as pauses

    until = None
    if length is not None:
        try:
            until = rfc3339((datetime.now(UTC) + timedelta(seconds=length)).replace(microsecond=0))
        except OverflowError as error:
            raise click.BadParameter("so long is for ever; leave --for out", param_hint="--for") from error
    with app.store() as store:
        pauses.pause(store, until)
    click.echo(f"Measuring pauses {f'until {until}' if until else 'until `reachprobe resume`'}.")
    click.echo("A round that is under way goes on to its end.", err=True)
