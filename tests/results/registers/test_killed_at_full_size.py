"""An import of the real register's size that is killed again and again: REACHPROBE_LONG=1, about half an hour."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from results.registers import create_tables
from results.registers.importing import ImportOptions, import_register
from tests.bench.large_register import write_dump

ENTRIES = int(os.environ.get("REACHPROBE_LONG_ENTRIES", "600000"))
KILLS = 30
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("REACHPROBE_LONG"), reason="REACHPROBE_LONG=1 kills large imports"),
]
CHILD = """
import sys, sqlite_utils
from datetime import UTC, datetime
from results.registers.importing import ImportOptions, import_register
db = sqlite_utils.Database(sys.argv[1])
print("begun", flush=True)
import_register(db, [sys.argv[2]], ImportOptions(name="rkn", country="RU", now=datetime(2024, 3, 2, tzinfo=UTC)))
"""


def import_and_kill(database: Path, dump: Path, after_s: float | None) -> float:
    """Import in a process of its own, killed after so many seconds; how long it took."""
    environ = os.environ | {"SQLITE_TMPDIR": str(database.parent / "tmp")}
    with subprocess.Popen([sys.executable, "-c", CHILD, database, dump], stdout=subprocess.PIPE, env=environ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        begun = time.monotonic()
        try:
            child.wait(after_s)
        except subprocess.TimeoutExpired:
            child.kill()
        child.wait()
        if after_s is None:
            assert child.returncode == 0
    return time.monotonic() - begun


def contents(database: Path) -> str:
    """A hash of every row of every table."""
    digest = hashlib.blake2b()
    with closing(sqlite3.connect(database)) as conn:
        for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
            digest.update(name.encode())
            for row in conn.execute(f"SELECT * FROM {name} ORDER BY 1, 2"):
                digest.update(repr(row).encode("utf-8", "replace"))
    return digest.hexdigest()


def sound(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as conn:
        return conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def on_disk(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def test_a_full_register_is_the_old_one_or_the_new_one_whenever_its_import_is_killed(tmp_path: Path):
    old_dump, new_dump, folder = tmp_path / "old.csv", tmp_path / "new.csv", tmp_path / "state"
    (folder / "tmp").mkdir(parents=True)
    database = folder / "registers.db"
    write_dump(old_dump, "2024-03-01 10:00:00", range(ENTRIES))
    write_dump(new_dump, "2024-03-01 11:00:00", range(ENTRIES // 2, ENTRIES + ENTRIES // 2))
    db = sqlite_utils.Database(database)
    db.enable_wal()
    create_tables(db)
    import_register(db, [old_dump], ImportOptions(name="rkn", country="RU", now=datetime(2024, 3, 2, tzinfo=UTC)))
    db.close()
    kept, old = database.read_bytes(), contents(database)
    took = import_and_kill(database, new_dump, None)
    whole, largest = contents(database), database.stat().st_size
    database.write_bytes(kept)
    dice, came_through = random.Random(600), 0
    for number in range(KILLS):
        after = dice.uniform(0, took)
        import_and_kill(database, new_dump, after)
        left = {path.name: path.stat().st_size >> 20 for path in on_disk(folder)}
        assert sum(left.values()) < 3 * (largest >> 20) + 1, left
        assert sound(database)
        found = old if database.read_bytes() == kept else contents(database)
        assert found in (old, whole), f"killed after {after:.1f} of {took:.1f} s"
        print(
            f"{number}: killed after {after:.1f} of {took:.1f} s, {left}, {'old' if found == old else 'new'}",
            flush=True,
        )
        if found == whole:
            came_through += 1
            database.write_bytes(kept)
    assert came_through < KILLS
    import_and_kill(database, new_dump, None)
    assert sound(database)
    assert contents(database) == whole
    assert {path.name for path in on_disk(folder)} == {"registers.db"}
