"""Import and query registers (official block lists)."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from probe.failure import internal_error
from probe.timestamps import rfc3339_of_epoch
from schedules.cli import _register as say
from schedules.cli._app import App
from schedules.cli._times import Moment
from schedules.render.output import print_json, progress_bars, talk
from schedules.render.text import words

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.registers.records import ImportReport
    from schedules.config.schema import Config, RegisterTable

CACHE_KIB = 32768
MAX_SAMPLE = 10_000
AT = click.option(
    "--at",
    type=Moment(end_of_day=True),
    metavar="DATE",
    default=lambda: datetime.now(UTC),
    help="Use the version in force at this UTC date (end of day) or time.",
)


def _which(command: Callable[..., None]) -> Callable[..., None]:
    """The options that select the register and its version."""
    for option in (
        AT,
        click.option("--country", metavar="CC", help="Only this country's registers."),
        click.option("--as", "--register", "name", metavar="NAME", help="Only this register."),
    ):
        command = option(command)
    return command


@click.group(short_help="Import and query registers (official block lists).")
def register() -> None:
    """Import and query registers (official block lists)."""


@register.command("import", short_help="Import a register from files.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--as", "name", metavar="NAME", help="Name of the register (default for Russia: rkn).")
@click.option("--country", metavar="CC", help="Country of the register (ISO 3166, such as RU).")
@click.option("--format", "format_", metavar="FORMAT", help="File format (default: detected).")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON lines.")
@click.pass_obj
def import_(
    app: App, files: tuple[Path, ...], name: str | None, country: str | None, format_: str | None, as_json: bool
) -> None:
    """Import one version of a register from FILE…; several files are parts of one version.

    Earlier versions are kept. If a file is incomplete, nothing is imported.
    """
    from results.registers.importing import ImportOptions, import_register

    with _database(app) as db, progress_bars(app.quiet, _("reading"), in_bytes=True) as (reading,):
        options = ImportOptions(name=name, country=country, format=format_, progress=reading)
        report = import_register(db, files, options)
    say.imported(report, as_json)


@register.command(short_help="Download new versions of the configured registers.")
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--force", is_flag=True, help="Accept a version that is more than a fifth smaller, or not newer.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON lines.")
@click.pass_obj
def update(app: App, names: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Update all configured registers ([[register]] with a source), or only those named.

    A new version replaces the old one only when it is complete."""
    from results.registers.records import RegisterError

    config = app.config()
    known = {table.name: table for table in config.register if table.all_sources}
    if missing := [name for name in names if name not in known]:
        sentence = _("no register {name!r} with a source in the configuration; add it as a [[register]]")
        raise RegisterError(sentence.format(name=missing[0]))
    if not known:
        raise RegisterError(
            _("no register with a source in the configuration: add a [[register]] with name, country and source")
        )
    failed = []
    for name in names or known:
        try:
            report = _update(app, known[name], config, force)
        except RegisterError as error:
            failed.append(str(error))  # the others are brought up to date all the same
            continue
        except (ArithmeticError, LookupError, TypeError) as bug:
            failed.append(f"{name}: {internal_error(bug, name)}")
            continue
        if report is None:
            talk(_("{name}: already up to date").format(name=name), quiet=app.quiet)
        else:
            say.imported(report, as_json)
    if failed:
        raise RegisterError("; ".join(failed))


def _update(app: App, table: RegisterTable, config: Config, force: bool) -> ImportReport | None:

    from results.registers.importing import ImportOptions, update_register
    from schedules.hub_client.download import fetcher

    bars = progress_bars(app.quiet, _("downloading"), _("reading"), in_bytes=True)
    with _database(app) as db, bars as (fetching, reading):
        options = ImportOptions(
            name=table.name, country=table.country, format=table.format, now=datetime.now(UTC), progress=reading
        )
        fetch, folder = fetcher(config, app.database, progress=fetching), app.database.with_name("downloads")
        return asyncio.run(update_register(db, table.all_sources, fetch, folder, options, force=force))


@register.command(short_help="Look up whether targets are listed.")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@_which
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per target.")
@click.pass_obj
def lookup(
    app: App, targets: tuple[str, ...], name: str | None, country: str | None, at: datetime, as_json: bool
) -> None:
    """Look up whether each TARGET (URL, host, address or service) is listed, since when and why.

    `-` reads targets from standard input, one per line. No names are resolved."""
    from results.registers.expectation import RegisterLookup, lookup_row

    wanted = _targets(app, targets)
    with _database(app) as db:
        asked = RegisterLookup(db, country=country, register=name, at=at, max_age_days=app.config().max_age_days)
        asked.words = asked.words if as_json else words()
        for service, target in wanted:
            found = asked.expect(target)
            if as_json:
                print_json(lookup_row(found) | {"service": service})
            else:
                say.looked_up(found, service)


