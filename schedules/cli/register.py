"""Registers: what governments say should be blocked."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from schedules.cli import _register as say
from schedules.cli._app import App
from schedules.cli._times import Moment
from schedules.render.output import print_json, progress_bars, talk

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
    help="As it stood then: a date (the end of that day) or a moment, UTC.",
)


def _which(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which register is asked, and as it stood when."""
    for option in (
        AT,
        click.option("--country", metavar="CC", help="Ask this country's registers only."),
        click.option("--as", "--register", "name", metavar="NAME", help="Ask this register only."),
    ):
        command = option(command)
    return command


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
    app: App, files: tuple[Path, ...], name: str | None, country: str | None, format_: str | None, as_json: bool
) -> None:
    """Read one version of a register from FILE…, several files being its parts. It replaces nothing: versions are kept
    apart by their date. A file that is not whole leaves the register as it was."""
    from results.registers.importing import ImportOptions, import_register

    with _database(app) as db, progress_bars(app.quiet, "reading", in_bytes=True) as (reading,):
        options = ImportOptions(name=name, country=country, format=format_, progress=reading)
        report = import_register(db, files, options)
    say.imported(report, as_json)


@register.command(short_help="Fetch what is newer of the configured registers.")
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option("--force", is_flag=True, help="Take also a version that shrank by more than a fifth, or is not newer.")
@click.option("--json", "as_json", is_flag=True, help="The counts as JSONL.")
@click.pass_obj
def update(app: App, names: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Bring the registers of the configuration ([[register]] with a source), or those named, up to date. The old
    version serves until the new one is whole."""
    from probe.failure import internal_error
    from results.registers.records import RegisterError

    config = app.config()
    known = {table.name: table for table in config.register if table.all_sources}
    if missing := [name for name in names if name not in known]:
        raise RegisterError(f"no register {missing[0]!r} with a source is configured; name it in a [[register]]")
    if not known:
        raise RegisterError("no register with a source is configured: add a [[register]] with name, country and source")
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
            talk(f"{name}: nothing newer", quiet=app.quiet)
        else:
            say.imported(report, as_json)
    if failed:
        raise RegisterError("; ".join(failed))


def _update(app: App, table: RegisterTable, config: Config, force: bool) -> ImportReport | None:
    import asyncio

    from results.registers.importing import ImportOptions, update_register
    from schedules.hub_client.download import fetcher

    with _database(app) as db, progress_bars(app.quiet, "fetching", "reading", in_bytes=True) as (fetching, reading):
        options = ImportOptions(
            name=table.name, country=table.country, format=table.format, now=datetime.now(UTC), progress=reading
        )
        fetch, folder = fetcher(config, app.database, progress=fetching), app.database.with_name("downloads")
        return asyncio.run(update_register(db, table.all_sources, fetch, folder, options, force=force))


@register.command(short_help="Whether targets are listed, since when and why.")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@_which
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a target.")
@click.pass_obj
def lookup(
    app: App, targets: tuple[str, ...], name: str | None, country: str | None, at: datetime, as_json: bool
) -> None:
    """Say of each TARGET (URL, host, address or service; `-` reads them from standard input, one a line) what the
    register says. Nothing is resolved."""
    from results.registers.expectation import RegisterLookup, lookup_row

    wanted = _targets(app, targets)
    with _database(app) as db:
        asked = RegisterLookup(db, country=country, register=name, at=at, max_age_days=app.config().max_age_days)
        for service, target in wanted:
            found = asked.expect(target)
            if as_json:
                print_json(lookup_row(found) | {"service": service})
            else:
                say.looked_up(found, service)


@register.command(short_help="What is stored, and how old it is.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a register.")
@click.pass_obj
def stats(app: App, as_json: bool) -> None:
    """Say of each register how large and how old its newest version is."""
    from results.registers.statistics import statistics

    with _database(app) as db:
        rows = statistics(db, datetime.now(UTC), app.config().max_age_days)
    for row in rows:
        print_json(row) if as_json else say.statistics(row)
    if not rows:
        talk("no register is stored; `reachprobe register import FILE` reads one", quiet=app.quiet)


@register.command(short_help="What changed between two versions.")
@click.argument("before", metavar="A", type=Moment(end_of_day=True))
@click.argument("after", metavar="B", type=Moment(end_of_day=True))
@click.option("--as", "--register", "name", metavar="NAME", help="Which register; needed where several are stored.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a change.")
@click.pass_obj
def diff(app: App, before: datetime, after: datetime, name: str | None, as_json: bool) -> None:
    """Compare the versions in force at A and at B: dates (the end of that day) or moments, UTC."""
    from results.registers.differences import difference

    with _database(app) as db:
        found = difference(db, before, after, name)
    if not as_json:
        say.changes(found)
        return
    for change in found.changes:
        print_json(change)


@register.command(short_help="In plain words what is said of a target.")
@click.argument("target", metavar="TARGET")
@_which
@click.pass_obj
def explain(app: App, target: str, name: str | None, country: str | None, at: datetime) -> None:
    """Tell what the register says of TARGET (URL, host, address or service): dates, authority, decision, article, and
    what it said before."""
    from results.registers import expectation

    ages, wanted = app.config().max_age_days, _targets(app, [target])
    with _database(app) as db:
        asked = expectation.RegisterLookup(db, country=country, register=name, at=at, max_age_days=ages)
        for number, (_, each) in enumerate(wanted):
            if number:
                click.echo()
            for line in expectation.explain(asked, each):
                say.tell(line, " " * (len(line) - len(line.lstrip()) + 2))


@register.command(short_help="Listed names at the same addresses: a note, no listing.")
@click.argument("target", metavar="TARGET")
@_which
@click.option("--json", "as_json", is_flag=True, help="One line of JSON an address.")
@click.pass_obj
def neighbours(app: App, target: str, name: str | None, country: str | None, at: datetime, as_json: bool) -> None:
    """Show which listed names have stood at the addresses of TARGET, as the register's rows give them. Nothing is
    resolved, and nobody is listed for the company it keeps."""
    from probe.timestamps import rfc3339_of_epoch
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


@register.command(short_help="What a random sample would measure, without harm.")
@click.argument("size", type=click.IntRange(1, MAX_SAMPLE), metavar="SIZE")
@click.option("--as", "--register", "name", metavar="NAME", default="rkn", show_default=True, help="Of this register.")
@click.option("--seed", type=click.IntRange(0, 2**53), default=1, show_default=True, help="The same draws the same.")
@click.option("--include", multiple=True, metavar="AUTHORITY", help="Its hosts too, whatever harm they may do.")
@AT
@click.option("--json", "as_json", is_flag=True, help="The sample as one line of JSON.")
@click.pass_obj
def sample(app: App, size: int, name: str, seed: int, include: tuple[str, ...], at: datetime, as_json: bool) -> None:
    """Draw SIZE hosts as a campaign with this seed would, and measure none. Hosts listed for drugs, suicide or child
    abuse, and those that cannot be told from them, are left out."""
    from results.registers import sampling

    with _database(app) as db:
        drawn = sampling.sample(db, name, sampling.SampleRequest(size=size, seed=seed, include=include), at)
    if as_json:
        print_json(drawn)
    else:
        say.sampled(drawn, quiet=app.quiet)


@contextmanager
def _database(app: App) -> Iterator[Database]:
    """The database while the block runs; what SQLite complains of is told in one line."""
    from results.db.store import explained

    with app.store() as store, explained(store.path):
        store.db.conn.execute(f"PRAGMA cache_size = -{CACHE_KIB}")  # a register is larger than SQLite's default
        yield store.db


def _targets(app: App, arguments: Iterable[str]) -> list[tuple[str | None, str]]:
    """Every target with the service that it was named by, if any; all are checked before one is answered."""
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
