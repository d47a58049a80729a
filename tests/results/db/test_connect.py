"""Opening a database: new, older, newer, damaged, locked or out of reach."""

from __future__ import annotations

import gzip
import os
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlite_utils

from results.db import connect as opening
from results.db.migrations import SET, migrations
from results.db.store import Store, StoreError
from schedules.runtime import lock
from tests.results.records import finished

ROOT = Path(__file__).parents[3]


def test_a_new_database_is_made_with_its_folder_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "reachprobe.db"
    Store.open(path).close()
    assert path.exists()
    assert path.parent.stat().st_mode & 0o077 == 0


def test_in_a_folder_that_all_may_read_only_its_owner_reads_the_database(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    store = Store.open(tmp_path / "x.db")
    store.save([finished()])
    assert {file.name: file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {
        "x.db": 0, "x.db-wal": 0, "x.db-shm": 0
    }  # fmt: skip
    store.close()


@pytest.mark.slow
def test_many_that_open_a_new_database_at_once_all_find_it_whole(tmp_path: Path) -> None:
    code = "import sys, pathlib; from results.db.store import Store; Store.open(pathlib.Path(sys.argv[1])).close()"
    for number in range(3):
        opening = [sys.executable, "-c", code, str(tmp_path / f"{number}.db")]
        together = [subprocess.Popen(opening, stderr=subprocess.PIPE) for _ in range(6)]
        assert [(process.communicate()[1], process.returncode) for process in together] == [(b"", 0)] * 6


class TakenFor:
    """A connection to a file that another is on the way into WAL with, so many times that it is asked."""

    def __init__(self, times: int, code: int = sqlite3.SQLITE_BUSY) -> None:
        self.times, self.code = times, code

    def execute(self, sql: str) -> None:
        self.times -= 1
        if self.times >= 0:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = self.code
            raise error


def test_who_meets_another_on_the_way_into_wal_asks_again_and_what_is_no_lock_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "WAL_AGAIN_S", 0)
    taken = TakenFor(3)
    opening._into_wal(taken)
    assert taken.times == -1
    with pytest.raises(sqlite3.OperationalError):
        opening._into_wal(TakenFor(1, sqlite3.SQLITE_IOERR))
    monkeypatch.setattr(opening, "BUSY_TIMEOUT_S", -1)
    with pytest.raises(sqlite3.OperationalError):
        opening._into_wal(TakenFor(1))


def test_the_database_is_in_wal_mode_with_foreign_keys(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    asked = {
        name: store.db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "foreign_keys", "synchronous")
    }
    assert asked == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1}
    assert store.db.execute("PRAGMA foreign_key_check").fetchall() == []
    store.close()


def test_every_table_is_strict(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    loose = store.db.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict"
    )
    assert {name for (name,) in loose} <= {"sqlite_schema", "_sqlite_migrations"}
    store.close()


def test_a_database_that_must_exist_and_does_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database yet"):
        Store.open(tmp_path / "x.db", must_exist=True)
    assert not (tmp_path / "x.db").exists()


def test_a_database_from_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store.open(tmp_path / "x.db").close()
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, 'm999_future', 'x')", [SET]
    )
    connection.commit()
    connection.close()
    before = (tmp_path / "x.db").read_bytes()
    with pytest.raises(StoreError, match=r"x\.db: made by a newer version \(m999_future\); upgrade reachprobe"):
        Store.open(tmp_path / "x.db")
    assert [file.name for file in tmp_path.iterdir()] == ["x.db"]
    assert (tmp_path / "x.db").read_bytes() == before


def test_an_older_database_is_brought_up_to_date_and_a_copy_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    older = sqlite_utils.Database(path)
    migrations.apply(older, stop_before="m002_registers")
    older.close()
    store = Store.open(path)
    store.save([finished()])
    assert store.db["register_entries"].exists()
    store.close()
    backup = sqlite_utils.Database(tmp_path / "x.db.m001_measurements.backup")
    assert not backup["register_entries"].exists()
    assert backup["measurements"].exists()
    backup.close()


