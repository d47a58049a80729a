"""Merges databases into a store, each measurement once, in any order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from gettext import gettext as _
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from probe.temporary_files import MERGING
from probe.text import printable
from results.db.connect import BadDatabase, empty_at, open_read_only, plain_columns
from results.db.jsonl import BadRecord
from results.db.store import Judge, Store, StoreError, explained
from results.export import exchange
from results.export.exchange import ImportedRecord, SkippedLine, read_line, write_line

if TYPE_CHECKING:
    from sqlite_utils import Database


COPIED_TABLES = (
    "vantages",
    "targets",
    "rounds",
    "measurements",
    "observations",
    "certificates",
    "bodies",
    "verdicts",
)


def merge(store: Store, databases: Iterable[Path], judge: Judge) -> Iterator[ImportedRecord | SkippedLine]:
    """Copy the measurements of `databases` into `store`, checked as lines of an export and judged by its registers.

    Raises StoreError.
    """
    for path in databases:
        if path.exists() and path.samefile(store.path):
            continue
        with _copy(path, store.path.parent) as other:
            yield from exchange.import_lines(store, _lines(other, path), read_line, judge)


@contextmanager
def _copy(path: Path, folder: Path) -> Iterator[Store]:
    """The rows of the database in a new one of our own schema; the original is only read.

    Only tables that measurements are in are copied: a stranger's views and triggers are programs, and its registers
    and hub tokens no concern of ours.
    """
    if not path.exists():
        raise StoreError(_("{path}: no such database").format(path=path))
    with TemporaryDirectory(prefix=MERGING, dir=folder) as made:
        copied = Path(made) / "copy.db"
        try:
            with explained(path), closing(open_read_only(path)) as source:
                _copy_rows(source, path, copied)
        except (BadDatabase, sqlite3.Error, UnicodeDecodeError) as error:
            says = _("{path}: cannot be read as a database ({error})")
            unread = says.format(path=path, error=printable(str(error), 200))
            raise StoreError(str(error) if isinstance(error, BadDatabase) else unread) from error
        store = Store.open(copied)
        try:
            yield store
        finally:
            store.close()


def _copy_rows(source: sqlite3.Connection, path: Path, copied: Path) -> None:
    tables = {table: plain_columns(source, path, table) for table in COPIED_TABLES}
    applied = [row[0] for row in source.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
    with closing(empty_at(copied, applied, path)) as target:
        for table, columns in tables.items():
            ours = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
            names = ", ".join(f'"{name}"' for name in ours if name in columns)
            marks = ", ".join("?" for name in ours if name in columns)
            rows = source.execute(f"SELECT {names} FROM {table}")  # noqa: S608 names of our own schema
            target.executemany(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608
        target.commit()


def _lines(store: Store, path: Path) -> Iterator[tuple[Path, int, bytes | BadRecord]]:
    """Each measurement as a line of an export, so that it passes the same checks."""
    for number, measurement_id in enumerate(exchange.ids(store.db), 1):
        yield path, number, _line(store.db, measurement_id)


def _line(db: Database, measurement_id: str) -> bytes | BadRecord:
    try:
        return exchange.line(db, measurement_id, write_line)
    except (ValueError, TypeError, LookupError, RecursionError, sqlite3.DatabaseError) as error:
        return BadRecord("measurement {id}: {error}", id=printable(measurement_id, 60), error=printable(str(error)))
