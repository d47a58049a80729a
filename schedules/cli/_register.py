"""The text output of `reachprobe register`: imports, look-ups, statistics and changes."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from probe.text import safe
from schedules.render.output import print_json, talk
from schedules.render.text import age, how_many

if TYPE_CHECKING:
    from results.registers.differences import Difference
    from results.registers.expectation import Expectation
    from results.registers.lookup import Neighbour
    from results.registers.records import ImportReport
    from results.registers.sampling import Sample
    from results.registers.statistics import Statistics

SHOWN_PROBLEMS = 20
COUNTS = ("rows", "kept", "skipped", "entries", "updated")
MAX_LINE = 4096
MAX_SHARING = 10
FIELDS = {"resolved": "addresses", "names": "name", "listed_on": "inclusion date", "until": "term"}
SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def imported(report: ImportReport, as_json: bool) -> None:
    """The counts of an import on stdout, the first problems on stderr."""
    for problem in report.problems[:SHOWN_PROBLEMS]:
        what = "skipped" if problem.skipped else "kept"
        click.echo(safe(f"{problem.source}:{problem.line}: {problem.why} ({what})"), err=True)
    if more := sum(report.reasons.values()) - min(len(report.problems), SHOWN_PROBLEMS):
        click.echo(f"... and {more} more", err=True)
    before = report.entries + report.removed - report.added
    if report.removed * 5 > before:
        gone = how_many(before, "entry is", "entries are")
        click.echo(
            f"{report.removed} of {gone} missing in this version; import all parts of a version together", err=True
        )
    if as_json:
        for why, count in report.reasons.items():
            print_json({"why": why, "problems": count})
        print_json({key: getattr(report, key) for key in COUNTS})
        return
    click.echo(f"{safe(report.register)} ({report.country}), {report.format}, version {report.version}")
    click.echo(f"{how_many(report.rows, 'row')}: {report.kept} imported, {report.skipped} skipped")
    for why, count in report.reasons.items():
        click.echo(f"  {count} × {safe(why)}")
    since = f"{report.added} added, {report.removed} removed since the previous version" if before else "first version"
    click.echo(f"{entries(report.entries)}: {since}")


def entries(number: int) -> str:
    """`1 entry`, `12 entries`."""
    return how_many(number, "entry", "entries")


def tell(text: str, indent: str = "  ") -> None:
    """Print one line on stdout; on a terminal wrapped at its width, continuation lines indented."""
    text = safe(text, MAX_LINE)
    if not sys.stdout.isatty():
        click.echo(text)
        return
    width = shutil.get_terminal_size().columns
    how: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False, "subsequent_indent": indent}
    click.echo(textwrap.fill(text, width, drop_whitespace=True, **how))


def looked_up(found: Expectation, name: str | None = None) -> None:
    """Print one sentence; `name` is the name given by the user if it is not the target itself."""
    asked = f"{name}: {found.target}" if name else found.target
    if found.listed is None:
        tell(f"{asked}: unknown: {found.reason}")
        return
    basis = f" {found.basis}" if found.basis else ""
    said = f"listed since {found.since}{basis}" if found.listed else "not listed"
    old = f" (version {found.as_of}" + (", too old to use)" if found.stale else ")")
    tell(f"{asked}: {said}: {found.reason}{old}")


def neighbour(register: str, as_of: str, one: Neighbour) -> None:
    """One address and the listed names at it."""
    blocked = "; blocked by address" if one.blocked_as_such else ""
    others = f": {', '.join(one.names)}" if one.names else ", no other names" if one.entries else ""
    more = ", ..." if one.names and one.entries > len(one.names) >= MAX_SHARING else ""
    tell(f"{register} {one.address}: {entries(one.entries)}{blocked}{others}{more} (version {as_of})")


def statistics(row: Statistics) -> None:
    """One register in a few lines."""
    old = age(row.age_days) + (", too old to use" if row.stale else "")
    tell(f"{row.register} ({row.country}), {row.format}: version {row.as_of}, {old}")
    versions = how_many(row.versions, "version")
    tell(f"  {versions} since {row.first_version}; {entries(row.entries)}, {how_many(row.names, 'name')}", "    ")
    tell(f"  last import: {how_many(row.rows, 'row')}, {row.kept} imported, {row.skipped} skipped", "    ")
    for title, counts in (("blocked by", row.block_types), ("authority", row.authorities), ("basis", row.bases)):
        tell(f"  {title}: " + ", ".join(f"{safe(what)} {count}" for what, count in counts.items()), "    ")


def changes(found: Difference) -> None:
    """Print one line per change, and the counts on stderr."""
    for change in found.changes:
        what = change.urls or change.names or change.subnets or ""
        decided = " ".join(filter(None, (change.authority, change.decision_number, change.decision_date)))
        fields = ", ".join(FIELDS.get(field, field.replace("_", " ")) for field in change.was or ())
        changed = f" (changed: {fields})" if fields else ""
        tell(f"{SIGNS[change.change]} {what} [{decided}]{changed}".replace("\n", " "))
    kinds = Counter(change.change for change in found.changes)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in ("added", "removed", "changed"))
    click.echo(safe(f"{found.register}, {found.before} to {found.after}: {counts}"), err=True)


def sampled(drawn: Sample, *, quiet: bool) -> None:
    """Print one target per line, and on stderr how many hosts each group had."""
    for target in drawn.targets:
        click.echo(safe(target))
    talk(f"{drawn.register}, version {drawn.as_of}, seed {drawn.seed}, {drawn.left_out} hosts excluded", quiet=quiet)
    for stratum, (there, taken) in drawn.strata.items():
        if taken:
            talk(safe(f"  {taken} of {how_many(there, 'host')}: {stratum}"), quiet=quiet)