def test_opening_again_changes_nothing_and_leaves_no_copy(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    store.save([finished()])
    store.close()
    store = Store.open(tmp_path / "x.db")
    assert len(list(store.rows())) == 1
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == ["x.db"]


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_text("this is a shopping list, and quite a long one\n" * 40)
    with pytest.raises(StoreError, match=r"x\.db: not a reachprobe database; choose another with --db"):
        Store.open(path)
    assert path.read_text().startswith("this is a shopping list")


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    store = Store.open(path)
    store.save([finished(f"{n:016d}") for n in range(50)])
    store.close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"x\.db: damaged"):
        Store.open(path)


def test_a_database_that_stays_locked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path / "x.db")
    holder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(opening, "BUSY_TIMEOUT_S", 0)
    waiting = Store.open(tmp_path / "x.db")
    with pytest.raises(StoreError, match="locked by another program"):
        waiting.save([finished()])
    holder.execute("ROLLBACK")
    waiting.save([finished()])
    holder.close()
    waiting.close()
    store.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file: .*; choose another with --db"):
        Store.open(tmp_path / "file" / "x.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(StoreError, match=r"x\.db: cannot be opened: no permission"):
        Store.open(tmp_path / "closed" / "x.db")


def test_consent_is_remembered_with_the_text_that_was_agreed_to(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "x.db")
    assert store.consent() is None
    store.record_consent(1, "2026-11-24T18:00:00Z")
    store.record_consent(2, "2026-11-25T18:00:00Z")
    assert store.consent() == 2
    store.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_is_called_full_and_what_was_stored_is_there_when_it_has_room_again(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("root may not mount here")
    try:
        store = Store.open(disk / "x.db")
        store.save([finished()])
        store.close()
        filling = disk / "filling"
        try:
            filling.write_bytes(b"x" * 4_000_000)
        except OSError:
            pass
        with pytest.raises(StoreError, match="the disk is full; free some space; no stored data was lost"):
            Store.open(disk / "x.db").save([finished("3second000000000")])
        filling.unlink()
        store = Store.open(disk / "x.db")
        assert [row["measurement_id"] for row in store.rows()] == ["2kq7mmmmmmmmmmmm"]
        assert store.db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        store.close()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(find_spec("pandas") is None, reason="pandas is not installed")
def test_a_database_is_opened_without_pandas_where_that_is_installed_and_it_can_still_be_used(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom results.db.store import Store\n"
        f"Store.open(Path({str(tmp_path / 'x.db')!r})).close()\n"
        "print([name for name in ('numpy', 'pandas') if name in sys.modules])\n"
        "import pandas\nprint(pandas.DataFrame({'a': [1]}).a.sum())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split("\n")[:2] == ["[]", "1"]


@pytest.mark.parametrize(
    "name", ["file:x.db", "file:x.db?mode=memory", "file:///x.db", ":memory:", "file::memory:", "x.db?mode=ro#y%41"]
)
def test_a_name_that_sqlite_reads_as_a_uri_is_the_file_of_that_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    store = Store.open(Path(name))
    store.save([finished()])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    store.close()
    own = tmp_path / Path(name)
    assert {str(path)[: len(str(own))] for path in files} == {str(own)}
    assert own.stat().st_size > 0
    assert own.stat().st_mode & 0o077 == 0
    with Store.open(Path(name), must_exist=True) as again:
        assert len(list(again.rows())) == 1


def test_a_backup_of_such_a_database_is_made_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    oldest = Path(__file__).parent / "databases" / "v1.db.gz"
    path = Path("file:old.db")
    (tmp_path / path).write_bytes(gzip.decompress(oldest.read_bytes()))
    Store.open(path).close()
    (copy,) = opening.backups(path)
    assert copy.stat().st_size > 0
    assert {file.name for file in tmp_path.iterdir()} == {"file:old.db", copy.name}


def test_a_lock_is_the_same_for_every_name_of_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Store.open(tmp_path / "x.db").close()
    (tmp_path / "link.db").symlink_to("x.db")
    with lock.held(Path("x.db")):
        for name in ("link.db", str(tmp_path / "x.db"), "./x.db"):
            with pytest.raises(lock.Locked), lock.held(Path(name)):
                pass
