"""The `warehouse` commands: load, query, archive, reclassify."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from schedules.cli._app import App
from schedules.cli._times import Moment, text_of

if TYPE_CHECKING:
    from datetime import datetime

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
MISSING = "a warehouse needs more than is installed ({}); `pip install 'reachprobe[warehouse]'`"
WHICH = "Which warehouse: duckdb:///FILE, chdb:///FOLDER or clickhouse://USER@HOST:PORT/DATABASE."


@click.group()
def warehouse() -> None:
    """Keep many vantages' results in a columnar store, and ask it: the same questions whatever holds them.

    The store is named by a URL: duckdb:///FILE is one file on this machine, chdb:///FOLDER is ClickHouse without a
    server, clickhouse://USER@HOST:PORT/DATABASE a server or a cluster.
    """


@warehouse.command()
@click.argument("places", nargs=-1, required=True, metavar="SOURCE…")
@click.option("--to", "url", required=True, metavar="URL", help=WHICH)
@click.option("--json", "as_json", is_flag=True, help="The counts of each source as a line of JSON.")
@click.pass_obj
def load(app: App, places: tuple[str, ...], url: str, as_json: bool) -> None:
    """Bring what SOURCES hold into the warehouse. What is there already is not read again.

    A SOURCE is a database, a file of records (ours or OONI's; .gz and .zst too), a folder of these, or of Parquet in
    folders by country and date. Interrupted, and begun again, it goes on where it stopped.
    """
    from schedules.cli._warehouse import show_load

    with open_warehouse(url) as engine:
        show_load(app, engine, places, as_json)


@warehouse.command()
@click.argument("name", type=click.Choice(NAMES), metavar="QUESTION")
@click.option("--from", "url", required=True, metavar="URL", help=WHICH)
@click.option("--since", type=Moment(), metavar="TIME", help="Only what was measured from this UTC date or time on.")
@click.option("--until", type=Moment(), metavar="TIME", help="Only what was measured before this UTC date or time.")
@click.option("--json", "form", flag_value="json", help="One line of JSON a row.")
@click.option("--csv", "form", flag_value="csv", help="One line of CSV a row.")
@click.pass_obj
def query(app: App, name: str, url: str, since: datetime | None, until: datetime | None, form: str | None) -> None:
    """Ask the warehouse one of its questions: matrix, agreement_over_time, enforcement_delay, unlisted_blocks,
    collateral, methods_by_network or changes.

    Rows are the same, in the same order, whatever engine holds them: docs/scale.md.
    """
    from results.aggregate.questions import Period
    from schedules.cli._warehouse import show_answer

    period = Period(since=text_of(since), until=text_of(until))
    with open_warehouse(url, must_exist=True) as engine:
        from results.warehouse.queries import WarehouseAnswers

        rows = getattr(WarehouseAnswers(engine), name)(period)
    show_answer(app, name, rows, form)


@warehouse.command()
@click.option("--from", "url", required=True, metavar="URL", help=WHICH)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@click.pass_obj
def status(app: App, url: str, as_json: bool) -> None:
    """Say what the warehouse holds, and how large it is."""
    from schedules.cli._warehouse import show_status

    with open_warehouse(url, must_exist=True) as engine:
        show_status(app, engine, as_json)


@warehouse.command()
@click.option("--from", "url", required=True, metavar="URL", help=WHICH)
@click.option("--to", "to", required=True, metavar="PLACE", help="A folder, or file://, s3://, gs://.")
@click.option("--since", type=Moment(), metavar="DAY", help="Only days from this one on.")
@click.option("--until", type=Moment(), metavar="DAY", help="Only days before this one.")
@click.pass_obj
def archive(app: App, url: str, to: str, since: datetime | None, until: datetime | None) -> None:
    """Write the warehouse as Parquet by country and date.

    Writing the same again changes nothing. `warehouse load PLACE` reads it. s3:// needs `pip install s3fs`, and gs://
    gcsfs.
    """
    from schedules.cli._warehouse import show_archive

    with open_warehouse(url, must_exist=True) as engine:
        show_archive(app, engine, to, since and since.date(), until and until.date())


@warehouse.command()
@click.option("--from", "url", required=True, metavar="URL", help=WHICH)
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that judge; by default one a processor.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each kind of change.")
@click.pass_obj
def reclassify(app: App, url: str, workers: int | None, as_json: bool) -> None:
    """Judge everything again by today's rules. Old verdicts stay; the new ones count from now on.

    What the registers said stays as it was stored with each measurement.
    """
    from schedules.cli._warehouse import show_reclassify

    with open_warehouse(url, must_exist=True) as engine:
        show_reclassify(app, engine, workers, as_json)


@contextmanager
def open_warehouse(url: str, *, must_exist: bool = False) -> Iterator[Engine]:
    """Open a warehouse; print its errors in one line."""
    try:
        from results.warehouse.engine import open_engine
        from results.warehouse.errors import WarehouseError
    except ModuleNotFoundError as error:
        raise click.ClickException(MISSING.format(error.name)) from error
    try:
        with closing(open_engine(url, must_exist=must_exist)) as engine:
            yield engine
    except WarehouseError as error:
        raise click.ClickException(str(error)) from error
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("ibis", "sqlglot", "pyarrow", "fsspec", "duckdb"):
            raise
        raise click.ClickException(MISSING.format(error.name)) from error
