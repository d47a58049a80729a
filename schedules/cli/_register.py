"""The text output of `reachprobe register`: imports, look-ups, statistics and changes."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from gettext import gettext as _
from typing import TYPE_CHECKING

import click

from probe.text import safe
from schedules.render.output import print_json, print_problems, talk, wrapped
from schedules.render.text import age, how_many, words

if TYPE_CHECKING:
    from results.registers.expectation import Expectation
    from results.registers.lookup import Neighbour
    from results.registers.records import ImportReport
    from results.registers.sampling import Sample
    from results.registers.statistics import Difference, Statistics

COUNTS = ("rows", "kept", "skipped", "entries", "updated")
MAX_LINE = 4096
MAX_SHARING = 10
SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def imported(report: ImportReport, as_json: bool) -> None:
    """The counts of an import on stdout, the first problems on stderr."""
    print_problems(report.problems, sum(report.reasons.values()))
    before = report.entries + report.removed - report.added
    if report.removed * 5 > before:
        sentence = _("entries missing in this version: {count} of {all}; import all parts of a version together")
        click.echo(sentence.format(count=report.removed, all=before), err=True)
    if as_json:
        for why, count in report.reasons.items():
            print_json({"why": why, "problems": count})
        print_json({key: getattr(report, key) for key in COUNTS})
        return
    sentence = _("{register} ({country}), {format}, version {version}")
    about = {"country": report.country, "format": report.format, "version": words().when(report.version)}
    click.echo(sentence.format(register=safe(report.register), **about))
    click.echo(_counts(report.rows, report.kept, report.skipped))
    for why, count in report.reasons.items():
        click.echo(f"  {count} × {safe(why)}")
    sentence = _("{entries}, first version")
    if before:
        sentence = _("{entries}; since the previous version added {added}, removed {removed}")
    number = how_many(report.entries, "entry")
    click.echo(sentence.format(entries=number, added=report.added, removed=report.removed))


def _counts(rows: int, kept: int, skipped: int) -> str:
    sentence = _("{rows}: imported {kept}, skipped {skipped}")
    return sentence.format(rows=how_many(rows, "row"), kept=words().number(kept), skipped=words().number(skipped))


def tell(text: str, indent: str = "  ") -> None:
    """Print one line on stdout; on a terminal wrapped at its width, continuation lines indented."""
    text = safe(text, MAX_LINE).replace("\N{NO-BREAK SPACE}", " ")
    click.echo(wrapped(text, shutil.get_terminal_size().columns, indent) if sys.stdout.isatty() else text)


def looked_up(found: Expectation, name: str | None = None) -> None:
    """Print one sentence; `name` is the name given by the user if it is not the target itself."""
    asked = f"{name}: {found.target}" if name else found.target
    if found.listed is None:
        tell(_("{target}: unknown: {reason}").format(target=asked, reason=found.reason))
        return
    said = _("not listed")
    if found.listed:
        since = words().when(found.since) if found.since else "?"
        said = " ".join(filter(None, (_("listed since {date}").format(date=since), found.basis)))
    sentence = _("version {version}, too old to use") if found.stale else _("version {version}")
    version = sentence.format(version=words().when(found.as_of or "?"))
    tell(f"{asked}: {said}: {found.reason} ({version})")


def neighbour(register: str, as_of: str, one: Neighbour) -> None:
    """One address and the listed names at it."""
    blocked = "; " + _("blocked by address") if one.blocked_as_such else ""
    others = f": {', '.join(one.names)}" if one.names else ", " + _("no other names") if one.entries else ""
    more = ", …" if one.names and one.entries > len(one.names) >= MAX_SHARING else ""
    version, count = _("version {version}").format(version=words().when(as_of)), how_many(one.entries, "entry")
    tell(f"{register} {one.address}: {count}{blocked}{others}{more} ({version})")


def statistics(row: Statistics) -> None:
    """One register in a few lines."""
    old = ", " + _("too old to use") if row.stale else ""
    version = _("{register} ({country}), {format}, version {version}")
    about = {"country": row.country, "format": row.format, "version": words().when(row.as_of)}
    tell(f"{version.format(register=row.register, **about)}, {age(row.age_days)}{old}")
    versions = _("{versions} since {date}").format(
        versions=how_many(row.versions, "version"), date=words().when(row.first_version)
    )
    tell(f"  {versions}; {how_many(row.entries, 'entry')}, {how_many(row.names, 'name')}", "    ")
    tell("  " + _("last import: {counts}").format(counts=_counts(row.rows, row.kept, row.skipped)), "    ")
    bases = {_("not given") if basis == "not given" else basis: count for basis, count in row.bases.items()}
    titles = (_("blocked by"), row.block_types), (_("authority"), row.authorities), (_("basis"), bases)
    for title, counts in titles:
        tell(
            f"  {title}: " + ", ".join(f"{safe(what)} {words().number(count)}" for what, count in counts.items()),
            "    ",
        )


def changes(found: Difference) -> None:
    """Print one line per change, and the counts on stderr."""
    for change in found.changes:
        what = change.urls or change.names or change.subnets or ""
        decided = " ".join(filter(None, (change.authority, change.decision_number, change.decision_date)))
        fields = ", ".join(words().term("register_field", field) for field in change.was or ())
        changed = _(" (changed: {fields})").format(fields=fields) if fields else ""
        tell(f"{SIGNS[change.change]} {what} [{decided}]{changed}".replace("\n", " "))
    kinds = Counter(change.change for change in found.changes)
    counts = {"added": kinds["added"], "removed": kinds["removed"], "changed": kinds["changed"]}
    sentence = _("{register}, {before} to {after}: added {added}, removed {removed}, changed {changed}")
    about = {"register": found.register, "before": words().when(found.before), "after": words().when(found.after)}
    talk(safe(sentence.format(**about, **counts)))


def sampled(drawn: Sample, *, quiet: bool) -> None:
    """Print one target per line, and on stderr how many hosts each group had."""
    for target in drawn.targets:
        click.echo(safe(target))
    sentence = _("{register}, version {version}, seed {seed}, hosts excluded: {count}")
    about = {
        "register": drawn.register,
        "version": words().when(drawn.as_of),
        "seed": drawn.seed,
        "count": drawn.left_out,
    }
    talk(sentence.format(**about), quiet=quiet)
    for stratum, (there, taken) in drawn.strata.items():
        if taken:
            sentence = _("{count} of {hosts}: {group}")
            said = sentence.format(count=taken, hosts=how_many(there, "host"), group=stratum)
            talk(safe(f"  {said}"), quiet=quiet)
