"""Registers: what governments say should be blocked."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from schedules.app import App
from schedules.show.output import print_json
from schedules.show.words import safe

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.expectation import Expectation
    from results.registers.records import ImportReport

MAX_AGE_DAYS = 3.0
SHOWN_PROBLEMS = 20


@click.group(short_help="What governments say should be blocked.")
def register() -> None:
    """Import registers, and look up what they say."""


@register.command("import", short_help="Read a register's files into the database.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--as", "name", metavar="NAME", help="The register's name; Russia's is rkn without being told.")
@click.option("--country", metavar="CC", help="Whose register it is (ISO 3166), such as RU.")
@click.option("--format", "format_", metavar="FORMAT", help="The format, where it cannot be told from the content.")
@click.option("--json", "as_json", is_flag=True, help="The counts as JSONL.")
@click.pass_obj
def import_(
    app: App,
    files: tuple[Path, ...],
    name: str | None,
    country: str | None,
    format_: str | None,
    as_json: bool,
) -> None:
    """Read one version of a register from FILE…, several files being its parts. It replaces nothing: versions are kept
    apart by their date. A file that is not whole leaves the register as it was."""
    from results.registers.importing import import_register

    with _database(app) as db, _progress(app.quiet) as progress:
        report = import_register(db, files, name=name, country=country, format=format_, progress=progress)
    _problems(report)
    if as_json:
        for why, count in report.reasons.items():
            print_json({"why": why, "problems": count})
        print_json({key: getattr(report, key) for key in ("rows", "kept", "skipped", "entries", "updated")})
        return
    click.echo(f"{report.register} ({report.country}), {report.format}, version {report.version}")
    click.echo(f"{report.rows} rows: {report.kept} kept, {report.skipped} skipped")
    for why, count in report.reasons.items():
        click.echo(f"  {count} × {safe(why)}")
    click.echo(f"{report.entries} entries: {report.added} new, {report.removed} gone since the version before")


@register.command(short_help="Whether targets are listed, since when and why.")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@click.option("--as", "--register", "name", metavar="NAME", help="Ask this register only.")
@click.option("--country", metavar="CC", help="Ask this country's registers only.")
@click.option("--at", metavar="DATE", help="As it stood then: a date (the end of that day) or a moment, UTC.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a target.")
@click.pass_obj
def lookup(
    app: App, targets: tuple[str, ...], name: str | None, country: str | None, at: str | None, as_json: bool
) -> None:
    """Say of each TARGET (URL, host or address; `-` reads them from standard input, one a line) what the register says.
    Nothing is resolved."""
    from results.expectation import Lookup, lookup_row

    wanted = _targets(targets)
    with _database(app) as db:
        asked = Lookup(db, country=country, register=name, at=_moment(at), max_age_days=MAX_AGE_DAYS)
        for target in wanted:
            found = asked.expect(target)
            if as_json:
                print_json(lookup_row(found))
            else:
                click.echo(_sentence(found))


@register.command(short_help="What is stored, and how old it is.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a register.")
@click.pass_obj
def stats(app: App, as_json: bool) -> None:
    """Say of each register how large and how old its newest version is."""
    from results.registers.statistics import statistics

    with _database(app) as db:
        rows = statistics(db, datetime.now(UTC), MAX_AGE_DAYS)
    for row in rows:
        if as_json:
            print_json(msgspec.to_builtins(row))
            continue
        old = f"{row.age_days:.1f} days old" + (", too old to decide anything" if row.stale else "")
        click.echo(f"{row.register} ({row.country}), {row.format}: version {row.as_of}, {old}")
        click.echo(f"  {row.versions} version(s) since {row.first_version}; {row.entries} entries, {row.names} names")
        click.echo(f"  the last import: {row.rows} rows, {row.kept} kept, {row.skipped} skipped")
        for title, counts in (("blocked by", row.block_types), ("authority", row.authorities), ("basis", row.bases)):
            click.echo(f"  {title}: " + ", ".join(f"{safe(what)} {count}" for what, count in counts.items()))
    if not rows and not as_json:
        click.echo("no register is stored; `reachprobe register import FILE` reads one", err=True)


@register.command(short_help="What changed between two versions.")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--as", "--register", "name", metavar="NAME", help="Which register; needed where several are stored.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a change.")
@click.pass_obj
def diff(app: App, before: str, after: str, name: str | None, as_json: bool) -> None:
    """Compare the versions in force at A and at B: dates (the end of that day) or moments, UTC."""
    from results.registers.differences import difference

    with _database(app) as db:
        found = difference(db, _moment(before), _moment(after), name)
    if as_json:
        for change in found.changes:
            print_json(msgspec.to_builtins(change))
        return
    for change in found.changes:
        what = change.names or change.urls or change.subnets or ""
        sign = {"added": "+", "removed": "-", "changed": "~"}[change.change]
        decided = " ".join(filter(None, (change.authority, change.decision_number, change.decision_date)))
        changed = f" (changed: {', '.join(change.was)})" if change.was else ""
        click.echo(safe(f"{sign} {change.urls or what} [{decided}]{changed}".replace("\n", " ")))
    kinds = Counter(change.change for change in found.changes)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in ("added", "removed", "changed"))
    click.echo(f"{found.register}, {found.before} to {found.after}: {counts}", err=True)


@register.command(short_help="In plain words what is said of a target.")
@click.argument("target", metavar="TARGET")
@click.option("--as", "--register", "name", metavar="NAME", help="Ask this register only.")
@click.option("--country", metavar="CC", help="Ask this country's registers only.")
@click.option("--at", metavar="DATE", help="As it stood then: a date (the end of that day) or a moment, UTC.")
@click.pass_obj
def explain(app: App, target: str, name: str | None, country: str | None, at: str | None) -> None:
    """Tell what the register says of TARGET: dates, authority, decision, article, and what it said before."""
    from results.registers import explaining

    with _database(app) as db:
        for line in explaining.explain(db, target, _moment(at), country=country, register=name):
            click.echo(safe(line))


@register.command(short_help="Listed names at the same addresses: a note, no listing.")
@click.argument("target", metavar="TARGET")
@click.option("--as", "--register", "name", metavar="NAME", help="Ask this register only.")
@click.option("--country", metavar="CC", help="Ask this country's registers only.")
@click.option("--at", metavar="DATE", help="As it stood then: a date (the end of that day) or a moment, UTC.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON an address.")
@click.pass_obj
def neighbours(app: App, target: str, name: str | None, country: str | None, at: str | None, as_json: bool) -> None:
    """Show which listed names have stood at the addresses of TARGET, as the register's rows give them. Nothing is
    resolved, and nobody is listed for the company it keeps."""
    from results.registers import finding
    from results.registers.importing import instant
    from results.registers.names import place

    asked, moment = place(target), int(_moment(at).timestamp())
    with _database(app) as db:
        versions, _ = finding.versions_at(db.conn, moment, country.upper() if country else None, name)
        found = [(version, one) for version in versions for one in finding.neighbours(db.conn, version, asked)]
    for version, one in found:
        if as_json:
            row = {"target": target, "register": version.name, "as_of": instant(version.as_of)}
            print_json(row | msgspec.to_builtins(one))
            continue
        blocked = "; blocked as such" if one.blocked_as_such else ""
        others = f": {', '.join(one.names)}" if one.names else ""
        click.echo(safe(f"{version.name} {one.address}: {one.entries} entries{blocked}{others}"))


@contextmanager
def _database(app: App) -> Iterator[Database]:
    """The database while the block runs; what SQLite complains of is told in one line."""
    from results.store import explained

    store = app.store()
    try:
        with explained(store.path):
            yield store.db
    finally:
        store.close()


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error, only on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    text, left = TextColumn("reading"), TimeRemainingColumn()
    with Progress(text, BarColumn(), DownloadColumn(), left, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _problems(report: ImportReport) -> None:
    for problem in report.problems[:SHOWN_PROBLEMS]:
        what = "skipped" if problem.skipped else "kept"
        click.echo(safe(f"{problem.source}:{problem.line}: {problem.why} ({what})"), err=True)
    more = sum(report.reasons.values()) - min(len(report.problems), SHOWN_PROBLEMS)
    if more:
        click.echo(f"... and {more} more", err=True)


def _targets(arguments: Iterable[str]) -> list[str]:
    """Every target, checked before any is answered."""
    from results.registers.names import place

    found: list[str] = []
    for argument in arguments:
        if argument != "-":
            found.append(argument)
            continue
        for line in sys.stdin:
            if line.strip():
                found.append(line.rstrip("\r\n"))
    for text in found:
        place(text)
    return found


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no date; write 2017-05-04 or 2017-05-04T12:00:00Z") from None
    if len(text) == len("2017-05-04"):
        moment = datetime.combine(moment.date(), time(23, 59, 59))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _sentence(found: Expectation) -> str:
    if found.listed is None:
        return safe(f"{found.target}: unknown: {found.reason}")
    basis = f" {found.basis}" if found.basis else ""
    said = f"listed since {found.since}{basis}" if found.listed else "not listed"
    old = f" (version {found.as_of}" + (", too old to decide anything)" if found.stale else ")")
    return safe(f"{found.target}: {said}: {found.reason}{old}")
