"""Registers in every format, packed or not: refused in one line, or entries that can be looked up and exported."""

from __future__ import annotations

import gzip
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import sqlite_utils

from results.registers import create_tables, names
from results.registers.expectation import RegisterLookup
from results.registers.formats import citizenlab, formats, plain, rkn_xml, rpz, uablacklist, zapret_csv
from results.registers.formats import reachprobe as ours
from results.registers.importing import ImportOptions, import_register
from results.registers.records import RegisterError
from tests.fuzz.targets import is_one_short_line, refused_in_words
from tests.results.registers.samples import SAMPLES

INSTRUMENT = ("results.registers",)
NAMES = tuple(sorted(SAMPLES))
RECOGNISED = 0x80
"""In the first byte: the format is not named, but to be recognised."""
LOOKED_UP = 20
NOW = datetime(2040, 1, 1, tzinfo=UTC)
CONTENT = "SELECT names, urls, subnets, resolved FROM register_entries ORDER BY 1, 2, 3, 4"
FOLDER = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
EVERY = (citizenlab, plain, rkn_xml, rpz, uablacklist, zapret_csv)


def check(data: bytes) -> None:
    if not data:
        return
    wanted = None if data[0] & RECOGNISED else NAMES[data[0] % len(NAMES)]
    db, again = sqlite_utils.Database(memory=True), sqlite_utils.Database(memory=True)
    try:
        if _imported(db, data[1:], wanted):
            _every_name_is_one(db)
            _is_exported_whole(db, again)
    finally:
        db.close()
        again.close()


def _imported(db: sqlite_utils.Database, content: bytes, wanted: str | None) -> bool:
    create_tables(db)
    with tempfile.NamedTemporaryFile(dir=FOLDER) as file:
        file.write(content)
        file.flush()
        try:
            report = import_register(db, [file.name], ImportOptions(name="x", country="RU", format=wanted, now=NOW))
        except RegisterError as error:
            refused_in_words(error)
            return False
    assert report.rows == report.kept + report.skipped
    assert 0 < report.entries <= report.kept
    assert all(is_one_short_line(problem.why) for problem in report.problems), report.problems
    return True


def _every_name_is_one(db: sqlite_utils.Database) -> None:
    lookup = RegisterLookup(db, register="x", at=NOW)
    for (listed,) in db.execute(f"SELECT DISTINCT name FROM register_names LIMIT {LOOKED_UP}").fetchall():
        assert names.name(listed.removeprefix("*.")) == listed.removeprefix("*.")
        lookup.expect(listed)


def _is_exported_whole(db: sqlite_utils.Database, again: sqlite_utils.Database) -> None:
    """What one database gives to another is the same there."""
    version = ours.newest(db, "x")
    assert version is not None
    assert _imported(again, b"".join(ours.write(db, version)), "reachprobe")
    assert again.execute(CONTENT).fetchall() == db.execute(CONTENT).fetchall()


SEEDS = (
    *(bytes([NAMES.index(name)]) + content[:6000] for name, content in sorted(SAMPLES.items())),
    *(bytes([RECOGNISED]) + content for name, content in sorted(SAMPLES.items()) if len(content) < 1000),
    bytes([RECOGNISED]) + gzip.compress(SAMPLES["plain"], mtime=0),
)
assert set(NAMES) == set(formats())
