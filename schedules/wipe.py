"""Removes this program's files from a machine, and nothing that may not be its own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from results.db.store import StoreError

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.db.store import Store

SUFFIXES = re.compile(
    r"(-wal|-shm|-journal|\.lock|\.agent\.lock|\.networks|\.echoed|\.shared|\.fingerprints.*|\.m.*\.backup(\.part)?)?"
)
"""The suffixes of files next to a database."""
FILES_IN_FOLDERS = {
    "lists": re.compile(r"[0-9a-f]{32}\.(csv|failed)(\.part(\.json)?)?"),
    "downloads": re.compile(r"[0-9a-f]{16}|signature-.*"),
}
"""The folders next to it, and our files in them."""
KEEPABLE_TABLES = {"registers": re.compile("register(?!_samples)"), "consent": re.compile("consents$")}
"""The tables that may be kept."""


def files(database: Path) -> list[Path]:
    """The existing files of this database."""
    folder = database.parent
    if not folder.is_dir():
        return []
    found = [
        file
        for file in sorted(folder.iterdir())
        if file.name.startswith(database.name) and SUFFIXES.fullmatch(file.name.removeprefix(database.name))
    ]
    for name, ours in FILES_IN_FOLDERS.items():
        inside = folder / name
        if inside.is_dir() and not inside.is_symlink():
            found += [file for file in sorted(inside.iterdir()) if ours.fullmatch(file.name)]
    return found


def remove(things: Iterable[Path]) -> Iterator[Path]:
    """Delete files, folders, and folders left empty; yields each. Raises StoreError for the first that stays."""
    folders: dict[Path, None] = {}
    for thing in things:
        try:
            if thing.is_dir() and not thing.is_symlink():
                for inner in sorted(thing.rglob("*"), reverse=True):
                    inner.rmdir() if inner.is_dir() and not inner.is_symlink() else inner.unlink()
                thing.rmdir()
            else:
                thing.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{thing}: cannot be removed: {error.strerror}") from error
        folders[thing.parent] = None
        yield thing
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        if folder.name in (*FILES_IN_FOLDERS, "reachprobe"):
            try:
                folder.rmdir()
            except OSError:
                continue  # not empty
            yield folder


def empty(store: Store, keep: Collection[str]) -> None:
    """Delete all rows but those of the kept tables, and rewrite the database so that none can be recovered."""
    db = store.db
    kept = [KEEPABLE_TABLES[one] for one in keep]
    gone = [name for name in _tables(db) if not any(pattern.match(name) for pattern in kept)]
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA foreign_keys = OFF")
    with store.writing():
        for name in gone:
            db.execute(f'DELETE FROM "{name}"')  # noqa: S608 the names of our own tables
    store.forget_ids()
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _tables(db: Database) -> list[str]:
    named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_%'"
    return [row[0] for row in db.execute(f"{named} ESCAPE '\\'")]
