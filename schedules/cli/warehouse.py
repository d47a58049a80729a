"""Load, query and archive many vantage points' results in a columnar store."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from gettext import gettext as _
from typing import TYPE_CHECKING, Any

import click
import msgspec

from probe.text import safe
from probe.timestamps import rfc3339
from results.sql import statements
from schedules.cli._app import App
from schedules.cli._times import Moment, period_options, text_of
from schedules.render.output import out, print_json, progress_bars, talk
from schedules.render.text import how_many, method_text, outcome_text, words

if TYPE_CHECKING:
    from results.warehouse.engine import Engine

NAMES = (
    "matrix",
    "agreement_over_time",
    "enforcement_delay",
    "unlisted_blocks",
    "methods_by_network",
    "changes",
    "collateral",
)
WHICH = "Warehouse: duckdb:///FILE, chdb:///FOLDER or clickhouse://USER@HOST:PORT/DATABASE."
TIME_COLUMNS = ("last_at", "first_at", "listed_at", "last_open", "first_blocked", "last_was_at", "first_now_at")
MAX_SOURCES_SHOWN = 20
SQL = statements(__file__)


@click.group()
def warehouse() -> None:
    """Load many vantage points' results into a columnar store and query it.

    The URL selects the store: duckdb:///FILE is a file on this machine, chdb:///FOLDER is ClickHouse without a
    server, clickhouse://USER@HOST:PORT/DATABASE is a ClickHouse server or cluster.
    """


@warehouse.command()
@click.argument("places", nargs=-1, required=True, metavar="SOURCE…")
@click.option("--to", "url", required=True, metavar="URL", help=WHICH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line of counts per source.")
@click.pass_obj
def load(app: App, places: tuple[str, ...], url: str, as_json: bool) -> None:
    """Load SOURCES into the warehouse. Records that are already loaded are skipped.

    A SOURCE is a database, a file of records (reachprobe's or OONI's, also .gz and .zst), a folder of these, or a
    folder of Parquet files by country and date. An interrupted load continues where it stopped.
    """
    with open_warehouse(url) as engine:
        from results.fingerprints.collection import library_of
        from results.warehouse.load import find_sources, load_source, make_judge

        judge = make_judge(library_of(app.database))
        read = measurements = skipped = 0
        try:
            for source in (source for place in places for source in find_sources(place, judge)):
                own = left_out = 0
                with progress_bars(app.quiet, source.name.rpartition("/")[2]) as (progress,):
                    for step in load_source(engine, source, lambda: datetime.now(UTC)):
                        progress(step.position, step.total)
                        own, left_out = own + step.measurements, left_out + step.skipped
                        if step.why is not None:
                            sentence = _("{source}: {why} (skipped: {records})")
                            about = {"source": source.name, "why": step.why}
                            said = sentence.format(**about, records=how_many(step.skipped, "record"))
                            talk(safe(said), quiet=app.quiet)
                read, measurements, skipped = read + 1, measurements + own, skipped + left_out
                if as_json:
                    print_json({"source": source.name, "measurements": own, "skipped": left_out})
        finally:
            sentence = _("{measurements} loaded; sources: {sources}")
            if skipped:
                sentence = _("{measurements} loaded; sources: {sources}, records skipped: {skipped}")
            loaded = how_many(measurements, "measurement")
            talk(sentence.format(measurements=loaded, sources=read, skipped=skipped), quiet=app.quiet)


@warehouse.command()
@click.argument("name", type=click.Choice(NAMES), metavar="QUESTION")
@click.option("--from", "url", required=True, metavar="URL", help=WHICH)
@period_options
@click.option("--json", "form", flag_value="json", help="Print one JSON line per row.")
@click.option("--csv", "form", flag_value="csv", help="Print one CSV line per row.")
@click.pass_obj
def query(app: App, name: str, url: str, since: datetime | None, until: datetime | None, form: str | None) -> None:
    """Run a built-in query.

    The queries are matrix, agreement_over_time, enforcement_delay, unlisted_blocks,
    collateral, methods_by_network or changes.

    Every engine returns the same rows in the same order (docs/scale.md).
    """
    from results.aggregate.questions import Period

    period = Period(since=text_of(since), until=text_of(until))
    with open_warehouse(url, must_exist=True) as engine:
        from results.warehouse.queries import WarehouseAnswers

        rows = getattr(WarehouseAnswers(engine), name)(period)
    if form == "json":
        for row in rows:
            print_json(row)
    elif form == "csv":
        from results.export.exchange import without_formula

        lines = csv.writer(sys.stdout, lineterminator="\n")
        if rows:
            lines.writerow(rows[0].__struct_fields__)
        for row in rows:
            values = msgspec.structs.astuple(row)
            lines.writerow(map(without_formula, values))
    elif rows:
        _print_table(rows)
    else:
        talk(_("{query}: no matching rows").format(query=name), quiet=app.quiet)


@warehouse.command()
@click.option("--from", "url", required=True, metavar="URL", help=WHICH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")
@click.pass_obj
def status(app: App, url: str, as_json: bool) -> None:
    """Show the warehouse's contents and size."""
    with open_warehouse(url, must_exist=True) as engine:
        held = {name: _plain(value) for name, value in engine.query(SQL["HELD"]).to_pylist()[0].items()}
        held |= engine.query(SQL["STEPS"]).to_pylist()[0]
        newest = engine.query(SQL["NEWEST"]).to_pylist()[0]["newest"]
        read = [{name: _plain(value) for name, value in row.items()} for row in engine.query(SQL["READ"]).to_pylist()]
        held |= {"version": newest or 0, "bytes": engine.stored_bytes(), "sources": read}
    if as_json:
        print_json(held)
        return
    total = sum(held["bytes"].values())
    size = _("{size} MB, {bytes} bytes per observation")
    period = words().say("general.period", first=held["first_at"], last=held["last_at"])
    lines = [
        ", ".join(how_many(held[f"{thing}s"], thing) for thing in ("measurement", "observation", "target", "vantage")),
        period if held["measurements"] else _("nothing loaded yet"),
        size.format(size=words().number(total / 1e6), bytes=round(total / max(held["observations"], 1))),
    ]
    lines += [_("recomputed: {times}").format(times=how_many(held["version"], "time"))] if held["version"] else []
    for one in read[:MAX_SOURCES_SHOWN]:
        sentence = _("{source}: {measurements}, last {when}")
        about = {"source": one["source"], "measurements": how_many(one["loaded"], "measurement")}
        lines.append(safe("  " + sentence.format(**about, when=one["last_at"])))
    if len(read) > MAX_SOURCES_SHOWN:
        lines.append("  " + _("… and {count} more; --json has all").format(count=len(read) - MAX_SOURCES_SHOWN))
    console = out()
    for line in lines:
        console.print(line)


