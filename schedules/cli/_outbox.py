"""`results outbox`: the upload queue of each hub."""

from __future__ import annotations

from contextlib import closing

import click

from schedules.cli._app import App

MAX_REFUSALS = 20


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each hub.")
@click.option("--retry", is_flag=True, help="Let what was refused be sent again.")
@click.pass_obj
def outbox(app: App, as_json: bool, retry: bool) -> None:
    """Say of each hub how much waits for it, what it has, and what it refused and why."""
    from probe.text import safe
    from results.db import upload_queue as box
    from schedules.render.output import print_json

    with closing(app.store(must_exist=True)) as store:
        found = box.hubs(store.db)
        if not found and not as_json:
            click.echo("This vantage is enrolled with no hub; `reachprobe init --hub URL --invitation TOKEN`")
        for hub in found:
            box.queue(store, hub.url, app.config().vantage.name)
            again = box.retry(store, hub.url) if retry else 0
            waits, refused = box.counts(store.db, hub.url)
            refusals = box.refusals(store.db, hub.url, MAX_REFUSALS)
            if as_json:
                print_json(
                    {
                        "hub": hub.url,
                        "name": hub.name,
                        "waiting": waits,
                        "sent": hub.sent,
                        "sent_at": hub.sent_at,
                        "refused": refused,
                        "failures": hub.failures,
                        "next_try": hub.not_before,
                        "said": hub.said,
                        "refusals": [dict(zip(("id", "target", "why"), one, strict=True)) for one in refusals],
                    }
                )
                continue
            click.echo(f"{safe(hub.url)}, as {safe(hub.name)} since {hub.since}")
            last = f", the last at {hub.sent_at}" if hub.sent_at else ""
            click.echo(f"  {waits} waiting, {hub.sent} sent{last}, {refused} refused")
            if again:
                click.echo(f"  {again} that were refused wait again")
            if hub.failures and hub.said:
                click.echo(f"  not taken ({hub.failures} in a row): {safe(hub.said)}; next try after {hub.not_before}")
            for measurement_id, target, why in refusals:
                click.echo(f"  refused {store.short(measurement_id)}  {safe(target)}: {safe(why)}")
