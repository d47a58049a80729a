"""When each target was measured last, by what the database holds."""

from __future__ import annotations

from pathlib import Path

import msgspec

from results.db.read import SQL, LastMeasurement, last_runs, made_at
from results.db.store import Store
from tests.results.records import HOME, finished, measurement, target

NOW = "2100-01-01T00:00:00.000Z"


def keep(store: Store, name: str, at: str, outcome: str = "reachable", **changed: object) -> None:
    made = msgspec.structs.replace(measurement(name), started_at=at, **changed)
    store.save([finished(name, outcome, measurement=made)])


def test_the_newest_is_the_last_run_and_what_lies_in_the_future_is_none(store: Store) -> None:
    keep(store, "first00000000000", "2026-01-01T00:00:00.000Z")
    keep(store, "second0000000000", "2026-01-02T00:00:00.000Z", "offline")
    keep(store, "future0000000000", "2199-01-01T00:00:00.000Z")
    assert last_runs(store.db, [target()], HOME, NOW) == {
        target(): LastMeasurement("2026-01-02T00:00:00.000Z", "offline")
    }


def test_controls_other_vantages_and_other_paths_do_not_count(store: Store) -> None:
    keep(store, "elsewhere0000000", "2026-01-01T00:00:00.000Z", vantage=msgspec.structs.replace(HOME, name="school"))
    keep(store, "by_vpn0000000000", "2026-01-01T00:00:00.000Z", vantage=msgspec.structs.replace(HOME, path="vpn"))
    assert last_runs(store.db, [target()], HOME, NOW) == {}


def test_one_target_of_two_services_is_measured_for_each(store: Store) -> None:
    mine = msgspec.structs.replace(target(), service="mine")
    keep(store, "first00000000000", "2026-01-01T00:00:00.000Z", target=mine)
    assert set(last_runs(store.db, [target(), mine], HOME, NOW)) == {mine}


def test_nothing_is_scanned_to_find_them(store: Store) -> None:
    steps = store.db.execute(
        f"EXPLAIN QUERY PLAN {SQL['LAST_RUNS']}", ["[]", "home", None, None, None, "direct", NOW]
    ).fetchall()
    scanned = [step[3] for step in steps if step[3].startswith("SCAN")]
    assert scanned == ["SCAN wanted VIRTUAL TABLE INDEX 1:"], steps


def test_two_databases_were_made_at_different_moments(store: Store, tmp_path: Path) -> None:
    other = Store.open(tmp_path / "y.db")
    assert made_at(store.db) != made_at(other.db)
    other.close()
