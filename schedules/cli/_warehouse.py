"""Output of the `warehouse` commands."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from probe.text import safe
from probe.timestamps import rfc3339
from schedules.cli._app import App
from schedules.render.output import out, print_json, talk
from schedules.render.text import how_many

if TYPE_CHECKING:
    from datetime import date

    from results.warehouse.engine import Engine

TIME_COLUMNS = ("last_at", "first_at", "listed_at", "last_open", "first_blocked", "last_was_at", "first_now_at")
MAX_SHOWN_SOURCES = 20
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")
CONTENT_SQL = """
SELECT count(*) AS measurements, count(DISTINCT target) AS targets, count(DISTINCT vantage_key) AS vantages,
    min(started_at) AS first_at, max(started_at) AS last_at
FROM verdicts WHERE control_of IS NULL AND version = 0
"""
OBSERVATIONS_SQL = "SELECT count(*) AS observations FROM observations"
SOURCES_SQL = """
SELECT source, max(position) AS reached, CAST(sum(measurements) AS BIGINT) AS loaded, max("at") AS last_at
FROM loads GROUP BY source ORDER BY source
"""


def show_load(app: App, engine: Engine, places: Sequence[str], as_json: bool) -> None:
    """Load every source with a progress bar; print what each contained."""
    from results.fingerprints.collection import library_of
    from results.warehouse.load import find_sources, load_source, make_judge

    judge = make_judge(library_of(app.database))
    read = measurements = skipped = 0
    try:
        for source in (source for place in places for source in find_sources(place, judge)):
            own = left_out = 0
            with _progress(app.quiet, source.name) as report:
                for step in load_source(engine, source, lambda: datetime.now(UTC)):
                    report(step.position, step.total)
                    own, left_out = own + step.measurements, left_out + step.skipped
                    if step.why is not None:
                        message = f"{source.name}: {step.why} (skipped, {how_many(step.skipped, 'record')})"
                        talk(safe(message), quiet=app.quiet)
            read, measurements, skipped = read + 1, measurements + own, skipped + left_out
            if as_json:
                print_json({"source": source.name, "measurements": own, "skipped": left_out})
    finally:
        summary = f"{how_many(measurements, 'measurement')} loaded from {how_many(read, 'source')}"
        talk(summary + (f", {how_many(skipped, 'record')} skipped" if skipped else ""), quiet=app.quiet)


@contextmanager
def _progress(quiet: bool, name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(safe(name.rpartition("/")[2])[:30], total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def show_archive(app: App, engine: Engine, to: str, since: date | None, until: date | None) -> None:
    """Write every partition with a progress bar."""
    from results.warehouse import parquet
    from results.warehouse.parquet import open_path

    folder, measurements = open_path(to), 0
    found = parquet.list_partitions(engine, since, until)
    with _progress(app.quiet, "archive") as report:
        for number, (country, day) in enumerate(found, 1):
            measurements += parquet.write_partition(engine, folder, country, day)
            report(number, len(found))
    talk(f"{how_many(measurements, 'measurement')} in {how_many(len(found), 'partition')}, {to}", quiet=app.quiet)


def show_reclassify(app: App, engine: Engine, workers: int | None, as_json: bool) -> None:
    """Reclassify with a progress bar; print each kind of change and its rule."""
    import os

    from results.warehouse.reclassify import ReclassifyProgress, reclassify

    end: ReclassifyProgress | None = None
    many = workers or os.cpu_count() or 1
    with _progress(app.quiet, "judging") as report:
        for end in reclassify(engine, lambda: datetime.now(UTC), workers=many, fingerprints=app.database):
            report(end.measurements, end.total)
    if end is None:
        talk("nothing in the warehouse yet; `reachprobe warehouse load SOURCE… --to URL` brings it", quiet=app.quiet)
        return
    for (was, how, now, method, rule), number in sorted(end.changes.items(), key=lambda one: (-one[1], str(one[0]))):
        if as_json:
            change = {"was": was, "was_method": how, "now": now, "method": method, "rule": rule, "count": number}
            print_json(change | {"version": end.version})
            continue
        before, after = f"{was} {how or ''}".strip(), f"{now} {method or ''}".strip()
        out().print(safe(f"{number:>9}  {before} -> {after}, by {rule}"))
    changed = how_many(end.changes.total(), "verdict")
    talk(
        f"{how_many(end.measurements, 'measurement')} judged, {changed} changed: version {end.version}", quiet=app.quiet
    )


def show_answer(app: App, name: str, rows: Sequence[msgspec.Struct], form: str | None) -> None:
    """Print the rows of an answer as JSON, CSV or a table."""
    if form == "json":
        for row in rows:
            print_json(row)
        return
    if form == "csv":
        _print_csv(rows)
        return
    if not rows:
        talk(f"{name}: nothing in the warehouse answers that", quiet=app.quiet)
        return
    _print_table(rows)


def _print_csv(rows: Sequence[msgspec.Struct]) -> None:
    lines = csv.writer(sys.stdout, lineterminator="\n")
    for number, row in enumerate(rows):
        if number == 0:
            lines.writerow(row.__struct_fields__)
        lines.writerow(map(_csv_safe, msgspec.structs.astuple(row)))


def _csv_safe(value: Any) -> Any:
    """The value, quoted where a spreadsheet would run it as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_PREFIXES) else value


