"""List, explain, export and reclassify stored measurements."""

from __future__ import annotations

from datetime import UTC, datetime
from gettext import gettext as _
from typing import Any

import click

from probe.text import safe
from schedules.cli import _exchange
from schedules.cli._app import App, reported
from schedules.cli._register import tell
from schedules.cli._times import Moment, text_of
from schedules.render.output import out, print_json, talk
from schedules.render.text import words

OUTCOMES = ["reachable", "blocked", "denied", "down", "offline", "inconclusive"]
AGREEMENTS = ["enforced", "unenforced", "collateral", "unlisted-block", "open", "undecided"]
DEFAULT_ROWS = 40
MAX_REFUSALS = 20


@click.group()
def results() -> None:
    """List, explain, export and reclassify stored measurements."""


results.add_command(_exchange.export)
results.add_command(_exchange.key)
results.add_command(_exchange.import_)
results.add_command(_exchange.merge)


@results.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per measurement.")
@click.option("--target", help="Only this target, spelled as it was given.")
@click.option("--service", help="Only targets of this service.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only this outcome.")
@click.option("--agreement", type=click.Choice(AGREEMENTS), help="Only this agreement.")
@click.option("--vantage", help="Only this vantage point.")
@click.option("--path", help="Only measurements via this path.")
@click.option("--since", type=Moment(), metavar="TIME", help="Only since this UTC date or time.")
@click.option("--until", type=Moment(), metavar="TIME", help="Only before this UTC date or time.")
@click.option("--limit", type=click.IntRange(1), help="Show the newest N (default 40; all with --json).")
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
    from schedules.render.tables import recent_table

    filters |= {"since": text_of(since), "until": text_of(until)}
    with app.store(must_exist=True) as store:
        if as_json:
            for row in store.rows(limit, True, **filters):
                print_json(row)
        else:
            out().print(recent_table(store.rows(limit or DEFAULT_ROWS, False, **filters), store.short))


@results.command()
@click.argument("measurement_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the complete record as one JSON line.")
@click.option("--rules", "with_rules", is_flag=True, help="Also show rules that almost applied, and what they lacked.")
@click.pass_obj
def show(app: App, measurement_id: str, as_json: bool, with_rules: bool) -> None:
    """Explain one measurement.

    Shows the steps, their results, the register entry and the rules that decided. ID is a measurement id, or at
    least its first four characters.
    """
    from results.db.json_codec import row
    from results.fingerprints.collection import library_of
    from schedules.render.explain import print_explanation, print_near_rules

    with app.store(must_exist=True) as store:
        finished = store.finished(measurement_id)
        if not as_json:
            library = library_of(app.database)
            print_explanation(finished, out(), library)
            if with_rules:
                print_near_rules(finished, out(), library)
            return
        print_json(
            row(finished)
            | {
                "observations": finished.measurement.observations,
                "controls": finished.controls,
                "context": finished.context,
            }
        )


@results.command()
@click.option("--json", "as_json", is_flag=True, help="Print the changed rows and the counts as JSON.")
@click.pass_obj
def reclassify(app: App, as_json: bool) -> None:
    """Recompute every stored verdict.

    Uses the current rules and registers, and prints what changed.
    """
    from results.db.json_codec import row
    from results.fingerprints.collection import library_of
    from schedules.round.judge import judge_again
    from schedules.runtime import lock

    config = app.config()
    with app.store(must_exist=True) as store, lock.held(app.database):
        judged = store.db.execute("SELECT count(*) FROM verdicts").fetchone()[0]
        if others := store.judged_with_others(library_of(store.path).digest):
            sentence = _("verdicts made with other fingerprints than the current ones: {count}")
            talk(sentence.format(count=others), quiet=app.quiet)
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
        tell(_("verdicts recomputed: {count}, changed: {changed}").format(count=judged, changed=changed))


@results.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: any free port.")
@click.pass_obj
def browse(app: App, port: int) -> None:
    """Browse the database in a web browser.

    There are prepared queries, facets and SQL. Prints the address; Ctrl-C stops it. Access is read-only and limited
    to this machine, but other users logged in here can read it while it runs. Needs an extra: pip install
    'reachprobe[browse]'.
    """
    from schedules.datasette_server import NoDatasette, NoPort, serve

    def tell(address: str) -> None:
        click.echo(address)
        talk(_("open this address in a browser; Ctrl-C stops the server"), quiet=app.quiet)

    app.store(must_exist=True).close()
    with reported(NoDatasette, NoPort):
        serve(app.database, port, tell)


@results.command()
@click.option("--dry-run", is_flag=True, help="Only report what would be deleted because of its age.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as one JSON line.")
@click.pass_obj
def prune(app: App, dry_run: bool, as_json: bool) -> None:
    """Delete old measurements.

    Deletes measurements older than [store] keep_days, including imported ones.

    If the database is larger than [store] max_mb, the oldest are deleted too, but never those of the last week.
    Rounds do this automatically about once a day, only for this machine's own vantage point.
    """
    from results.db import retention
    from schedules.runtime import lock

    kept = app.config().store
    now = datetime.now(UTC)
    before = retention.cutoff(kept.keep_days, now)
    with app.store(must_exist=True) as store:
        if dry_run:
            old, above, size = retention.count_old(store.db, before), None, retention.used_bytes(store.db)
        else:
            with lock.held(app.database):
                done = retention.prune(store, keep_days=kept.keep_days, now=now, max_bytes=kept.max_bytes)
            old, above, size = done.old, done.above_limit, done.bytes
    too_large = kept.max_bytes is not None and size > kept.max_bytes
    if as_json:
        print_json({"before": before, "old": old, "above_limit": above, "bytes": size, "too_large": too_large})
        return
    sentence = _("measurements before {date} deleted: {count}")
    if dry_run:
        sentence = _("measurements before {date} to delete: {count}")
    elif above:
        sentence = _("measurements before {date} deleted: {count}; more because of the size limit: {above}")
    tell(sentence.format(date=before[:10], count=old, above=above))
    sentence = _("{path}: {size} MB in use")
    if kept.max_mb is not None:
        sentence = _("{path}: {size} MB in use, the limit is {limit} MB")
    if too_large:
        sentence = _("{path}: {size} MB in use, above the limit of {limit} MB: only the last week and registers remain")
        if dry_run:
            sentence = _("{path}: {size} MB in use, above the limit of {limit} MB: the oldest would be deleted")
    tell(sentence.format(path=app.database, size=words().number(size / 1e6), limit=kept.max_mb))


