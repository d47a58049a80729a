"""A database of every earlier schema opens, is brought up to date, and loses nothing; whatever happens meanwhile."""

from __future__ import annotations

import gzip
import os
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from sqlite_utils import Migrations

from results.db import connect
from results.db import migrations as schema
from results.db.connect import StoreError, backups
from results.db.store import Store
from results.registers.expectation import RegisterLookup
from schedules.config.schema import Config
from schedules.round.judge import judge_again
from schedules.round.unattended import prune
from tests.faults.whole import fill, small_disk
from tests.results.records import finished

KEPT = Path(__file__).parent / "databases"
VERSIONS = sorted(int(path.name.removesuffix(".db.gz")[1:]) for path in KEPT.glob("v*.db.gz"))
KILLS = 200 if os.environ.get("REACHPROBE_LONG") else 15
CHILD = """
import os, signal, sqlite3, sys
from pathlib import Path
from results.db.store import Store
done, last = 0, int(sys.argv[2])
def tick():
    global done
    done += 1
    if done == last:
        os.kill(os.getpid(), signal.SIGKILL)
class Counted(sqlite3.Connection):
    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self.set_progress_handler(tick, 50)
sqlite3.connect = lambda *args, **named: Counted(*args, **named)
Store.open(Path(sys.argv[1])).close()
print(done)
"""
"""Opens a database and dies in the middle of it, counted in steps of SQLite's, not in time; prints their number."""
STUCK = """
import sys, time
from pathlib import Path
from results.db import migrations as schema
from results.db.store import Store
def m999_stuck(db):
    db.execute("CREATE TABLE half (done)")
    print("inside", flush=True)
    time.sleep(600)
schema.migrations()(m999_stuck)
Store.open(Path(sys.argv[1]))
"""


def names() -> list[str]:
    """Every step of the schema, in order."""
    with closing(sqlite_utils.Database(memory=True)) as empty:
        return [migration.name for migration in schema.migrations.pending(empty)]


NEWEST = len(names())
OLDER = [version for version in VERSIONS if version < NEWEST]


def unpack(version: int, folder: Path) -> Path:
    path = folder / "x.db"
    path.write_bytes(gzip.decompress((KEPT / f"v{version}.db.gz").read_bytes()))
    return path


