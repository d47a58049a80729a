"""Manage lists of known block pages."""

from __future__ import annotations

from collections import Counter
from gettext import gettext as _

import click

from probe.text import safe
from results.fingerprints import builtin_set, collection
from results.fingerprints.collection import Collection, load, place
from results.fingerprints.fingerprint import digest
from schedules.cli._app import App
from schedules.cli._fingerprint_lists import take_in
from schedules.cli._register import tell
from schedules.render.output import print_json, print_problems


@click.group(short_help="Manage lists of known block pages.")
def fingerprints() -> None:
    """Manage lists of known block pages (fingerprints), such as OONI's and Censored Planet's."""


@fingerprints.command(short_help="Import lists of fingerprints.")
@click.argument("sources", nargs=-1, metavar="[SOURCE…]")
@click.option("--published", is_flag=True, help="Download OONI's and Censored Planet's lists.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON lines.")
@click.pass_obj
def update(app: App, sources: tuple[str, ...], published: bool, as_json: bool) -> None:
    """Import the lists at SOURCE… (files or https URLs), or those named in the configuration. They replace the lists
    imported before, once all are complete. Known formats: OONI's fingerprints_http.csv and fingerprints_dns.csv,
    and Censored Planet's blockpage_signatures.json and false_positive_signatures.json."""
    config = app.config()
    named = sources or (() if published else config.fingerprints.sources)
    gathered = take_in((*(collection.PUBLISHED if published else ()), *named), config, app.database)
    print_problems(gathered.problems, sum(counts.skipped for counts in gathered.collection.sources))
    for counts in gathered.collection.sources:
        if as_json:
            print_json(counts)
            continue
        sentence = _("{source}, {format}: rows {rows}, imported {kept}")
        click.echo(
            safe(sentence.format(source=counts.source, format=counts.format, rows=counts.rows, kept=counts.kept))
        )
        for why, count in counts.reasons.items():
            click.echo(f"  {count} × {safe(why)}")
    _summary(gathered.collection, as_json=as_json)


@fingerprints.command(short_help="Show the imported lists.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per list, and one for all.")
@click.pass_obj
def stats(app: App, as_json: bool) -> None:
    """Show how many fingerprints there are, by scope, and which lists they come from."""
    collection = load(place(app.database))
    if collection is None:
        if as_json:
            print_json({"sources": 0, "prints": 0, "digest": None, "updated": None, "scopes": {}, "own": _own()})
        else:
            sentence = _(
                "built-in fingerprints only: {count}; `reachprobe fingerprints update --published` adds OONI's and"
                " Censored Planet's lists"
            )
            tell(sentence.format(count=_own()))
        return
    for counts in collection.sources:
        if as_json:
            print_json(counts)
        else:
            sentence = _("{source}, {format}: {kept} of {rows} rows")
            if counts.false_positives:
                sentence = _("{source}, {format}: {kept} of {rows} rows, of these not block pages: {wrong}")
            said = {"source": counts.source, "format": counts.format, "kept": counts.kept, "rows": counts.rows}
            tell(safe(sentence.format(**said, wrong=counts.false_positives)))
    _summary(collection, as_json=as_json)


def _summary(collection: Collection, *, as_json: bool) -> None:
    scopes = Counter(one.scope for one in collection.prints)
    name = digest(collection.prints)
    if as_json:
        row = {"sources": len(collection.sources), "prints": len(collection.prints), "digest": name}
        print_json(row | {"updated": collection.updated, "scopes": dict(scopes.most_common()), "own": _own()})
        return
    told = ", ".join(f"{scope} {count}" for scope, count in scopes.most_common())
    sentence = _("fingerprints: {count} ({scopes}), {digest}, imported {when}; built in: {own}")
    total = len(collection.prints)
    tell(sentence.format(count=total, scopes=told, digest=name, when=collection.updated, own=_own()))


def _own() -> int:
    """How many fingerprints our own set has: hosts, addresses and pages."""
    found = builtin_set()
    return len(found.hosts) + len(found.stubs) + len(found.blocks) + len(found.refusals)
