"""What the pages are made of: cells of many vantages and targets, marks of many days, words, and what is remembered."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.compare.record import OUTCOMES
from results.hub.web.labels import network
from results.hub.web.matrix import MAX_CELLS, MAX_NETWORKS, matrix_of, state_of
from results.hub.web.queries import CellRow, DayRow
from results.hub.web.site import AGE_PER_QUERY_TIME, MAX_AGE_S, QueryCache
from results.hub.web.timeline import NARROW, WIDE, draw, outcomes_by_day
from results.i18n.translator import Translator, best_language
from tests.results.hub.web.conftest import Ask


def cell(outcome: str, **more: Any) -> CellRow:
    given = {
        "service": "s", "target": "https://a.example/", "country": "RU", "asn": 1, "network_name": None,
        "path": "direct",
        "outcome": outcome, "method": "tls.reset" if outcome == "blocked" else None, "trigger": None,
        "agreement": "undecided", "register": None, "listed": None, "listed_at": None, "vantages": 1,
        "last_at": "2026-11-25T10:00:00.000Z",
    }  # fmt: skip
    return CellRow(**{**given, **more})


BOTH = {("s", "https://a.example/"), ("s", "https://b.example/")}


def test_a_cell_is_what_most_vantages_found_and_shows_disagreement() -> None:
    said = state_of([cell("blocked", vantages=2), cell("reachable")], BOTH)
    assert (said.outcome, said.method, said.is_split, said.vantages) == ("blocked", "tls.reset", True, 3)
    assert not state_of([cell("blocked", vantages=2), cell("offline", vantages=5)], BOTH).is_split


def test_the_later_finding_breaks_a_tie() -> None:
    said = state_of([cell("blocked"), cell("reachable", last_at="2026-11-25T11:00:00.000Z")], BOTH)
    assert said.outcome == "reachable"


def test_a_service_is_blocked_where_a_required_target_is_and_not_where_an_optional_one_is() -> None:
    rows = [cell("reachable"), cell("blocked", target="https://b.example/")]
    assert state_of(rows, BOTH).outcome == "blocked"
    assert (state_of(rows, BOTH).blocked, state_of(rows, BOTH).targets) == (1, 2)
    only = {("s", "https://a.example/")}
    assert (state_of(rows, only).outcome, state_of(rows, only).blocked) == ("reachable", 0)


def test_the_matrix_is_bounded_and_blocked_rows_come_first() -> None:
    rows = [
        cell("blocked" if service == 299 else "reachable", service=f"s{service}", asn=1000 + asn, vantages=1 + asn % 7)
        for service in range(300)
        for asn in range(100)
    ]
    made = matrix_of(rows, BOTH)
    assert sum(len(part.networks) for part in made.parts) == MAX_NETWORKS
    assert made.networks_left_out == 40
    assert max(len(part.networks) for part in made.parts) <= 6
    assert made.parts[0].lines[0].title == "s299"
    assert sum(len(line.states) for part in made.parts for line in part.lines) <= MAX_CELLS
    assert made.rows_left_out == 300 - MAX_CELLS // MAX_NETWORKS
    shown = {one.asn for part in made.parts for one in part.networks}
    assert {1000 + asn for asn in range(100) if asn % 7 == 6} <= shown, "those with most vantages"


DAYS = st.lists(
    st.builds(
        lambda number, asn, outcome, findings: DayRow(
            day=(date(2026, 1, 1) + timedelta(days=number)).isoformat(), target="t", country="RU", asn=asn,
            network_name=None, path="direct", outcome=outcome, findings=findings,
        ),
        st.integers(0, 400), st.integers(1, 5), st.sampled_from(OUTCOMES), st.integers(1, 9),
    ),
    max_size=60,
)  # fmt: skip


@given(DAYS, st.sampled_from([WIDE, NARROW]), st.none() | st.dates(date(2025, 1, 1), date(2027, 12, 31)))
def test_every_day_has_a_mark_within_the_drawing(rows: list[DayRow], most: int, listed: date | None) -> None:
    found = draw(outcomes_by_day(rows, {"t"}), most, listed.isoformat() if listed else None)
    if not rows:
        assert found is None
        return
    assert found is not None
    assert {line.network.asn for line in found.rows} == {row.asn for row in rows}
    for line in found.rows:
        days = {row.day for row in rows if row.asn == line.network.asn}
        assert sum(line.days.values()) == len(days)
        assert 1 <= len(line.marks) <= min(most, len(days))
        assert all(0 <= mark.x <= found.width - found.cell for mark in line.marks)
    assert all(0 <= x < found.width for x, _ in found.ticks)
    if listed and min(row.day for row in rows) <= listed.isoformat() <= max(row.day for row in rows):
        assert found.listed_x is not None
        assert 0 <= found.listed_x <= found.width


def test_a_day_is_blocked_where_half_of_the_conclusive_findings_are() -> None:
    def day(**counts: int) -> str:
        rows = [
            DayRow(day="2026-01-01", target="t", country="RU", asn=1, network_name=None, path="direct", outcome=name,
                   findings=count)
            for name, count in counts.items()
        ]  # fmt: skip
        return outcomes_by_day(rows, {"t"})[network("RU", 1, None)]["2026-01-01"]

    assert day(blocked=2, reachable=2, offline=50) == "blocked"
    assert day(blocked=1, reachable=2) == "reachable"
    assert day(offline=1, inconclusive=3) == "inconclusive"


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [("ru", "en", "ru"), (None, "", "en"), (None, "fr, ru;q=0.4, en;q=0.3", "ru"), ("de", "ru", "ru"),
     (None, "ru;q=0", "en"),
     (None, "ru;q=x, *", "en")],
)  # fmt: skip
def test_the_language_is_the_chosen_one_else_the_browsers(asked: str | None, accepted: str, language: str) -> None:
    assert best_language(asked, accepted) == language


def test_a_hub_has_a_language_for_readers_of_none_of_its_own() -> None:
    assert best_language(None, "fr", "ru") == "ru"
    assert best_language(None, "fr, en;q=0.2", "ru") == "en"


def test_an_invalid_time_is_shown_as_it_is() -> None:
    assert Translator("en").when("soon") == "soon"
    assert Translator("en").when("2026-13-45T99:00:00Z") == "2026-13-45T99:00:00Z"


class Database:
    """Stands for Reading: a version that a test sets, and a count of what was asked beside it."""

    def __init__(self) -> None:
        self.version, self.questions = 1, 0

    def execute(self, query: str) -> Any:
        return self

    def fetchone(self) -> tuple[int]:
        return (self.version,)

    async def run(self, question: Callable[[Any], Any], timeout_s: float = 0) -> Any:
        await asyncio.sleep(0)
        return question(self)

    def find(self, db: Any) -> int:
        self.questions += 1
        return self.questions


async def test_parallel_readers_query_the_database_once() -> None:
    database, cache = Database(), QueryCache(lambda: 0.0)
    answers = await asyncio.gather(*(cache.run(database, "matrix", database.find) for _ in range(50)))  # type: ignore[arg-type]
    assert answers == [1] * 50
    assert cache._locks == {}


async def test_a_cached_result_expires_with_new_data_or_age() -> None:
    database, now = Database(), [0.0]
    cache = QueryCache(lambda: now[0])

    def slow(db: Any) -> int:
        now[0] += 1.0
        return database.find(db)

    async def ask() -> int:
        return await cache.run(database, "matrix", slow)  # type: ignore[arg-type]

    assert await ask() == 1
    database.version = 2
    assert await ask() == 1, "it took a second, so that it is kept for a while whatever comes"
    now[0] += AGE_PER_QUERY_TIME
    assert await ask() == 2
    now[0] += MAX_AGE_S - 1
    assert await ask() == 2
    now[0] += 2
    assert await ask() == 3, "a verdict may have been judged again"


async def test_a_long_page_is_compressed_for_clients_that_accept_it(ask: Ask) -> None:
    plain, packed = await ask("/"), await ask("/", accept_encoding="br, gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "Accept-Encoding" in packed.headers["vary"]
