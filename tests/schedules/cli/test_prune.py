"""`results prune`, and what a round does by itself."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from results.db import retention
from results.db.store import Store
from schedules import cli
from schedules.runtime import lock
from tests.results.records import HOME, finished, measurement


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds one measurement of a year and a half ago, an imported one of that age, and one of today."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("REACHPROBE_VANTAGE_NAME", HOME.name)
    path = tmp_path / "x.db"
    store = Store.open(path)
    for name, days, vantage in (("old", 550, HOME.name), ("imported", 550, "AS1"), ("new", 0, HOME.name)):
        made = msgspec.structs.replace(
            measurement(name.ljust(16, "0")),
            started_at=(datetime.now(UTC) - timedelta(days=days)).isoformat().replace("+00:00", "Z"),
            vantage=msgspec.structs.replace(HOME, name=vantage),
        )
        store.save([finished(made.id, measurement=made)])
    store.close()
    return path


def left(database: Path) -> set[str]:
    store = Store.open(database)
    try:
        return {row["measurement_id"].rstrip("0") for row in store.rows()}
    finally:
        store.close()


def test_a_dry_run_counts_and_deletes_nothing(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["--db", str(database), "results", "prune", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["old"] == 2
    assert left(database) == {"old", "imported", "new"}


def test_prune_deletes_what_is_older_than_the_configuration_says(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.call(["--db", str(database), "results", "prune"]) == 0
    assert re.match("measurements before [0-9-]{10} deleted: 2\n", capsys.readouterr().out)
    assert left(database) == {"new"}


def test_the_limit_is_told_where_it_cannot_be_kept(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REACHPROBE_STORE_MAX_MB", "1")
    monkeypatch.setattr(retention, "used_bytes", lambda _: 2_000_000)
    assert cli.call(["--db", str(database), "results", "prune"]) == 0
    assert "above the limit of 1 MB: only the last week and registers remain" in capsys.readouterr().out
    assert left(database) == {"new"}


def test_nothing_is_pruned_while_a_round_is_under_way(database: Path) -> None:
    with lock.held(database):
        assert cli.call(["--db", str(database), "results", "prune"]) == 75
    assert left(database) == {"old", "imported", "new"}


def test_there_is_nothing_to_prune_without_a_database(tmp_path: Path) -> None:
    assert cli.call(["--db", str(tmp_path / "none.db"), "results", "prune"]) == 2
    assert not (tmp_path / "none.db").exists()


def test_a_full_disk_stops_run_before_it_measures(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REACHPROBE_CONSENT", "yes")
    monkeypatch.setattr(retention, "NEEDED_BYTES", 2**62)
    assert cli.call(["--db", str(database), "run"]) == 2
    said = capsys.readouterr()
    assert "not measuring; free some space; no stored data was lost" in said.err
    assert said.out == ""
    assert left(database) == {"old", "imported", "new"}
