"""Show notification status or send a test message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from schedules.cli._app import App

if TYPE_CHECKING:
    from schedules.notify.apprise_client import NotifyUrl

NOT_TAKEN = 69


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--test", "test", is_flag=True, help="Send a test message now.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per recipient.")
@click.pass_obj
def notify(app: App, names: tuple[str, ...], test: bool, as_json: bool) -> int:
    """Show each recipient in [[notify]] (or only NAME): queued notifications, last delivery and failures."""
    from schedules.notify.apprise_client import notify_urls
    from schedules.render.output import talk

    known = notify_urls(app.config())
    if missing := [name for name in names if name not in known]:
        raise click.UsageError(f"there is no [[notify]] {missing[0]!r}; known: {', '.join(known) or 'none'}")
    chosen = {name: known[name] for name in names or known}
    if not chosen:
        talk("no recipients: add a [[notify]] table to the configuration", quiet=app.quiet)
        return 0
    return _test(app, chosen, as_json=as_json) if test else _status(app, chosen, as_json=as_json)


def _status(app: App, chosen: dict[str, NotifyUrl], *, as_json: bool) -> int:
    from probe.text import safe
    from results.db.notification_queue import receivers, waiting_counts
    from schedules.render.output import print_json
    from schedules.render.text import how_many

    with app.store(must_exist=True) as store:
        waiting = waiting_counts(store.db)
        found = {receiver.name: receiver for receiver in receivers(store.db)}
    for name in chosen:
        one = found.get(name)
        told_at, failures, not_before = (one.told_at, one.failures, one.not_before) if one else (None, 0, None)
        if as_json:
            row = {"receiver": name, "waiting": waiting.get(name, 0), "told_at": told_at}
            print_json({**row, "failures": failures, "not_before": not_before})
            continue
        said = f"{safe(name)}: {how_many(waiting.get(name, 0), 'notification')} queued, last sent: {told_at or 'never'}"
        click.echo(said + (f", failed {how_many(failures, 'time')}, next try after {not_before}" if failures else ""))
    return 0


def _test(app: App, chosen: dict[str, NotifyUrl], *, as_json: bool) -> int:
    from probe.text import safe
    from schedules.notify.apprise_client import Message, send
    from schedules.render.output import print_json
    from schedules.round import consent

    with app.store() as store:
        if not consent.agreed(app.environ, store, consent.NOTIFYING):
            raise consent.NoConsent("no consent to send notifications; `reachprobe init` explains and asks")
    code = 0
    for name, address in chosen.items():
        why = send(address, Message("reachprobe: test message", "- This is a test notification. Nothing has changed."))
        code = code if why is None else NOT_TAKEN
        if as_json:
            print_json({"receiver": name, "taken": why is None, "why": why})
        else:
            click.echo(f"{safe(name)}: " + ("taken" if why is None else f"not accepted: {why}"))
    return code
