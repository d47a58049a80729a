"""Somebody wants every trace of it gone, or nearly every."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe import temporary_files
from probe.model import Http
from results.db.store import Store, pause
from results.registers.importing import ImportOptions, import_register
from schedules import cli
from schedules.cli.wipe import SUFFIXES
from schedules.location.location import secret_of
from schedules.round import consent
from schedules.runtime import lock
from tests.results.records import finished, measurement, observation
from tests.schedules.cli.test_setup import on_a_terminal

SECRET = "no-one-shall-read-this"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [name for name in os.environ if name.startswith("REACHPROBE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "reachprobe"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path


@pytest.fixture
def used(home: Path) -> Path:
    """The state folder of a machine that has measured for a while."""
    assert cli.call(["init", "--yes"]) == 0
    folder = home / "reachprobe"
    database = folder / "reachprobe.db"
    store = Store.open(database)
    page = Http(url="http://x.example/", status=200, body=SECRET.encode() * 50)
    steps = (observation("m" * 16, 1, "http", page),)
    made = msgspec.structs.replace(measurement("m" * 16, observations=steps), started_at="2026-11-24T00:00:00.000Z")
    store.save([finished("m" * 16, "blocked", measurement=made)], spent=("2026-11", 5))
    pause(store, None)
    dump = home / "dump.csv"
    dump.write_bytes("Updated: 2017-05-08 09:00:00 +0000\n1.2.3.4;a.com;;ФНС;1;2016-01-01\n".encode("cp1251"))
    import_register(store.db, [dump], ImportOptions(name="rkn", country="RU"))
    store.close()
    secret_of(database)
    (folder / "reachprobe.db.m004_register_samples.2026.backup").write_text("old")
    (folder / "reachprobe.db.fingerprints").write_text("{}")
    (folder / "demo.db").write_text("what reachprobe demo left")
    (folder / "lists").mkdir()
    (folder / "lists" / f"{'a' * 32}.csv").write_text("https://a.example/\n")
    (folder / "downloads" / ("b" * 16)).mkdir(parents=True)
    (folder / "downloads" / ("b" * 16) / "dump.csv.part").write_text("half")
    return folder


def left(home: Path) -> set[str]:
    return {str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()}


def test_everything_goes_and_it_says_what(home: Path, used: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.call(["wipe", "--yes"]) == 0
    said = capsys.readouterr()
    assert left(home) == {"dump.csv"}
    assert not used.exists()
    assert f"removed {used / 'reachprobe.db'}\n" in said.out
    assert f"removed {home / 'settings/reachprobe/config.toml'}\n" in said.out
    assert "deleted, not overwritten" in said.err
    assert cli.call(["wipe", "--yes"]) == 0
    assert "Nothing to delete." in capsys.readouterr().out
    assert not used.exists()


def test_without_a_terminal_nothing_goes_unless_it_is_said(
    home: Path, used: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = left(home)
    assert cli.call(["wipe"]) == 2
    assert "not confirmed, nothing was deleted; --yes skips the question" in capsys.readouterr().err
    assert left(home) >= before


def test_on_a_terminal_it_lists_and_asks(home: Path, used: Path) -> None:
    code, shown = on_a_terminal(home, ["wipe"], "no\n")
    assert code == 2
    assert "This permanently deletes:" in shown
    assert (used / "reachprobe.db").exists()
    code, shown = on_a_terminal(home, ["wipe"], "yes\n")
    assert (code, used.exists()) == (0, False), shown


def test_registers_and_consent_may_stay_and_nothing_else_can_be_read_any_more(
    home: Path, used: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.call(["wipe", "--yes", "--keep", "registers", "--keep", "consent", "--keep", "configuration"]) == 0
    assert left(home) == {"dump.csv", "reachprobe/reachprobe.db", "settings/reachprobe/config.toml"}
    assert "kept: registers, consent" in capsys.readouterr().out
    store = Store.open(used / "reachprobe.db")
    assert store.consent() == consent.TEXT_VERSION
    assert store.db.execute("SELECT count(*) FROM register_names").fetchone()[0] == 1
    for table in ("measurements", "observations", "verdicts", "bodies", "targets", "vantages", "traffic", "pauses"):
        assert store.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0, table
    store.close()
    assert cli.call(["register", "explain", "a.com"]) == 0


def test_without_being_kept_consent_is_gone(home: Path, used: Path) -> None:
    assert cli.call(["wipe", "--yes", "--keep", "registers"]) == 0
    with sqlite3.connect(used / "reachprobe.db") as db:
        assert db.execute("SELECT count(*) FROM consents").fetchone() == (0,)
    db.close()


def test_deleted_rows_are_not_left_in_the_file(home: Path, used: Path) -> None:
    store = Store.open(used / "reachprobe.db")
    store.db.execute("UPDATE targets SET text = ?", [SECRET])
    store.close()
    assert SECRET.encode() in (used / "reachprobe.db").read_bytes()
    assert cli.call(["wipe", "--yes", "--keep", "registers"]) == 0
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in used.iterdir())


def test_what_stands_beside_it_and_is_not_ours_stays(home: Path, used: Path) -> None:
    ours = left(home)
    theirs = {"reachprobe/notes.txt", "reachprobe/reachprobe.db.my-copy", "reachprobe/lists/mine.csv"}
    theirs |= {"reachprobe/downloads/film.mkv"}
    for name in theirs:
        (home / name).write_text("mine")
    assert cli.call(["wipe", "--yes"]) == 0
    assert left(home) == theirs | (ours & {"dump.csv"})


def test_a_link_is_removed_and_never_what_it_points_to(home: Path, used: Path) -> None:
    precious = home / "precious"
    precious.mkdir()
    (precious / ("c" * 16)).write_text("mine")
    (used / "downloads" / ("d" * 16)).symlink_to(precious)
    assert cli.call(["wipe", "--yes"]) == 0
    assert (precious / ("c" * 16)).exists()
    assert not used.exists()


def test_while_a_round_is_under_way_nothing_goes(home: Path, used: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with lock.held(used / "reachprobe.db", "agent"):
        assert cli.call(["wipe", "--yes"]) == 75
    assert (used / "reachprobe.db").exists()
    assert "another agent is running" in capsys.readouterr().err


def with_a_timer(home: Path, systemctl: str) -> Path:
    """A user unit that is installed, and a systemctl that does this."""
    units = home / ".config" / "systemd" / "user"
    units.mkdir(parents=True)
    (units / "reachprobe.timer").write_text("[Timer]\n")
    (home / "bin").mkdir()
    (home / "bin" / "systemctl").write_text(f"#!/bin/sh\n{systemctl}\n")
    (home / "bin" / "systemctl").chmod(0o755)
    return units / "reachprobe.timer"


def test_a_schedule_goes_first_so_that_nothing_measures_any_more(
    home: Path, used: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    timer = with_a_timer(home, "exit 0")
    assert cli.call(["wipe", "--yes", "--keep", "schedule"]) == 0
    assert timer.exists()
    capsys.readouterr()
    assert cli.call(["wipe", "--yes"]) == 0
    assert not timer.exists()
    assert capsys.readouterr().out.splitlines()[0] == f"removed {timer}"


def test_a_schedule_that_cannot_be_removed_is_said_and_the_rest_goes(
    home: Path, used: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_a_timer(home, 'case "$*" in *show*) exit 0;; esac; echo "Access denied" >&2; exit 1')
    assert cli.call(["wipe", "--yes"]) == 2
    assert "the schedule could not be removed: `systemctl --user disable" in capsys.readouterr().err
    assert not used.exists()


def test_a_configuration_that_was_named_by_hand_stays(
    home: Path, used: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "own.toml").write_text("[vantage]\nname = 'x'\n")
    assert cli.call(["--config", str(home / "own.toml"), "wipe", "--yes"]) == 0
    assert "own.toml was given explicitly and is kept" in capsys.readouterr().err
    assert (home / "own.toml").exists()


def test_a_broken_configuration_or_database_keeps_nobody_from_it(home: Path, used: Path) -> None:
    (home / "settings" / "reachprobe" / "config.toml").write_text("[nonsense")
    (used / "reachprobe.db").write_bytes(b"no database")
    assert cli.call(["wipe", "--yes"]) == 0
    assert left(home) == {"dump.csv"}


@given(st.text(min_size=1, max_size=20))
def test_only_names_that_are_surely_ours_are_taken(name: str) -> None:
    known = ("-wal", "-shm", "-journal", ".lock", ".agent.lock", ".networks", ".fingerprints", ".m")
    assert SUFFIXES.fullmatch(name) is None or name.startswith(known)


def test_what_a_killed_program_left_is_found_by_the_names_that_its_makers_use(
    home: Path, used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(home))
    merging = Path(mkdtemp(prefix=temporary_files.MERGING, dir=used))
    (merging / "copy.db").write_text(SECRET)
    ended = home / f"reachprobe-{2**30}-abcdefgh"
    ended.mkdir()
    (ended / "hub.jsonl").write_text(SECRET)
    under_way = Path(mkdtemp(prefix=temporary_files.system_prefix()))
    part = temporary_files.unfinished(used / "reachprobe.db", ".jsonl")
    part.write_text(SECRET)
    strangers = [used / ".merging", used / ".other.db.17", home / "reachprobe-17-x", home / "reachprobe"]
    for stranger in strangers[:3]:
        stranger.write_text("not ours")
    assert cli.call(["wipe", "--yes"]) == 0
    assert [one.exists() for one in (merging, ended, part)] == [False] * 3
    assert under_way.exists()
    assert [one.exists() for one in strangers[:3]] == [True] * 3


def test_every_temporary_file_beside_the_database_has_a_name_of_the_shared_list() -> None:
    makers = re.compile(r"TemporaryDirectory\(([^)]*)|mkdtemp\(([^)]*)|getpid\(\)")
    found = {}
    for package in ("probe", "results", "schedules"):
        for file in Path(package).rglob("*.py"):
            for made in makers.finditer(file.read_text("utf-8")):
                if "MERGING" not in made[0] and "system_prefix" not in made[0]:
                    found[str(file)] = made[0]
    assert {file for file in found if "temporary_files" not in file} <= {
        "schedules/runtime/lock.py",
        "probe/net/identity.py",
        "results/hub/distribution.py",
    }
