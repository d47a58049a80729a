"""A register's files into the database, all of them or nothing."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from results.registers import names
from results.registers.commit import Said, enter
from results.registers.formats import formats
from results.registers.loader import Loader
from results.registers.records import Format, ImportReport, RegisterError, TruncatedRegister
from results.registers.source import Progress, Source, sources

if TYPE_CHECKING:
    from sqlite_utils import Database


def import_register(
    db: Database,
    paths: Sequence[Path | str],
    *,
    name: str | None = None,
    country: str | None = None,
    format: str | None = None,
    updated: datetime | None = None,
    now: datetime | None = None,
    max_shrink: float | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Read one version of a register from its files and store it.

    `updated` stands in for the moment the files say; without either, `now` is the version's moment. With
    `max_shrink` a version that lacks more than that share of the entries of the one before is refused. Raises
    RegisterError (also TruncatedRegister) and leaves the database as it was.
    """
    if not paths:
        raise RegisterError("no file to import")
    files = sources([Path(path) for path in paths], progress)
    chosen = _format(files[0], format)
    name, country = _whose(db, chosen, name, country)
    said = Said(
        name=name,
        country=country,
        format=chosen.name,
        files=[file.name for file in files],
        updated=updated,
        now=now or datetime.now(UTC),
        max_shrink=max_shrink,
    )
    loader = Loader(db.conn, _known(db.conn, name, country))
    try:
        with _in_transaction(db, "DEFERRED"):  # other writers go on while the rows are read and staged
            loader.load(chosen, files)
        with _in_transaction(db, "IMMEDIATE"):
            return enter(db.conn, _register_id(db.conn, name, country), loader, said)
    finally:
        loader.close()


def _format(first: Source, wanted: str | None) -> Format:
    known = formats()
    if wanted is not None:
        if wanted not in known:
            raise RegisterError(f"no register format {names.shown(wanted)}; known: {', '.join(sorted(known))}")
        return known[wanted]
    head = first.head()
    if not head:
        raise TruncatedRegister(f"{first.name} is empty; fetch it again")
    fitting = [candidate for candidate in known.values() if candidate.recognises(head)]
    if len(fitting) != 1:
        raise RegisterError(
            f"cannot tell the format of {first.name}; name it with --format: {', '.join(sorted(known))}"
        )
    return fitting[0]


@contextmanager
def _in_transaction(db: Database, kind: str) -> Iterator[None]:
    """A transaction of its own (IMMEDIATE takes its turn before it reads); inside another one, a part of that."""
    if db.conn.in_transaction:
        with db.atomic():
            yield
        return
    db.conn.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        db.conn.rollback()
        raise
    db.conn.commit()


def _whose(db: Database, chosen: Format, name: str | None, country: str | None) -> tuple[str, str]:
    """The register's name and country: as told, else as stored under that name, else as the format says."""
    name = name or chosen.register
    if not name:
        raise RegisterError(f"{chosen.name} is not one register's own format: name the register with --as")
    if country is None:
        stored = db.conn.execute("SELECT country FROM registers WHERE name = ?", (name,)).fetchone()
        country = stored[0] if stored else chosen.country
    if country is None or not re.fullmatch("[A-Za-z]{2}", country):
        raise RegisterError(f"register {names.shown(name)} needs a country of two letters: --country RU")
    return name, country.upper()


def _known(conn: sqlite3.Connection, name: str, country: str) -> int | None:
    found = conn.execute("SELECT id, country FROM registers WHERE name = ?", (name,)).fetchone()
    if found is None:
        return None
    if found[1] != country:
        raise RegisterError(
            f"register {names.shown(name)} is of {found[1]}, not {country}; import it under another name"
        )
    return int(found[0])


def _register_id(conn: sqlite3.Connection, name: str, country: str) -> int:
    if (found := _known(conn, name, country)) is not None:
        return found
    cursor = conn.execute("INSERT INTO registers (name, country) VALUES (?, ?)", (name, country))
    return int(cursor.lastrowid or 0)
