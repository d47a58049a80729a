"""An import beside other writers, and imports that are killed: the old register is whole, always."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from results.registers import create_tables, importing
from results.registers.expectation import RegisterLookup
from results.registers.importing import ImportOptions, import_register
from results.registers.records import ImportReport, RegisterError
from results.registers.statistics import statistics

Write = Callable[..., Path]
NOW = datetime(2017, 5, 9, 12, tzinfo=UTC)
KILLS = 200 if os.environ.get("REACHPROBE_LONG") else 20
CHILD = """
import sys, sqlite_utils
from datetime import UTC, datetime
from results.registers.importing import ImportOptions, import_register
db = sqlite_utils.Database(sys.argv[1])
print("begun", flush=True)
import_register(db, [sys.argv[2]], ImportOptions(name="rkn", country="RU", now=datetime(2017, 5, 9, tzinfo=UTC)))
"""


def rows(count: int, first: int = 0) -> list[str]:
    return [f"1.2.3.4;a{n}.com;https://a{n}.com/x;ФНС;{n};2016-01-01" for n in range(first, first + count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registers.db"


@pytest.fixture
def db(path: Path) -> Iterator[sqlite_utils.Database]:
    """A database on the disk, as rounds write into it."""
    database = sqlite_utils.Database(path)
    database.enable_wal()
    create_tables(database)
    yield database
    database.close()


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, of a database that is whole."""
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = [name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: conn.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}


def import_and_kill(path: Path, file: Path, after_s: float | None) -> float:
    """Import in a process of its own, killed after so many seconds; how long it took."""
    with subprocess.Popen([sys.executable, "-c", CHILD, path, file], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        begun = time.monotonic()
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
    return time.monotonic() - begun


def test_others_write_while_the_rows_are_read(
    csv_file: Write, db: sqlite_utils.Database, path: Path, monkeypatch: pytest.MonkeyPatch
):
    other = sqlite3.connect(path, timeout=0)
    seen = []
    load = importing.StagedVersion.load

    def load_and_write(self: importing.StagedVersion, *arguments: object) -> None:
        load(self, *arguments)  # type: ignore[arg-type]
        other.execute("INSERT INTO register_sources VALUES ('x', 'y', NULL, NULL, 0)")
        other.commit()
        seen.append(True)

    monkeypatch.setattr(importing.StagedVersion, "load", load_and_write)
    assert import_register(db, [csv_file(*rows(10))], ImportOptions(name="rkn", country="RU")).entries == 10
    assert seen
    other.close()


def test_two_imports_of_one_register_at_once_keep_every_row_once(
    csv_file: Write, db: sqlite_utils.Database, path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = csv_file(*rows(10))
    second = csv_file(*rows(12, first=4), updated="2017-05-09 09:00:00", name="second.csv")
    load = importing.StagedVersion.load
    reports: list[ImportReport] = []

    def overtaken(self: importing.StagedVersion, *arguments: object) -> None:
        load(self, *arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(importing.StagedVersion, "load", load)
        other = sqlite_utils.Database(path)
        reports.append(import_register(other, [first], ImportOptions(name="rkn", country="RU")))
        other.close()

    monkeypatch.setattr(importing.StagedVersion, "load", overtaken)
    report = import_register(db, [second], ImportOptions(name="rkn", country="RU"))
    assert [(one.entries, one.added, one.removed) for one in (*reports, report)] == [(10, 10, 0), (12, 6, 4)]
    (found,) = statistics(db, NOW, lambda _: 3)
    assert (found.versions, found.entries, found.names) == (2, 12, 12)
    assert db["register_entries"].count == 16
    lookup = RegisterLookup(db, register="rkn", at=NOW)
    assert [lookup.expect(f"a{n}.com").listed for n in (0, 4, 15, 16)] == [False, True, True, False]


def test_an_import_leaves_no_staging_behind(csv_file: Write, db: sqlite_utils.Database):
    size = db.execute("PRAGMA cache_size").fetchone()
    import_register(db, [csv_file(*rows(10))], ImportOptions(name="rkn", country="RU"))
    with pytest.raises(RegisterError):
        import_register(db, [csv_file("Keine")], ImportOptions(name="rkn", country="RU", format="rkn-xml"))
    assert db.execute("SELECT name FROM sqlite_temp_master").fetchall() == []
    assert db.execute("PRAGMA cache_size").fetchone() == size


@pytest.mark.slow
def test_an_import_killed_at_any_moment_leaves_the_old_register_whole_or_the_new_one(
    csv_file: Write, db: sqlite_utils.Database, path: Path
):
    import_register(db, [csv_file(*rows(1000))], ImportOptions(name="rkn", country="RU"))
    db.close()
    new = csv_file(*rows(4000, first=500), updated="2017-05-09 09:00:00", name="new.csv")
    old, kept = contents(path), path.read_bytes()
    took = import_and_kill(path, new, None)
    whole = contents(path)
    assert len(whole["register_versions"]) == 2
    dice = random.Random(5)
    for _ in range(KILLS):
        for leftover in path.parent.glob("registers.db-*"):
            leftover.unlink()
        path.write_bytes(kept)
        import_and_kill(path, new, dice.uniform(0, took))
        assert contents(path) in (old, whole)
    import_and_kill(path, new, None)
    assert contents(path) == whole