@warehouse.command()
@click.option("--from", "url", required=True, metavar="URL", help=WHICH)
@click.option(
    "--to", "to", required=True, metavar="PLACE", help="Destination: a folder, or a file://, s3:// or gs:// URL."
)
@click.option("--since", type=Moment(), metavar="DAY", help="Only this day and later.")
@click.option("--until", type=Moment(), metavar="DAY", help="Only days before this.")
@click.pass_obj
def archive(app: App, url: str, to: str, since: datetime | None, until: datetime | None) -> None:
    """Write the warehouse as Parquet files by country and date.

    Writing again changes nothing. Read the files back with `warehouse load`. s3:// needs `pip install s3fs`, gs://
    needs `pip install gcsfs`.
    """
    with open_warehouse(url, must_exist=True) as engine:
        from results.warehouse import parquet

        there, measurements = parquet.open_path(to), 0
        found = parquet.list_partitions(engine, since and since.date(), until and until.date())
        with progress_bars(app.quiet, _("writing")) as (progress,):
            for number, (country, day) in enumerate(found, 1):
                measurements += parquet.write_partition(engine, there, country, day)
                progress(number, len(found))
    sentence = _("{path}: {measurements}, {partitions}")
    written = {"measurements": how_many(measurements, "measurement"), "partitions": how_many(len(found), "partition")}
    talk(sentence.format(path=to, **written), quiet=app.quiet)