def contents(path: Path, only: set[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of a whole database."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.row_factory = sqlite3.Row
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = [table for table in tables if table != Migrations.migrations_table]
        return {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in kept}


def steps_taken(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]


def shape(path: Path) -> dict[str, object]:
    """Tables with their columns in any order, indexes and views as they were written."""
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        columns = {
            name: sorted(row[1:] for row in connection.execute(f"PRAGMA table_info({name})"))
            for kind, name, _ in made
            if kind == "table"
        }
        return columns | {name: re.sub(r"\s+", " ", sql) for kind, name, sql in made if kind != "table"}


def test_of_every_version_but_the_newest_a_database_is_kept() -> None:
    missing = sorted(set(range(1, NEWEST)) - set(VERSIONS))
    assert not missing, (
        f"no database of schema version {missing} is kept; on the commit before {names()[missing[0]]} "
        "run `python -m tests.results.db.databases.make` and commit what it writes"
    )


def test_a_kept_database_is_of_the_version_that_its_name_says(tmp_path: Path) -> None:
    for version in VERSIONS:
        assert steps_taken(unpack(version, tmp_path)) == names()[:version]


@pytest.mark.parametrize("version", OLDER)
def test_a_database_of_each_earlier_version_opens_and_nothing_in_it_is_lost(version: int, tmp_path: Path) -> None:
    path = unpack(version, tmp_path)
    before = contents(path)
    Store.open(path).close()
    assert steps_taken(path) == names()
    after = contents(path)
    for table, rows in before.items():
        kept = [{column: row[column] for column in old} for old, row in zip(rows, after[table], strict=True)]
        assert kept == rows, table
    Store.open(tmp_path / "new.db").close()
    assert shape(path) == shape(tmp_path / "new.db")


@pytest.mark.parametrize("version", OLDER)
def test_what_an_earlier_version_measured_is_shown_judged_and_added_to(version: int, tmp_path: Path) -> None:
    store = Store.open(unpack(version, tmp_path))
    try:
        rows = list(store.rows())
        assert {row["outcome"] for row in rows} == {"reachable", "blocked", "denied"}
        assert {row["method"] for row in rows} == {None, "tls.reset", "dns.nxdomain"}
        for row in rows:
            assert store.finished(row["measurement_id"]).measurement.observations
            assert row["evidence"]
            assert not row["signals"], "these versions stored sentences"
        list(store.reclassify(judge_again(store, Config())))
        assert all(row["signals"] for row in store.rows())
        assert [row["outcome"] for row in store.rows()] == [row["outcome"] for row in rows]
        store.save([finished("0new0new0new0new")])
        assert len(list(store.rows())) == len(rows) + 1
        assert store.consent() == 1
        if version > 1:
            assert RegisterLookup(store.db, country="RU", at=datetime.now(UTC)).expect("reset.x.test").listed
    finally:
        store.close()


@pytest.mark.parametrize("version", OLDER)
def test_a_copy_of_how_it_was_lies_beside_it_named_by_its_version(version: int, tmp_path: Path) -> None:
    path = unpack(version, tmp_path)
    path.chmod(0o600)
    before = contents(path)
    Store.open(path).close()
    (copy,) = backups(path)
    assert copy.name == f"x.db.{names()[version - 1]}.backup"
    assert contents(copy) == before
    assert copy.stat().st_mode & 0o777 == 0o600
    assert {file.name for file in tmp_path.iterdir()} == {"x.db", copy.name}


def test_a_round_a_month_later_lets_go_of_the_copy_and_one_before_keeps_it(tmp_path: Path) -> None:
    path = unpack(OLDER[0], tmp_path)
    store = Store.open(path)
    (copy,) = backups(path)
    made = copy.stat().st_mtime
    try:
        assert prune(Config(), store, made + 30 * 86400 - 1) is None
        assert backups(path) == [copy]
        assert prune(Config(), store, made + 30 * 86400 + 1) == f"deleted {copy}, a month after the upgrade"
        assert backups(path) == []
    finally:
        store.close()


@pytest.fixture
def failing() -> Callable[[Callable[[Any], None]], None]:
    """Adds a step to the schema, for this test alone."""

    def add(step: Callable[[Any], None]) -> None:
        schema.migrations()(step)

    before = list(schema.migrations._migrations)
    yield add  # type: ignore[misc]
    schema.migrations._migrations = before


@pytest.mark.parametrize("version", OLDER[:1] + VERSIONS[-1:])
def test_a_step_that_fails_takes_back_all_before_it_and_says_the_way_out(
    version: int, tmp_path: Path, failing: Callable[[Callable[[Any], None]], None]
) -> None:
    path = unpack(version, tmp_path)
    before, steps = contents(path), steps_taken(path)

    def m998_half(db: sqlite_utils.Database) -> None:
        db.execute("CREATE TABLE half (done)")
        db.execute("DELETE FROM verdicts")

    def m999_fails(db: sqlite_utils.Database) -> None:
        db.execute("ALTER TABLE nowhere ADD COLUMN x")

    failing(m998_half)
    failing(m999_fails)
    said = r"x\.db: could not be upgraded to this version \(OperationalError: no such table: nowhere\); it is unchanged"
    with pytest.raises(StoreError, match=said):
        Store.open(path)
    assert (contents(path), steps_taken(path)) == (before, steps)
    assert len(backups(path)) == 1


def test_killed_inside_a_step_the_database_is_as_it_was_and_opens(tmp_path: Path) -> None:
    path = unpack(OLDER[0], tmp_path)
    before = contents(path)
    with subprocess.Popen([sys.executable, "-c", STUCK, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"inside\n"
        process.kill()
    assert contents(path) == before
    Store.open(path).close()
    assert steps_taken(path) == names()


@pytest.mark.slow
def test_killed_at_any_moment_of_an_upgrade_it_is_as_it_was_or_up_to_date(tmp_path: Path) -> None:
    dice = random.Random(11)
    Store.open(tmp_path / "new.db").close()
    whole = shape(tmp_path / "new.db")
    length = {version: _steps_to_open(unpack(version, _folder(tmp_path, f"whole{version}"))) for version in OLDER}
    outcomes = set()
    for number in range(KILLS):
        version = OLDER[number % len(OLDER)]
        path = unpack(version, _folder(tmp_path, str(number)))
        before, steps = contents(path), steps_taken(path)
        assert _steps_to_open(path, killed_at=dice.randint(1, length[version])) is None
        if steps_taken(path) == steps:
            assert contents(path) == before
        else:
            assert (steps_taken(path), shape(path)) == (names(), whole)
        outcomes.add(steps_taken(path) == steps)
        Store.open(path).close()
        assert (steps_taken(path), shape(path)) == (names(), whole)
        assert contents(backups(path)[0]) == before
        assert not list(path.parent.glob("*.part"))
    assert True in outcomes


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def _steps_to_open(path: Path, killed_at: int = 0) -> int | None:
    """Open it in a process of its own: how many steps SQLite took; None where it was killed at one of them."""
    opened = subprocess.run([sys.executable, "-c", CHILD, path, str(killed_at)], capture_output=True, text=True)
    return int(opened.stdout) if opened.returncode == 0 else None


def test_without_room_for_the_copy_nothing_is_changed_and_the_room_that_it_takes_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = unpack(OLDER[0], tmp_path)
    before = contents(path)
    monkeypatch.setattr(connect, "SPARE_BYTES", 1 << 60)
    with pytest.raises(StoreError, match=r"needs \d+ MB of free disk space; free some space; nothing was changed"):
        Store.open(path)
    assert contents(path) == before
    assert backups(path) == []


def test_a_disk_that_fills_while_it_is_brought_up_to_date_leaves_it_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path, "1m") as disk:
        path = unpack(OLDER[0], disk)
        before = contents(path)
        monkeypatch.setattr(connect, "SPARE_BYTES", -(1 << 60))
        filling = fill(disk)
        with pytest.raises(StoreError, match="the disk is full; free some space; no stored data was lost"):
            Store.open(path)
        filling.unlink()
        assert contents(path) == before
        Store.open(path).close()
        assert steps_taken(path) == names()
