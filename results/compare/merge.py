"""Merges databases into a store, each measurement once, in any order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from probe.text import printable
from results.compare.databases import open_read_only
from results.db.connect import opened
from results.db.jsonl import BadRecord
from results.db.store import Judge, Store, StoreError, explained
from results.export import exchange
from results.export.exchange import ImportedRecord, SkippedLine, read_line, write_line

if TYPE_CHECKING:
    from sqlite_utils import Database


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
    """A migrated copy of the database; the original is only read."""
    if not path.exists():
        raise StoreError(f"{path}: there is no such database")
    with TemporaryDirectory(prefix=".merging-", dir=folder) as made:
        copied = Path(made) / "copy.db"
        with explained(path), closing(open_read_only(path)) as source, closing(opened(copied)) as target:
            source.backup(target)
            if not target.execute("SELECT 1 FROM sqlite_master WHERE name = 'measurements'").fetchone():
                raise StoreError(f"{path}: is not a reachprobe database")
        store = Store.open(copied)
        try:
            yield store
        finally:
            store.close()


def _lines(store: Store, path: Path) -> Iterator[tuple[Path, int, bytes | BadRecord]]:
    """Each measurement as a line of an export, so that it passes the same checks."""
    for number, measurement_id in enumerate(exchange.ids(store.db), 1):
        yield path, number, _line(store.db, measurement_id)


def _line(db: Database, measurement_id: str) -> bytes | BadRecord:
    try:
        return exchange.line(db, measurement_id, write_line)
    except (ValueError, TypeError, LookupError, RecursionError, sqlite3.DatabaseError) as error:
        return BadRecord(f"measurement {printable(measurement_id, 60)}: {printable(str(error))}")
