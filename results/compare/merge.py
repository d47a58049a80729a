"""Whole databases into one: what each of them measured, once, in whatever order they come."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from probe.text import printable
from results.compare.databases import open_read_only
from results.db.jsonl import BadRecord
from results.db.store import Judge, Store, StoreError, explained
from results.export import exchange
from results.export.exchange import ImportedRecord, SkippedLine, read_line, write_line

if TYPE_CHECKING:
    from sqlite_utils import Database


def merge(store: Store, databases: Iterable[Path], judge: Judge) -> Iterator[ImportedRecord | SkippedLine]:
    """Keep in `store` what `databases` measured; these are only read, and believed no more than a file would be.

    Registers, fingerprints and consents stay where they are: what is merged is judged by those of `store`. Raises
    StoreError.
    """
    for path in databases:
        if path.exists() and path.samefile(store.path):
            continue
        with _copy(path, store.path.parent) as other:
            yield from exchange.import_lines(store, _lines(other, path), read_line, judge)


@contextmanager
def _copy(path: Path, folder: Path) -> Iterator[Store]:
    """The database as of now, brought up to date in a copy: the original stays as it is."""
    if not path.exists():
        raise StoreError(f"{path}: there is no such database")
    with TemporaryDirectory(prefix=".merging-", dir=folder) as made:
        copied = Path(made) / "copy.db"
        with explained(path), closing(open_read_only(path)) as source, closing(sqlite3.connect(copied)) as target:
            source.backup(target)
            if not target.execute("SELECT 1 FROM sqlite_master WHERE name = 'measurements'").fetchone():
                raise StoreError(f"{path}: is not a reachprobe database")
        store = Store.open(copied)
        try:
            yield store
        finally:
            store.close()


def _lines(store: Store, path: Path) -> Iterator[tuple[Path, int, bytes | BadRecord]]:
    """Each measurement as a line of an export, so that it is held to all that a line is held to."""
    for number, measurement_id in enumerate(exchange.ids(store.db), 1):
        yield path, number, _line(store.db, measurement_id)


def _line(db: Database, measurement_id: str) -> bytes | BadRecord:
    try:
        return exchange.line(db, measurement_id, write_line)
    except (ValueError, TypeError, LookupError, RecursionError, sqlite3.DatabaseError) as error:
        return BadRecord(f"measurement {printable(measurement_id, 60)}: {printable(str(error))}")