@register.command(short_help="Show the imported registers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per register.")
@click.pass_obj
def stats(app: App, as_json: bool) -> None:
    """Show the size and age of each register's newest version."""
    from results.registers.statistics import statistics

    with _database(app) as db:
        rows = statistics(db, datetime.now(UTC), app.config().max_age_days)
    for row in rows:
        print_json(row) if as_json else say.statistics(row)
    if not rows:
        talk(_("no registers imported yet; use `reachprobe register import FILE`"), quiet=app.quiet)


@register.command(short_help="Show changes between two versions.")
@click.argument("before", metavar="A", type=Moment(end_of_day=True))
@click.argument("after", metavar="B", type=Moment(end_of_day=True))
@click.option("--as", "--register", "name", metavar="NAME", help="Register to compare (required if there are several).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per change.")
@click.pass_obj
def diff(app: App, before: datetime, after: datetime, name: str | None, as_json: bool) -> None:
    """Show changes between the versions in force at A and B: UTC dates (end of day) or times."""
    from results.registers.statistics import difference

    with _database(app) as db:
        found = difference(db, before, after, name)
    if not as_json:
        say.changes(found)
        return
    for change in found.changes:
        print_json(change)


@register.command(short_help="Explain a target's entries.")
@click.argument("target", metavar="TARGET")
@_which
@click.pass_obj
def explain(app: App, target: str, name: str | None, country: str | None, at: datetime) -> None:
    """Explain the entries for TARGET (URL, host, address or service): dates, authority, decision, article,
    and earlier versions."""
    from results.registers import expectation

    ages, wanted = app.config().max_age_days, _targets(app, [target])
    with _database(app) as db:
        asked = expectation.RegisterLookup(db, country=country, register=name, at=at, max_age_days=ages)
        for number, (_, each) in enumerate(wanted):
            if number:
                click.echo()
            for line in expectation.explain(asked, each):
                say.tell(line, " " * (len(line) - len(line.lstrip()) + 2))


@register.command(short_help="Show listed sites that share an IP address with a target.")
@click.argument("target", metavar="TARGET")
@_which
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per address.")
@click.pass_obj
def neighbours(app: App, target: str, name: str | None, country: str | None, at: datetime, as_json: bool) -> None:
    """List listed sites that share an IP address with TARGET, according to the register (context only).

    No names are resolved. Sharing an address does not make TARGET listed."""
    from results.registers import lookup as finding
    from results.registers.names import lookup_key

    wanted = _targets(app, [target])
    with _database(app) as db:
        versions, _ = finding.versions_at(db.conn, int(at.timestamp()), country.upper() if country else None, name)
        for (_, each), version in itertools.product(wanted, versions):
            for one in finding.neighbours(db.conn, version, lookup_key(each)):
                row = {"target": each, "register": version.name, "as_of": rfc3339_of_epoch(version.as_of)}
                if as_json:
                    print_json(row | msgspec.to_builtins(one))
                else:
                    say.neighbour(version.name, row["as_of"], one)


@register.command(short_help="Draw a random sample of listed hosts.")
@click.argument("size", type=click.IntRange(1, MAX_SAMPLE), metavar="SIZE")
@click.option(
    "--as", "--register", "name", metavar="NAME", default="rkn", show_default=True, help="Register to draw from."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**53),
    default=1,
    show_default=True,
    help="Random seed; the same seed draws the same hosts.",
)
@click.option(
    "--include",
    multiple=True,
    metavar="AUTHORITY",
    help="Include this authority's hosts even if the content may be harmful.",
)
@AT
@click.option("--json", "as_json", is_flag=True, help="Print the sample as one JSON line.")
@click.pass_obj
def sample(app: App, size: int, name: str, seed: int, include: tuple[str, ...], at: datetime, as_json: bool) -> None:
    """Draw SIZE hosts as a campaign with this seed would, without measuring them.

    Hosts listed for drugs, suicide or child abuse, or possibly so, are excluded."""
    from results.registers import sampling

    with _database(app) as db:
        drawn = sampling.sample(db, name, sampling.SampleRequest(size=size, seed=seed, include=include), at)
    if as_json:
        print_json(drawn)
    else:
        say.sampled(drawn, quiet=app.quiet)


@contextmanager
def _database(app: App) -> Iterator[Database]:
    """The open database; SQLite errors are reported in one line."""
    from results.db.store import explained

    with app.store() as store, explained(store.path):
        store.db.conn.execute(f"PRAGMA cache_size = -{CACHE_KIB}")  # a register is larger than SQLite's default
        yield store.db


def _targets(app: App, arguments: Iterable[str]) -> list[tuple[str | None, str]]:
    """Every target, with the service it belongs to if given by service; all are checked first."""
    from probe.services import named
    from results.registers.names import lookup_key
    from schedules.plan.selection import IS_TARGET, services

    words: list[str] = []
    for argument in arguments:
        words += [argument] if argument != "-" else [line.rstrip("\r\n") for line in sys.stdin if line.strip()]
    found: list[tuple[str | None, str]] = []
    for word in words:
        if IS_TARGET.search(word):
            lookup_key(word)
            found.append((None, word))
        else:
            found += [(word, target.text) for target in named(word, services(app.config())).targets]
    return found
