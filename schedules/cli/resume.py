"""End a pause."""

from __future__ import annotations

import click

from schedules.cli._app import App


@click.command()
@click.pass_obj
def resume(app: App) -> None:
    """Measure again what is due, after `reachprobe pause`."""
    from datetime import UTC, datetime

    from probe.timestamps import rfc3339
    from results.db import store as pauses

    with app.store(must_exist=True) as store:
        was = pauses.resume(store, rfc3339(datetime.now(UTC)))
    click.echo("Measuring goes on with what is due." if was else "There was no pause.")
