"""Resume scheduled measurements."""

from __future__ import annotations

from datetime import UTC, datetime
from gettext import gettext as _

import click

from probe.timestamps import rfc3339
from schedules.cli._app import App


@click.command()
@click.pass_obj
def resume(app: App) -> None:
    """Resume scheduled measurements after `reachprobe pause`."""

    from results.db import store as pauses

    with app.store(must_exist=True) as store:
        was = pauses.resume(store, rfc3339(datetime.now(UTC)))
    click.echo(_("Measurements are resumed.") if was else _("Measurements were not paused."))
