"""Pause scheduled measurements."""

from __future__ import annotations

import click

from schedules.cli._app import App
from schedules.cli._times import Duration


@click.command()
@click.option(
    "--for", "length", type=Duration(), metavar="TIME", help="Duration, such as 12h or 3d (default: until `resume`)."
)
@click.pass_obj
def pause(app: App, length: float | None) -> None:
    """Pause scheduled measurements for a time, or until `reachprobe resume`. The schedule stays installed.

    `reachprobe check` still works.
    """
    from datetime import UTC, datetime, timedelta

    from probe.timestamps import rfc3339
    from results.db import store as pauses

    until = None
    if length is not None:
        try:
            until = rfc3339((datetime.now(UTC) + timedelta(seconds=length)).replace(microsecond=0))
        except OverflowError as error:
            raise click.BadParameter("too long; omit --for to pause indefinitely", param_hint="--for") from error
    with app.store() as store:
        pauses.pause(store, until)
    click.echo(f"Measuring is paused {f'until {until}' if until else 'until `reachprobe resume`'}.")
    click.echo("A round in progress will finish.", err=True)