def _print_table(rows: Sequence[msgspec.Struct]) -> None:
    """Print a table of the columns that have values."""
    from rich.table import Table
    from rich.text import Text

    values = [msgspec.structs.asdict(row) for row in rows]
    names = [name for name in values[0] if any(row[name] is not None for row in values)]
    names = [name for name in names if name not in ("id", "network_name")]
    grid = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold")
    for name in names:
        number = isinstance(next(row[name] for row in values if row[name] is not None), (int, float)) and name != "asn"
        grid.add_column(name.replace("_", " "), overflow="fold", justify="right" if number else "left")
    for row in values:
        grid.add_row(*(Text(_short(name, row[name])) for name in names))
    out().print(grid)


def _short(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "asn":
        return f"AS{value}"
    if isinstance(value, str) and name in TIME_COLUMNS and len(value) > len("2017-05-06"):
        return safe(f"{value[:10]} {value[11:16]}")
    return safe(str(value)).removeprefix("https://") if name == "target" else safe(str(value))


def show_status(app: App, engine: Engine, as_json: bool) -> None:
    """Print what the warehouse contains."""
    held = {name: _plain(value) for name, value in engine.query(CONTENT_SQL).to_pylist()[0].items()}
    held |= engine.query(OBSERVATIONS_SQL).to_pylist()[0]
    newest = engine.query("SELECT max(version) AS newest FROM verdicts").to_pylist()[0]["newest"]
    read = [{name: _plain(value) for name, value in row.items()} for row in engine.query(SOURCES_SQL).to_pylist()]
    held |= {"version": newest or 0, "bytes": engine.stored_bytes(), "sources": read}
    if as_json:
        print_json(held)
        return
    total = sum(held["bytes"].values())
    lines = [
        f"{how_many(held['measurements'], 'measurement')}, {how_many(held['observations'], 'observation')}; "
        f"{how_many(held['targets'], 'target')}, {how_many(held['vantages'], 'vantage')}",
        f"from {held['first_at']} to {held['last_at']}" if held["measurements"] else "nothing was loaded yet",
        f"{total / 1e6:.1f} MB, {total / max(held['observations'], 1):.0f} bytes an observation",
        f"judged again {how_many(held['version'], 'time')}" if held["version"] else "",
    ]
    console = out()
    for line in filter(None, lines):
        console.print(line)
    for one in read[:MAX_SHOWN_SOURCES]:
        console.print(safe(f"  {one['source']}: {how_many(one['loaded'], 'measurement')}, last {one['last_at']}"))
    if len(read) > MAX_SHOWN_SOURCES:
        console.print(f"  … and {how_many(len(read) - MAX_SHOWN_SOURCES, 'more source')}; --json has all")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value.replace(tzinfo=UTC))
    return int(value) if value is not None and not isinstance(value, str) else value
