"""What leaves the database with age or for its size, and what stays."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from probe.model import Http, Tls
from results.db import retention as pruning
from results.db.retention import count_old, cutoff, ensure_room, prune, tidy, used_bytes
from results.db.store import Store, StoreError
from results.judge.judged import RoundRecord
from tests.results.records import HOME, finished, measurement, observation

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def keep(store: Store, name: str, days_ago: float, **changed: Any) -> str:
    """Store a blocked measurement of so many days ago, with a control, a certificate and a body of its own."""
    name = name.ljust(16, "0")
    at = (NOW - timedelta(days=days_ago)).isoformat().replace("+00:00", "Z")
    tls = Tls(server_name="x.example", chain=(name.encode() * 200,))
    body = (name.encode() + os.urandom(3000)) * 2
    http = Http(url="http://x.example/", status=200, body=body)
    steps = (observation(name, 1, "tls", tls), observation(name, 2, "http", http))
    made = msgspec.structs.replace(measurement(name, observations=steps), started_at=at, **changed)
    control = measurement(f"c{name[:15]}", control_of=name, started_at=at, observations=())
    store.save_round(RoundRecord(id=f"r{name[:15]}", started_at=at, network="online"))
    store.save([finished(name, "blocked", measurement=made, controls=(control,), round_id=f"r{name[:15]}")])
    return name


def counts(store: Store) -> dict[str, int]:
    tables = ("measurements", "observations", "verdicts", "certificates", "bodies", "rounds")
    return {table: store.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def test_what_is_too_old_goes_with_all_that_only_it_needed(store: Store) -> None:
    keep(store, "old", 401)
    stays = keep(store, "new", 399)
    assert prune(store, keep_days=400, now=NOW).old == 1
    assert counts(store) == {
        "measurements": 2,
        "observations": 2,
        "verdicts": 1,
        "certificates": 1,
        "bodies": 1,
        "rounds": 1,
    }
    kept = store.finished(stays)
    assert kept.measurement.observations[1].detail.body is not None
    assert kept.measurement.observations[0].detail.chain == (stays.encode() * 200,)
    assert store.db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert store.db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_certificate_that_a_younger_measurement_shows_too_stays(store: Store) -> None:
    shared = (observation("x" * 16, 1, "tls", Tls(server_name="x.example", chain=(b"shared" * 100,))),)
    old = measurement("old0000000000000", observations=shared, started_at="2020-01-01T00:00:00.000Z")
    new = measurement("new0000000000000", observations=shared, started_at="2026-11-24T00:00:00.000Z")
    for made in (old, new):
        store.save([finished(made.id, "blocked", measurement=made)])
    prune(store, keep_days=400, now=NOW)
    assert store.measurement("new0000000000000").observations[0].detail.chain == (b"shared" * 100,)


def test_after_pruning_the_same_store_saves_a_certificate_that_was_deleted_anew(store: Store) -> None:
    first = keep(store, "old", 500)
    prune(store, keep_days=400, now=NOW)
    again = keep(store, "old", 1)
    assert first == again
    assert store.measurement(again).observations[0].detail.chain == (again.encode() * 200,)


def test_a_repeat_whose_first_is_gone_stays(store: Store) -> None:
    first = keep(store, "first", 401)
    again = keep(store, "again", 399, repeats=first)
    prune(store, keep_days=400, now=NOW)
    assert store.measurement(again).repeats is None


def test_on_its_way_out_a_round_prunes_its_own_and_never_what_was_imported(store: Store) -> None:
    keep(store, "mine", 500)
    imported = keep(store, "theirs", 3000, vantage=msgspec.structs.replace(HOME, name="AS1"))
    pruned = tidy(store, keep_days=400, max_bytes=None, now=NOW, vantage=HOME.name)
    assert pruned is not None
    assert pruned.old == 1
    assert store.find(imported) == imported
    assert tidy(store, keep_days=400, max_bytes=None, now=NOW, vantage=HOME.name) is None
    assert count_old(store.db, cutoff(400, NOW)) == 1


def test_pruning_waits_until_a_day_is_full_so_that_it_comes_once_a_day(store: Store) -> None:
    keep(store, "mine", 400.5)
    assert tidy(store, keep_days=400, max_bytes=None, now=NOW, vantage=HOME.name) is None
    assert tidy(store, keep_days=400, max_bytes=None, now=NOW + timedelta(days=1), vantage=HOME.name) is not None


def test_above_the_limit_the_oldest_go_and_never_the_last_week(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 5)
    for day in range(60):
        keep(store, f"m{day:02}", day)
    limit = used_bytes(store.db) - 100_000
    pruned = prune(store, keep_days=400, now=NOW, max_bytes=limit)
    assert (pruned.old, pruned.above_limit % 5) == (0, 0)
    assert 0 < pruned.above_limit < 50
    assert pruned.bytes <= limit
    left = {row["measurement_id"] for row in store.rows()}
    assert left == {f"m{day:02}".ljust(16, "0") for day in range(60 - pruned.above_limit)}
    prune(store, keep_days=400, now=NOW, max_bytes=1)
    assert len(list(store.rows())) == 8


def test_the_file_becomes_smaller(store: Store, tmp_path: Path) -> None:
    for day in range(100):
        keep(store, f"m{day:02}", 500 + day)
    keep(store, "new", 1)
    before = (tmp_path / "x.db").stat().st_size
    prune(store, keep_days=400, now=NOW)
    assert (tmp_path / "x.db").stat().st_size < before / 2
    assert store.measurement("new0000000000000").observations


def test_registers_and_consent_are_left_alone(store: Store) -> None:
    store.record_consent(1, "2000-01-01T00:00:00Z")
    store.db.execute("INSERT INTO registers (name, country) VALUES ('rkn', 'RU')")
    keep(store, "old", 500)
    prune(store, keep_days=1, now=NOW, max_bytes=1)
    assert store.consent() == 1
    assert store.db.execute("SELECT name FROM registers").fetchall() == [("rkn",)]


def test_a_full_database_is_told_so_loses_nothing_and_pruning_makes_room(store: Store) -> None:
    keep(store, "old", 500)
    pages = store.db.execute("PRAGMA page_count").fetchone()[0]
    store.db.execute(f"PRAGMA max_page_count = {pages}")

    def fill() -> None:
        for number in range(1000):
            keep(store, f"n{number}", 1)

    with pytest.raises(StoreError, match="the disk is full; free some space; no stored data was lost"):
        fill()
    stored = {row["measurement_id"] for row in store.rows()}
    assert "old0000000000000" in stored
    assert store.db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    store.db.execute(f"PRAGMA max_page_count = {pages + 100}")
    assert prune(store, keep_days=400, now=NOW).old == 1
    assert {row["measurement_id"] for row in store.rows()} == stored - {"old0000000000000"}


def test_a_round_does_not_begin_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_room(tmp_path / "not" / "yet" / "x.db")
    monkeypatch.setattr(pruning, "NEEDED_BYTES", 2**62)
    with pytest.raises(StoreError, match="not measuring; free some space"):
        ensure_room(tmp_path / "x.db")


def test_a_reader_keeps_the_file_as_large_as_it_is_and_breaks_nothing(store: Store, tmp_path: Path) -> None:
    for day in range(30):
        keep(store, f"m{day:02}", 500 + day)
    reader = sqlite3.connect(tmp_path / "x.db")
    reading = reader.execute("SELECT id FROM measurements")
    reading.fetchone()
    store.db.execute("PRAGMA busy_timeout = 50")
    assert prune(store, keep_days=400, now=NOW).old == 30
    assert len(reading.fetchall()) == 59
    reader.close()
    assert list(store.rows()) == []
