"""`results prune`: delete what is too old, and the oldest where the database has outgrown its limit."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import click

from schedules.cli._app import App


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted for its age.")
@click.option("--json", "as_json", is_flag=True, help="The counts as one line of JSON.")
@click.pass_obj
def prune(app: App, dry_run: bool, as_json: bool) -> None:
    """Delete measurements older than [store] keep_days, of every vantage, imported ones too.

    Where [store] max_mb is set and the database holds more, the oldest go until it does not, but never the last week.
    Rounds do this by themselves about once a day, for this machine's own vantage alone.
    """
    from results.db import retention as pruning
    from schedules.render.output import print_json
    from schedules.runtime import lock

    kept = app.config().store
    now = datetime.now(UTC)
    before = pruning.cutoff(kept.keep_days, now)
    with closing(app.store(must_exist=True)) as store:
        if dry_run:
            old, above, size = pruning.count_old(store.db, before), None, pruning.used_bytes(store.db)
        else:
            with lock.held(app.database):
                done = pruning.prune(store, keep_days=kept.keep_days, now=now, max_bytes=kept.max_bytes)
            old, above, size = done.old, done.above_limit, done.bytes
    too_large = kept.max_bytes is not None and size > kept.max_bytes
    if as_json:
        print_json({"before": before, "old": old, "above_limit": above, "bytes": size, "too_large": too_large})
        return
    verb = "would be deleted" if dry_run else "deleted"
    click.echo(f"{old} older than {before[:10]} {verb}" + (f", {above} more for the size limit" if above else ""))
    click.echo(f"{app.database}: {size / 1e6:.1f} MB in use{_of_limit(kept.max_mb, too_large, dry_run)}")


def _of_limit(max_mb: int | None, too_large: bool, dry_run: bool) -> str:
    if max_mb is None:
        return ""
    if not too_large:
        return f", the limit is {max_mb} MB"
    why = "the oldest would go" if dry_run else "what is left is the last week, and registers"
    return f", above the limit of {max_mb} MB: {why}"
