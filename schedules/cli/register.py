"""`reachprobe register`: what governments say should be blocked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

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
@click.pass_context
def import_(
    ctx: click.Context,
    files: tuple[Path, ...],
    name: str | None,
    country: str | None,
    format_: str | None,
    as_json: bool,
) -> None:
    """Read one version of a register from FILE…, several files being its parts. It replaces nothing: versions are kept
    apart by their date. A file that is not whole leaves the register as it was."""
    from results.registers.importing import import_register

    with _explained(), _progress() as progress:
        report = import_register(_database(ctx), files, name=name, country=country, format=format_, progress=progress)
    _problems(report)
    if as_json:
        for why, count in report.reasons.items():
            _print_json({"why": why, "problems": count})
        _print_json({key: getattr(report, key) for key in ("rows", "kept", "skipped", "entries", "updated")})
        return
    click.echo(f"{report.register} ({report.country}), {report.format}, version {report.version}")
    click.echo(f"{report.rows} rows: {report.kept} kept, {report.skipped} skipped")
    for why, count in report.reasons.items():
        click.echo(f"  {count} × {_plain(why)}")
    click.echo(f"{report.entries} entries: {report.added} new, {report.removed} gone since the version before")


@register.command(short_help="Whether targets are listed, since when and why.")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET…")
@click.option("--as", "--register", "name", metavar="NAME", help="Ask this register only.")
@click.option("--country", metavar="CC", help="Ask this country's registers only.")
@click.option("--at", metavar="DATE", help="As it stood then: a date (the end of that day) or a moment, UTC.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a target.")
@click.pass_context
def lookup(
    ctx: click.Context, targets: tuple[str, ...], name: str | None, country: str | None, at: str | None, as_json: bool
) -> None:
    """Say of each TARGET (URL, host or address; `-` reads them from standard input, one a line) what the register says.
    Nothing is resolved."""
    from results.expectation import Lookup, lookup_row

    with _explained():
        asked = Lookup(_database(ctx), country=country, register=name, at=_moment(at), max_age_days=MAX_AGE_DAYS)
        for target in _targets(targets):
            found = asked.expect(target)
            if as_json:
                _print_json(lookup_row(found))
            else:
                click.echo(_sentence(found))


@register.command(short_help="What is stored, and how old it is.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON a register.")
@click.pass_context
def stats(ctx: click.Context, as_json: bool) -> None:
    """Say of each register how large and how old its newest version is."""
    from results.registers.statistics import statistics

    rows = statistics(_database(ctx), datetime.now(UTC), MAX_AGE_DAYS)
    for row in rows:
        if as_json:
            _print_json(msgspec.to_builtins(row))
            continue
        old = f"{row.age_days:.1f} days old" + (", too old to decide anything" if row.stale else "")
        click.echo(f"{row.register} ({row.country}), {row.format}: version {row.as_of}, {old}")
        click.echo(f"  {row.versions} version(s) since {row.first_version}; {row.entries} entries, {row.names} names")
        click.echo(f"  the last import: {row.rows} rows, {row.kept} kept, {row.skipped} skipped")
        for title, counts in (("blocked by", row.block_types), ("authority", row.authorities), ("basis", row.bases)):
            click.echo(f"  {title}: " + ", ".join(f"{_plain(what)} {count}" for what, count in counts.items()))
    if not rows and not as_json:
        click.echo("no register is stored; `reachprobe register import FILE` reads one", err=True)


def _database(ctx: click.Context) -> Database:
    db: Database = ctx.obj.store().db
    return db


class _Refused(click.ClickException):
    exit_code = 2


@contextmanager
def _explained() -> Iterator[None]:
    """What a user can cause, as one line and exit 2."""
    from results.registers.names import BadName
    from results.registers.records import RegisterError

    try:
        yield
    except (RegisterError, BadName) as error:
        raise _Refused(_plain(str(error))) from error


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error, only on a terminal."""
    if not sys.stderr.isatty():
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
        click.echo(_plain(f"{problem.source}:{problem.line}: {problem.why} ({what})"), err=True)
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
        return _plain(f"{found.target}: unknown: {found.reason}")
    basis = f" {found.basis}" if found.basis else ""
    said = f"listed since {found.since}{basis}" if found.listed else "not listed"
    old = f" (version {found.as_of}" + (", too old to decide anything)" if found.stale else ")")
    return _plain(f"{found.target}: {said}: {found.reason}{old}")


def _print_json(row: dict[str, Any]) -> None:
    click.echo(msgspec.json.encode(row))


def _plain(text: str) -> str:
    from results.registers.names import clean

    return clean(text)