@results.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per target, register and network.")
@click.pass_obj
def enforcement(app: App, as_json: bool) -> None:
    """Show the delay from listing to blocking, by network.

    Only confirmed and probable blocks count. Delays are ranges, because measurements are hours apart and most
    listings have a date without a time.
    """
    from results.aggregate.enforcement import by_network, of_database
    from schedules.render.tables import network_delays_table, target_delays_table

    with app.store(must_exist=True) as store:
        found = of_database(store.db)
    if as_json:
        for one in found:
            print_json(one)
        return
    if not found:
        talk(_("no measured target is listed in a register; import one with `reachprobe register import FILE`"))
        return
    console = out()
    console.print(network_delays_table(by_network(found)))
    console.print()
    shown, left = target_delays_table(found)
    console.print(shown)
    if left:
        console.print(_("… and {count} more; --json has all").format(count=left))


@results.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per outage or time without data.")
@click.option("--since", type=Moment(), metavar="TIME", help="Only since this UTC date or time.")
@click.option("--until", type=Moment(), metavar="TIME", help="Only before this UTC date or time.")
@click.pass_obj
def outages(app: App, as_json: bool, since: datetime | None, until: datetime | None) -> None:
    """Show when a network was offline or restricted.

    Start and end are ranges between two rounds. Times without data are shown too, with the reason: no round ran,
    another network, no network connection, a captive portal, a VPN.
    """
    from probe.timestamps import seconds_of
    from results.aggregate.outages import line_of, network_intervals, rounds_of
    from schedules.plan.selection import DEFAULT_EVERY_S
    from schedules.render.tables import outages_table

    config = app.config()
    with app.store(must_exist=True) as store:
        rounds = rounds_of(store.db, text_of(since) or "", text_of(until) or "~")
    every_s = min((seconds_of(one.every) for one in config.campaign if one.path == "direct"), default=DEFAULT_EVERY_S)
    found = network_intervals(rounds.values(), {config.vantage.name: every_s})
    if as_json:
        for one in found:
            print_json(line_of(one))
        return
    if not found:
        talk(_("no outages and no times without data; rounds: {count}").format(count=len(rounds)), quiet=app.quiet)
        return
    shown, left = outages_table(found)
    out().print(shown)
    if left:
        out().print(_("… and {count} more; --json has all").format(count=left))


@results.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per hub.")
@click.option("--retry", is_flag=True, help="Retry uploads that the hub refused.")
@click.pass_obj
def outbox(app: App, as_json: bool, retry: bool) -> None:
    """Show the upload queue of each hub.

    Counts waiting, sent and refused results, and says why some were refused.
    """
    from results.db import upload_queue as box

    with app.store(must_exist=True) as store:
        found = box.hubs(store.db)
        if not found and not as_json:
            tell(_("not enrolled with a hub; use `reachprobe init --hub URL --invitation TOKEN`"))
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
            since = words().when(hub.since)
            tell(_("{url}, as {name} since {date}").format(url=safe(hub.url), name=safe(hub.name), date=since))
            sentence = _("waiting {waiting}, sent {sent}, refused {refused}")
            if hub.sent_at:
                sentence = _("waiting {waiting}, sent {sent} (last at {when}), refused {refused}")
            last = words().when(hub.sent_at) if hub.sent_at else ""
            tell("  " + sentence.format(waiting=waits, sent=hub.sent, refused=refused, when=last))
            if again:
                tell("  " + _("refused results queued again: {count}").format(count=again))
            if hub.failures and hub.said:
                sentence = _("not accepted, failures in a row: {count}: {why}; next try after {next}")
                again_at = words().when(hub.not_before) if hub.not_before else ""
                tell("  " + sentence.format(count=hub.failures, why=safe(hub.said), next=again_at))
            for measurement_id, target, why in refusals:
                about = {"id": store.short(measurement_id), "target": safe(target), "why": safe(why)}
                tell("  " + _("refused {id}  {target}: {why}").format(**about))


def _change(short: str, before: Any, after: Any) -> str:
    def verdict_text(finished: Any) -> str:
        verdict = finished.verdict
        parts = {"outcome": verdict.outcome, "method": verdict.method, "trigger": verdict.trigger}
        parts |= {"confidence": verdict.confidence, "agreement": finished.agreement}
        said = "; ".join(words().term(table, name) for table, name in parts.items() if name)
        return f"{said} ({', '.join(verdict.rules)})"

    return f"{short}  {safe(after.measurement.target.text)}  {verdict_text(before)}  →  {verdict_text(after)}"