@warehouse.command()
@click.option("--from", "url", required=True, metavar="URL", help=WHICH)
@click.option("--workers", type=click.IntRange(1, 256), help="Number of processes (default: one per CPU).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per kind of change.")
@click.pass_obj
def reclassify(app: App, url: str, workers: int | None, as_json: bool) -> None:
    """Recompute every verdict with the current rules. Old verdicts are kept; queries use the new ones.

    Register entries stay as they were stored with each measurement.
    """
    with open_warehouse(url, must_exist=True) as engine:
        from results.warehouse import reclassify as judging

        end: judging.ReclassifyProgress | None = None
        many = workers or os.cpu_count() or 1
        with progress_bars(app.quiet, _("recomputing")) as (progress,):
            for end in judging.reclassify(engine, lambda: datetime.now(UTC), workers=many, fingerprints=app.database):
                progress(end.measurements, end.total)
    if end is None:
        talk(_("the warehouse is empty; use `reachprobe warehouse load SOURCE… --to URL`"), quiet=app.quiet)
        return
    for (was, how, now, method, rule), number in sorted(end.changes.items(), key=lambda one: (-one[1], str(one[0]))):
        if as_json:
            change = {"was": was, "was_method": how, "now": now, "method": method, "rule": rule, "count": number}
            print_json(change | {"version": end.version})
            continue
        before, after = (
            ", ".join(filter(None, (outcome_text(outcome), by and method_text(by))))
            for outcome, by in ((was, how), (now, method))
        )
        sentence = _("{before} → {after} (rule {rule})").format(before=before, after=after, rule=rule)
        out().print(safe(f"{number:>9}  {sentence}"))
    sentence = _("verdicts recomputed: {count}, changed: {changed}; version {version}")
    counts = {"count": end.measurements, "changed": end.changes.total(), "version": end.version}
    talk(sentence.format(**counts), quiet=app.quiet)


@contextmanager
def open_warehouse(url: str, *, must_exist: bool = False) -> Iterator[Engine]:
    """The open warehouse. ClickException if it cannot be used or an extra is missing."""
    try:
        from results.warehouse.engine import open_engine
        from results.warehouse.errors import WarehouseError
    except ModuleNotFoundError as error:
        raise click.ClickException(_missing(error)) from error
    try:
        with closing(open_engine(url, must_exist=must_exist)) as engine:
            yield engine
    except WarehouseError as error:
        raise click.ClickException(str(error)) from error
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("ibis", "sqlglot", "pyarrow", "fsspec", "duckdb"):
            raise
        raise click.ClickException(_missing(error)) from error


def _missing(error: ModuleNotFoundError) -> str:
    sentence = _("the warehouse needs an extra ({module} is missing): pip install 'reachprobe[warehouse]'")
    return sentence.format(module=error.name)


def _print_table(rows: Sequence[msgspec.Struct]) -> None:
    """A table of the columns that are not empty."""
    from rich.text import Text

    from schedules.render.tables import new_table

    values = [msgspec.structs.asdict(row) for row in rows]
    names = [name for name in values[0] if any(row[name] is not None for row in values)]
    names = [name for name in names if name not in ("id", "network_name")]
    table = new_table()
    for name in names:
        number = isinstance(next(row[name] for row in values if row[name] is not None), (int, float)) and name != "asn"
        table.add_column(name.replace("_", " "), overflow="fold", justify="right" if number else "left")
    for row in values:
        table.add_row(*(Text(_short(name, row[name])) for name in names))
    out().print(table)


def _short(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "asn":
        return f"AS{value}"
    if isinstance(value, str) and name in TIME_COLUMNS and len(value) > len("2017-05-06"):
        return safe(f"{value[:10]} {value[11:16]}")
    return safe(str(value)).removeprefix("https://") if name == "target" else safe(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value.replace(tzinfo=UTC))
    return int(value) if value is not None and not isinstance(value, str) else value
