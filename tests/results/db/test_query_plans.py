"""Whatever is asked of a large database is found by an index, not by reading everything or sorting it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from probe.model import Vantage
from results.aggregate import enforcement
from results.db import read, retention, store
from results.db.connect import open_read_only
from results.db.read import FILTERS, rows_query
from results.db.store import Store
from tests.results.records import HOME, finished, measurement, target, verdict

SORTED = re.compile(r"USE TEMP B-TREE FOR ORDER BY")
SCANNED = re.compile(r"^SCAN (?!wanted |json_each )(\w+)")
AWAY = Vantage(name="away", country="NL", asn=64500, path="vpn")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "x.db")
    yield opened
    opened.close()


def plan(opened: Store, query: str, values: list[Any] | dict[str, Any] | None = None) -> list[str]:
    values = [None] * query.count("?") if values is None else values
    return [row[3] for row in opened.db.conn.execute(f"EXPLAIN QUERY PLAN {query}", values)]


def asked(*names: str) -> dict[str, str]:
    return {name: {"agreement": "enforced"}.get(name, "x") for name in names}


def scans(steps: list[str]) -> list[str]:
    """Tables that are read from end to end; one that is read in an index's order until enough is found is none."""
    return [step for step in steps if SCANNED.match(step)]


def test_the_newest_are_read_in_the_order_of_time_and_not_sorted(opened: Store) -> None:
    undecided = rows_query({"agreement": "undecided"}, repeated=False, oldest_first=False)
    assert "USING INDEX measurements_by_time" in plan(opened, undecided)[0]
    for given in ((), ("since",), ("until",), ("since", "until"), ("vantage",), ("path", "since")):
        steps = plan(opened, rows_query(asked(*given), repeated=False, oldest_first=False) + " LIMIT 40")
        assert "USING INDEX measurements_by_time" in steps[0], given
        assert not any(map(SORTED.search, steps)), given


@pytest.mark.parametrize("kind", ["outcome", "agreement"])
@pytest.mark.parametrize("since", [(), ("since",), ("since", "until", "vantage", "path")])
def test_the_newest_of_one_outcome_are_found_without_the_others_and_without_sorting(
    kind: str, since: tuple[str, ...], opened: Store
) -> None:
    steps = plan(opened, rows_query(asked(kind, *since), repeated=False, oldest_first=False) + " LIMIT 40")
    assert steps[0].startswith(f"SEARCH v USING INDEX verdicts_by_{kind} ({kind}=?")
    assert ("started_at>?" in steps[0]) == bool(since)
    assert not any(map(SORTED.search, steps))
    assert scans(steps) == []


def test_a_named_target_or_service_is_found_without_reading_others_whatever_else_is_asked(opened: Store) -> None:
    rest = [name for name in FILTERS if name not in ("target", "service")]
    for count in range(len(rest) + 1):
        for others in combinations(rest, count):
            for named in (("target",), ("service",), ("target", "service")):
                steps = plan(opened, rows_query(asked(*named, *others), repeated=True, oldest_first=False))
                assert re.match(r"SEARCH t USING INDEX targets_(once|service) \((text|service)=\?\)", steps[0])
                assert scans(steps) == []


def test_what_the_agent_asks_before_and_in_a_round_touches_only_what_it_asks_about(opened: Store) -> None:
    for query in (
        store.SQL["HISTORY"],
        store.SQL["RATES"],
        read.SQL["LAST_RUNS"],
        read.SQL["RECENT_OUTCOMES"],
        read.SQL["NEWEST"],
        read.SQL["STEPS"],
        enforcement.SQL["ROWS"],
    ):
        assert scans(plan(opened, query)) == [], query
    for query in (store.SQL["HISTORY"], read.SQL["RECENT_OUTCOMES"], read.SQL["LAST_RUNS"]):
        assert any("measurements_by_target (target_id=? AND vantage_id=?" in step for step in plan(opened, query)), (
            query
        )
    values = dict.fromkeys(("text", "since", "until", "name", "path", "country")) | {"vantages": "[]"}
    assert scans(plan(opened, read.SQL["RECORDED_ELSEWHERE"], values)) == []
    (oldest, *_) = plan(opened, retention.SQL["OLDEST"])
    assert "measurements_by_time (started_at<?)" in oldest
    assert plan(opened, "SELECT max(started_at) FROM rounds") == ["SEARCH rounds USING COVERING INDEX rounds_by_time"]


def test_targets_that_a_register_ever_listed_are_found_without_reading_every_verdict(opened: Store) -> None:
    assert plan(opened, enforcement.SQL["LISTED"])[0] == "SCAN v USING INDEX verdicts_listed"


def test_a_database_is_readable_where_its_schema_is_not_trusted(opened: Store) -> None:
    opened.save([finished()])
    with closing(open_read_only(opened.path)) as connection:
        assert connection.execute("SELECT count(*) FROM verdicts").fetchone() == (1,)


def test_by_whatever_way_they_are_found_the_same_rows_come_in_the_same_order(opened: Store) -> None:
    outcomes = ("reachable", "blocked", "down", "inconclusive")
    for number in range(48):
        at = f"2026-11-{24 - number % 7:02}T18:00:0{number % 3}.000Z"
        made = measurement(
            f"{number:016}",
            started_at=at,
            vantage=(HOME, AWAY)[number % 2],
            target=target(service=(None, "wechat")[number % 3 % 2]),
        )
        given = verdict(outcomes[number % 4], method="tls.reset" if number % 4 == 1 else None)
        opened.save([finished(measurement=made, verdict=given, agreement=("open", "undecided")[number % 5 % 2])])
    everything = list(opened.rows())
    assert [row["started_at"] for row in everything] == sorted((r["started_at"] for r in everything), reverse=True)
    wanted = {
        "outcome": "blocked",
        "agreement": "open",
        "service": "wechat",
        "vantage": "home-fibre",
        "path": "direct",
        "since": "2026-11-20",
        "until": "2026-11-23T18:00:01.000Z",
    }
    for count in range(1, len(wanted) + 1):
        for names in combinations(wanted, count):
            filters = {name: wanted[name] for name in names}
            if count % 2:
                filters |= {"agreement": "undecided"} if "agreement" in filters else {}
            expected = [row for row in everything if _fits(row, filters)]
            assert list(opened.rows(**filters)) == expected, filters
            assert list(opened.rows(3, **filters)) == expected[:3], filters


def _fits(row: dict[str, Any], filters: dict[str, str]) -> bool:
    has = row | {"vantage": row["vantage"]["name"], "path": row["vantage"]["path"]}
    plain = all(has[name] == value for name, value in filters.items() if name not in ("since", "until"))
    return plain and filters.get("since", "") <= row["started_at"] < filters.get("until", "9")


def test_of_a_vantage_or_path_that_nothing_was_measured_from_nothing_is_looked_at(opened: Store) -> None:
    opened.save([finished()])
    asked_for: list[str] = []
    opened.db.conn.set_trace_callback(asked_for.append)
    assert list(opened.rows(vantage="nobody")) == list(opened.rows(path="nowhere", vantage=HOME.name)) == []
    assert not [query for query in asked_for if "FROM measurements" in query]
    assert [row["vantage"]["name"] for row in opened.rows(vantage=HOME.name, path=HOME.path)] == [HOME.name]
