"""Where results are read from for comparing: databases, files of records (ours and OONI's), folders of these.

A kind of source is one function from its place to what was seen there; `read` chooses by what the place is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from results.compare import databases, jsonl_source
from results.compare.databases import Beside
from results.compare.observed import Seen
from results.db.jsonl import BadFile
from results.export.exchange import Skipped

SQLITE = b"SQLite format 3\x00"
ENDINGS = (".db", ".sqlite", ".sqlite3", ".jsonl", ".ndjson", ".json")
PACKED = (".gz", ".zst")
MOST_FILES = 100_000


class SourceError(ValueError):
    """A source that cannot be read; the message names it and the way out."""


def read(
    source: Path | str, *, since: float | None = None, until: float | None = None
) -> Iterator[Seen | Skipped | Beside]:
    """Everything that a source holds, once for each record, in the order in which it stands there.

    What cannot be read of it is handed on as Skipped; what of a database is surely not of the period from `since` to
    `until` (seconds since 1970) is only counted. Raises SourceError.
    """
    source = Path(source)
    try:
        for file in files_of(source):
            try:
                if is_database(file):
                    yield from databases.read(file, since=since, until=until)
                else:
                    yield from jsonl_source.read_records(file)
            except (BadFile, databases.BadDatabase) as error:
                if file == source:
                    raise SourceError(str(error)) from error
                yield Skipped(file, 0, str(error))
    except OSError as error:
        raise SourceError(f"{source}: {error.strerror or error}") from error


def files_of(source: Path) -> list[Path]:
    """The source itself, or the files of results in a folder, in a fixed order. Raises SourceError."""
    if not source.is_dir():
        if not source.exists():
            raise SourceError(f"{source}: there is no such file or folder")
        if not source.is_file():
            raise SourceError(f"{source}: neither a file nor a folder")
        return [source]
    found: list[Path] = []
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder, name) for name in sorted(names) if _is_named_so(name)]
        if len(found) > MOST_FILES:
            raise SourceError(f"{source}: more than {MOST_FILES} files of results; name its folders one by one")
    found = [file for file in found if file.is_file()]
    if not found:
        raise SourceError(f"{source}: no file of results in it ({', '.join(ENDINGS)}, plain or {' or '.join(PACKED)})")
    return found


def _is_named_so(name: str) -> bool:
    """Whether a file in a folder is one of results, by its ending."""
    if name.startswith("."):
        return False
    plain = next((name.removesuffix(end) for end in PACKED if name.endswith(end)), name)
    return plain.endswith(ENDINGS)


def is_database(file: Path) -> bool:
    """By its first bytes, whatever its name."""
    with file.open("rb") as opened:
        return opened.read(len(SQLITE)) == SQLITE
