"""Show notification status or send a test message."""

from __future__ import annotations

from gettext import gettext as _
from gettext import ngettext
from typing import TYPE_CHECKING

import click

from probe.text import safe
from results.i18n.language import ENGLISH, activate
from schedules.cli._app import App
from schedules.cli._register import tell
from schedules.render.output import print_json, talk

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

    known = notify_urls(app.config())
    if missing := [name for name in names if name not in known]:
        sentence = _("there is no [[notify]] {name!r}; known: {names}")
        raise click.UsageError(sentence.format(name=missing[0], names=", ".join(known) or _("none")))
    chosen = {name: known[name] for name in names or known}
    if not chosen:
        talk(_("no recipients: add a [[notify]] table to the configuration"), quiet=app.quiet)
        return 0
    return _test(app, chosen, as_json=as_json) if test else _status(app, chosen, as_json=as_json)


def _status(app: App, chosen: dict[str, NotifyUrl], *, as_json: bool) -> int:
    from results.db.notification_queue import receivers, waiting_counts
    from schedules.render.text import how_many, words

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
        sentence = _("{name}: {count} queued, last sent: {when}")
        if failures:
            sentence = ngettext(
                "{name}: {count} queued, last sent: {when}, failed {failures} time, next try after {next}",
                "{name}: {count} queued, last sent: {when}, failed {failures} times, next try after {next}",
                failures,
            )
        when, again = (words().when(at) if at else _("never") for at in (told_at, not_before))
        count = how_many(waiting.get(name, 0), "notification")
        tell(sentence.format(name=safe(name), count=count, when=when, failures=failures, next=again))
    return 0


def _test(app: App, chosen: dict[str, NotifyUrl], *, as_json: bool) -> int:
    from schedules.notify.apprise_client import Message, send
    from schedules.round import consent

    if as_json:
        activate(ENGLISH)
    with app.store() as store:
        if not consent.agreed(app.environ, store, consent.NOTIFYING):
            raise consent.NoConsent(_("no consent to send notifications; `reachprobe init` explains and asks"))
    code = 0
    message = Message(_("reachprobe: test message"), _("- This is a test notification. Nothing has changed."))
    for name, address in chosen.items():
        why = send(address, message)
        code = code if why is None else NOT_TAKEN
        if as_json:
            print_json({"receiver": name, "taken": why is None, "why": why})
        else:
            sentence = _("{name}: accepted") if why is None else _("{name}: not accepted: {why}")
            tell(sentence.format(name=safe(name), why=why))
    return code
