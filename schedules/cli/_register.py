"""What `reachprobe register` says: imports, look-ups, statistics and changes as lines."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from schedules.show.output import print_json
from schedules.show.words import safe

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from results.expectation import Expectation
    from results.registers.differences import Difference
    from results.registers.records import ImportReport
    from results.registers.source import Progress
    from results.registers.statistics import Statistics

SHOWN_PROBLEMS = 20
COUNTS = ("rows", "kept", "skipped", "entries", "updated")
SIGNS = {"added": "+", "removed": "-", "changed": "~"}


@contextmanager
def progress(quiet: bool, *doing: str) -> Iterator[Sequence[Progress | None]]:
    """A bar for each thing to be done, on standard error, only on a terminal; a bar appears when it begins."""
    if quiet or not sys.stderr.isatty():
        yield [None] * len(doing)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield [_telling(bar, bar.add_task(what, total=None, visible=False)) for what in doing]


def _telling(bar: Bar, task: TaskID) -> Progress:
    return lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def imported(report: ImportReport, as_json: bool) -> None:
    """The counts of an import on stdout, the first problems on stderr."""
    for problem in report.problems[:SHOWN_PROBLEMS]:
        what = "skipped" if problem.skipped else "kept"
        click.echo(safe(f"{problem.source}:{problem.line}: {problem.why} ({what})"), err=True)
    if more := sum(report.reasons.values()) - min(len(report.problems), SHOWN_PROBLEMS):
        click.echo(f"... and {more} more", err=True)
    before = report.entries + report.removed - report.added
    if report.removed * 5 > before:
        click.echo(
            f"{report.removed} of {before} entries are gone; parts of one version are imported together", err=True
        )
    if as_json:
        for why, count in report.reasons.items():
            print_json({"why": why, "problems": count})
        print_json({key: getattr(report, key) for key in COUNTS})
        return
    click.echo(f"{safe(report.register)} ({report.country}), {report.format}, version {report.version}")
    click.echo(f"{report.rows} rows: {report.kept} kept, {report.skipped} skipped")
    for why, count in report.reasons.items():
        click.echo(f"  {count} × {safe(why)}")
    click.echo(f"{report.entries} entries: {report.added} new, {report.removed} gone since the version before")


def looked_up(found: Expectation) -> str:
    """One sentence."""
    if found.listed is None:
        return safe(f"{found.target}: unknown: {found.reason}")
    basis = f" {found.basis}" if found.basis else ""
    said = f"listed since {found.since}{basis}" if found.listed else "not listed"
    old = f" (version {found.as_of}" + (", too old to decide anything)" if found.stale else ")")
    return safe(f"{found.target}: {said}: {found.reason}{old}")


def statistics(row: Statistics) -> None:
    """One register in a few lines."""
    old = f"{row.age_days:.1f} days old" + (", too old to decide anything" if row.stale else "")
    click.echo(f"{safe(row.register)} ({row.country}), {row.format}: version {row.as_of}, {old}")
    click.echo(f"  {row.versions} version(s) since {row.first_version}; {row.entries} entries, {row.names} names")
    click.echo(f"  the last import: {row.rows} rows, {row.kept} kept, {row.skipped} skipped")
    for title, counts in (("blocked by", row.block_types), ("authority", row.authorities), ("basis", row.bases)):
        click.echo(f"  {title}: " + ", ".join(f"{safe(what)} {count}" for what, count in counts.items()))


def changes(found: Difference) -> None:
    """One line a change, and the counts on stderr."""
    for change in found.changes:
        what = change.urls or change.names or change.subnets or ""
        decided = " ".join(filter(None, (change.authority, change.decision_number, change.decision_date)))
        changed = f" (changed: {', '.join(change.was)})" if change.was else ""
        click.echo(safe(f"{SIGNS[change.change]} {what} [{decided}]{changed}".replace("\n", " ")))
    kinds = Counter(change.change for change in found.changes)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in ("added", "removed", "changed"))
    click.echo(safe(f"{found.register}, {found.before} to {found.after}: {counts}"), err=True)
