"""`results export` and `results key`: measurements out of the database, in a format that others read, and signed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from schedules.cli._app import App

if TYPE_CHECKING:
    from minisign import SecretKey

    from results.db.store import Store
    from results.export.exchange import Write


FORMATS = ["jsonl", "ooni", "csv", "parquet"]
LICENCES = [
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-SA-4.0",
    "ODC-By-1.0",
    "ODbL-1.0",
    "PDDL-1.0",
]
"""By their SPDX identifiers."""
ALL = "SELECT count(*) FROM measurements WHERE control_of IS NULL"


@click.command("export")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), required=True, help="Our own JSONL is the only whole one."
)
@click.option("-o", "--output", "path", metavar="FILE", type=click.Path(path_type=Path), help="Instead of stdout.")
@click.option(
    "--licence", type=click.Choice(LICENCES), help="Under which others may use the data; it is written into it."
)
@click.option(
    "--sign", "key_file", metavar="KEY", type=click.Path(path_type=Path), help="Sign FILE: see `results key`."
)
@click.pass_obj
def export(app: App, format_: str, path: Path | None, licence: str | None, key_file: Path | None) -> None:
    """Write every measurement, oldest first, one a line. FILE is there only once it is complete.

    With --sign there is FILE.minisig beside it: `results import --verify` and minisign tell whether FILE is as it was.
    """
    if path is None and (key_file is not None or format_ == "parquet"):
        raise click.UsageError(f"{'--sign' if key_file else '--format parquet'} needs a file: give -o FILE")
    key = _secret(key_file) if key_file is not None else None
    with closing(app.store(must_exist=True)) as store:
        count = int(store.db.execute(ALL).fetchone()[0])
        if path is None:
            for line in _lines(store, format_, licence, count):
                sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            return
        comment = f"{_count(count)} of reachprobe; format {format_}; licence {licence or 'not stated'}"
        with _written(path, key, comment) as out:
            if format_ == "parquet":
                _parquet(store, Path(out.name), licence)
            else:
                out.writelines(_lines(store, format_, licence, count))
    if not app.quiet:
        click.echo(f"{_count(count)} written to {path}", err=True)


@click.command("key")
@click.argument("file", type=click.Path(path_type=Path))
def key(file: Path) -> None:
    """Make a key that signs exports: FILE is to be kept secret, FILE.pub is for others. Prints the public key."""
    from results.export import signing

    made = signing.new_key()
    try:
        signing.write_keys(made, file)
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror or error}") from error
    click.echo(signing.public_text(made))


def _secret(file: Path) -> SecretKey:
    from results.export import signing

    try:
        return signing.read_secret(file)
    except signing.SignatureError as error:
        raise click.ClickException(str(error)) from error


def _lines(store: Store, format_: str, licence: str | None, count: int) -> Iterator[bytes]:
    """Each line with its line feed, the licence where the format has a place for it."""
    from results import ooni
    from results.db import read
    from results.export import exchange, tabular

    if format_ == "csv":
        yield from tabular.csv_lines(read.rows(store.db, oldest_first=True), licence)
        return
    write: Write = exchange.write_line if format_ == "jsonl" else partial(ooni.write_line, licence=licence)
    if format_ == "jsonl" and licence is not None:
        yield exchange.write_header(licence, count) + b"\n"
    for line in exchange.export(store, write):
        yield line + b"\n"


def _parquet(store: Store, path: Path, licence: str | None) -> None:
    from results.db import read
    from results.export import tabular

    try:
        tabular.write_parquet(read.rows(store.db, oldest_first=True), path, licence)
    except tabular.NoParquet as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _written(path: Path, key: SecretKey | None, comment: str) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place when all is written, and its signature with it."""
    try:
        if path.exists() and not path.is_file() and key is None:  # a pipe or a device is written to, never replaced
            with path.open("wb") as there:
                yield there
            return
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with unfinished.open("xb") as out:
                yield out
            signature = _signed(unfinished, key, comment) if key is not None else None
            unfinished.replace(path)
            if signature is not None:
                path.with_name(f"{path.name}.minisig").write_text(signature)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from error


def _signed(file: Path, key: SecretKey, comment: str) -> str:
    from results.export import signing

    return signing.sign(file, key, comment)


def _count(number: int) -> str:
    return f"{number} measurement{'' if number == 1 else 's'}"
