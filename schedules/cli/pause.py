"""Pause scheduled measurements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from gettext import gettext as _

import click

from probe.timestamps import rfc3339
from schedules.cli._app import App
from schedules.cli._register import tell
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

    from results.db import store as pauses
    from schedules.render.output import talk
    from schedules.render.text import words

    until = None
    if length is not None:
        try:
            until = rfc3339((datetime.now(UTC) + timedelta(seconds=length)).replace(microsecond=0))
        except OverflowError as error:
            raise click.BadParameter(_("too long; omit --for to pause indefinitely"), param_hint="--for") from error
    with app.store() as store:
        pauses.pause(store, until)
    if until:
        tell(_("Measurements are paused until {when}.").format(when=words().when(until)))
    else:
        tell(_("Measurements are paused until `reachprobe resume`."))
    talk(_("A round in progress will finish."))
