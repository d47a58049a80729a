"""What is measured sooner, and when that ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from results.db.read import SQL
from results.db.store import Store
from results.registers.importing import ImportOptions, import_register
from schedules.config.schema import Config, VantageTable
from schedules.plan.due import (
    CONFIRM_INTERVAL_S,
    DAY_S,
    HOUR_S,
    NewlyListed,
    after_change,
    after_listing,
    shortest_interval_s,
    with_priority,
)
from schedules.plan.model import PlannedTarget
from tests.results.records import finished, measurement, target

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
OUTCOMES = st.lists(st.sampled_from(["reachable", "blocked", "down", "offline", "inconclusive"]), max_size=20)


def publish(store: Store, folder: Path, days_ago: float, *names: str) -> None:
    file = folder / "register.txt"
    file.write_text("".join(f"{name}\n" for name in names))
    at = NOW - timedelta(days=days_ago)
    import_register(store.db, [file], ImportOptions(name="list", country="RU", format="plain", updated=at, now=at))


def test_a_new_listing_is_measured_hourly_for_two_days_then_daily_for_two_weeks() -> None:
    ages = [0, 2 * DAY_S - 1, 2 * DAY_S, 16 * DAY_S - 1, 16 * DAY_S]
    assert [after_listing(age) for age in ages] == [HOUR_S, HOUR_S, DAY_S, DAY_S, None]


def test_a_change_is_confirmed_then_looked_at_hourly_until_it_holds() -> None:
    was = ["reachable"] * 5
    found = [after_change(["blocked"] * times + was) for times in range(4)]
    assert found == [None, CONFIRM_INTERVAL_S, HOUR_S, None]


def test_what_was_never_anything_else_has_not_changed() -> None:
    assert after_change(["blocked"]) is None
    assert after_change([]) is None


def test_a_missing_network_is_no_change() -> None:
    assert after_change(["offline", "reachable", "offline", "reachable"]) is None


def test_what_never_holds_goes_back_to_its_campaign() -> None:
    assert after_change(["blocked", "reachable"] * 3) == CONFIRM_INTERVAL_S
    assert after_change(["blocked", "reachable"] * 6) is None


@given(st.integers(1, 10**7), st.none() | st.integers(-(10**7), 10**7), OUTCOMES)
def test_nothing_is_ever_measured_more_seldom_for_being_watched(
    every: int, listed: int | None, said: list[str]
) -> None:
    assert min(every, CONFIRM_INTERVAL_S) <= shortest_interval_s(every, listed, said) <= every


def test_what_the_second_version_lists_and_the_first_did_not_is_new(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path, 3, "old.test")
    publish(store, tmp_path, 1, "old.test", "new.test")
    registers = NewlyListed(store, "RU", NOW)
    assert registers.listed_s("https://new.test/") == DAY_S
    assert registers.listed_s("https://old.test/") is None
    assert registers.listed_s("https://free.test/") is None
    assert NewlyListed(store, None, NOW).listed_s("https://new.test/") is None


def test_a_second_entry_for_a_name_already_listed_is_not_news(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path, 30, "*.site.test")
    publish(store, tmp_path, 1, "*.site.test", "www.site.test")
    assert NewlyListed(store, "RU", NOW).listed_s("https://www.site.test/") is None


def test_a_changed_verdict_and_a_new_listing_hasten_the_campaign(store: Store, tmp_path: Path) -> None:
    config = Config(vantage=VantageTable(name="home", country="RU"))
    one = PlannedTarget(target(), "direct", 6 * HOUR_S)
    assert with_priority(config, store, [one], NOW.timestamp()) == (one,)
    publish(store, tmp_path, 3, "old.test")
    publish(store, tmp_path, 1, "old.test", target().host)
    assert with_priority(config, store, [one], NOW.timestamp())[0].every_s == HOUR_S
    for number, outcome in enumerate(["reachable", "blocked"]):
        at = f"2026-06-20T0{number}:00:00.000Z"
        name = f"m{number}00000000000000"
        made = msgspec.structs.replace(measurement(name), started_at=at, vantage=config.vantage_by("direct"))
        store.save([finished(name, outcome, measurement=made)])
    assert with_priority(config, store, [one], NOW.timestamp())[0].every_s == CONFIRM_INTERVAL_S


def test_no_table_is_scanned_for_the_last_verdicts(store: Store) -> None:
    values = ["home", None, None, None, "direct", "x", None, "2026", 12]
    steps = [row[3] for row in store.db.execute(f"EXPLAIN QUERY PLAN {SQL['RECENT_OUTCOMES']}", values)]
    assert not [step for step in steps if step.startswith("SCAN")], steps
