"""What SQLite answers: the truth of three weeks, and what is easily counted wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from probe.model import Vantage
from results.aggregate.questions import SQL, Period, SqliteAggregates, period_parameters
from results.db.connect import open_read_only
from results.db.store import Store
from results.registers.expectation import Expectation
from tests.results.records import HOME, finished, measurement, target, verdict
from tests.three_weeks import make

ALWAYS = Period()


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteAggregates]:
    (path,) = set(make(tmp_path_factory.mktemp("weeks"), together=True))
    connection = open_read_only(path)
    yield SqliteAggregates(connection)
    connection.close()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "x.db")
    yield opened
    opened.close()


def found(
    name: str,
    at: str,
    outcome: str = "reachable",
    *,
    vantage: Vantage = HOME,
    listed_at: str | None = None,
    **more: Any,
) -> Any:
    """A finding at a time of 25 November, `12:00`; more is for the measurement, or the verdict."""
    of_verdict: dict[str, Any] = {key: more.pop(key) for key in ("method", "trigger", "confidence") if key in more}
    agreement = more.pop("agreement", "undecided")
    controls = more.pop("controls", ())
    expectation = Expectation(target="x", listed=True, listed_at=listed_at, since=listed_at[:10]) if listed_at else None
    if outcome == "blocked":
        of_verdict = {"method": "tls.reset", "confidence": "probable"} | of_verdict
    one = measurement(name, started_at=f"2026-11-25T{at}:00.000Z", vantage=vantage, **more)
    return finished(
        measurement=one,
        verdict=verdict(outcome, **of_verdict),
        agreement=agreement,
        expectation=expectation,
        controls=controls,
    )


def asked(opened: Store, *records: Any) -> SqliteAggregates:
    for record in records:
        opened.save([record])
    return SqliteAggregates(opened.db.conn)


def test_the_matrix_says_which_network_blocks_what_and_how(weeks: SqliteAggregates) -> None:
    rows = {(row.target, row.asn): row for row in weeks.matrix(ALWAYS)}
    assert len(rows) == 6 * 5
    wechat = {asn: row for (text, asn), row in rows.items() if text == "https://www.wechat.com/"}
    assert {asn: (row.outcome, row.method, row.agreement) for asn, row in wechat.items()} == {
        12389: ("blocked", "tls.reset", "enforced"),
        8402: ("blocked", "tls.reset", "enforced"),
        3216: ("blocked", "dns.nxdomain", "enforced"),
        25513: ("reachable", None, "unenforced"),
        1136: ("reachable", None, "undecided"),
    }
    assert wechat[12389].last_at == "2017-05-21T18:07:00.000Z"


def test_the_matrix_of_an_earlier_week_is_what_was_true_then(weeks: SqliteAggregates) -> None:
    rows = weeks.matrix(Period(since="2017-05-01", until="2017-05-05"))
    wechat = [row for row in rows if row.service == "wechat" and row.country == "RU"]
    assert {(row.outcome, row.agreement) for row in wechat} == {("reachable", "open")}
    assert max(row.last_at for row in wechat) == "2017-05-04T18:07:01.000Z"


def test_from_listing_to_blocking_it_took_the_hours_between_two_rounds(weeks: SqliteAggregates) -> None:
    hours = {
        row.asn: (row.at_least_h, row.at_most_h)
        for row in weeks.enforcement_delay(ALWAYS)
        if row.target == "https://www.wechat.com/"
    }
    assert hours == {12389: (22.62, 28.62), 8402: (28.62, 34.62), 3216: (94.62, 100.62), 25513: (394.62, None)}


def test_one_network_blocks_what_nobody_lists(weeks: SqliteAggregates) -> None:
    (row,) = weeks.unlisted_blocks(ALWAYS)
    assert (row.service, row.asn, row.method, row.vantages) == ("line", 3216, "dns.nxdomain", 1)
    assert (row.findings, row.first_at[:10], row.last_at[:10]) == (83, "2017-05-01", "2017-05-21")
    assert weeks.collateral(ALWAYS) == []


def test_methods_and_agreements_are_counted(weeks: SqliteAggregates) -> None:
    assert {(row.asn, row.method, row.targets) for row in weeks.methods_by_network(ALWAYS)} == {
        (3216, "dns.nxdomain", 4), (8402, "tls.reset", 3), (12389, "tls.reset", 3), (25513, "tls.reset", 1),
    }  # fmt: skip
    days = {(row.day, row.agreement): row for row in weeks.agreement_over_time(ALWAYS) if row.country == "RU"}
    assert days["2017-05-04", "enforced"].targets == 1
    assert days["2017-05-20", "enforced"].targets == 3
    assert days["2017-05-20", "enforced"].vantages == 4


def test_a_change_is_found_though_what_was_before_lies_outside_the_period(weeks: SqliteAggregates) -> None:
    rows = weeks.changes(Period(since="2017-05-06T12:00", until="2017-05-06T13:00"))
    assert {(row.target, row.asn, row.was, row.now, row.method, row.last_was_at[:16]) for row in rows} == {
        (f"https://{name}.wechat.com/", 12389, "reachable", "blocked", "tls.reset", "2017-05-06T06:07")
        for name in ("www", "web")
    }
    every = weeks.changes(ALWAYS)
    by_day = [
        row
        for day in range(1, 22)
        for row in weeks.changes(Period(since=f"2017-05-{day:02}", until=f"2017-05-{day:02}T~"))
    ]
    assert sorted(row.id for row in by_day) == sorted(row.id for row in every)


def test_a_measurement_that_was_repeated_counts_by_its_repeat_alone(opened: Store) -> None:
    ask = asked(
        opened,
        found("first", "10:00", "blocked", agreement="unlisted-block"),
        found("again", "10:05", repeats="first"),
    )
    assert [(row.outcome, row.vantages) for row in ask.matrix(ALWAYS)] == [("reachable", 1)]
    assert ask.matrix(Period(until="2026-11-25T10:01")) == []
    assert not any((ask.unlisted_blocks(ALWAYS), ask.methods_by_network(ALWAYS), ask.changes(ALWAYS)))
    assert [row.findings for row in ask.agreement_over_time(ALWAYS)] == [1]


def test_controls_are_not_counted(opened: Store) -> None:
    control = measurement("control", control_of="main", vantage=Vantage(name="far", country="SE", path="control"))
    ask = asked(opened, found("main", "10:00", "down", controls=(control,)))
    assert [(row.country, row.outcome) for row in ask.matrix(ALWAYS)] == [("RU", "down")]


def test_what_cannot_tell_does_not_hide_what_was_found_before(opened: Store) -> None:
    ask = asked(
        opened,
        found("found", "10:00", "blocked"),
        found("lost", "11:00", "offline"),
        found("only", "12:00", "inconclusive", target=target("https://other.example/")),
    )
    assert [(row.target, row.outcome, row.last_at[11:16]) for row in ask.matrix(ALWAYS)] == [
        ("https://other.example/", "inconclusive", "12:00"),
        ("https://www.example.com/", "blocked", "10:00"),
    ]
    assert ask.matrix(Period(since="2026-11-25T10:30"))[-1].outcome == "offline"


def test_at_the_same_time_the_greater_id_is_the_later(opened: Store) -> None:
    ask = asked(opened, found("id-b", "10:00", "blocked"), found("id-a", "10:00"))
    assert [row.outcome for row in ask.matrix(ALWAYS)] == ["blocked"]
    assert [(row.was, row.now, row.id) for row in ask.changes(ALWAYS)] == [("reachable", "blocked", "id-b")]


def test_whether_it_is_required_tells_no_target_from_itself(opened: Store) -> None:
    optional = target(service="x", required=False)
    ask = asked(
        opened,
        found("opt1", "10:00", target=optional),
        found("opt2", "11:00", "blocked", target=msgspec.structs.replace(optional, required=True)),
    )
    assert [(row.outcome, row.vantages) for row in ask.matrix(ALWAYS)] == [("blocked", 1)]
    assert [row.last_was_at[11:16] for row in ask.changes(Period(since="2026-11-25T10:30"))] == ["10:00"]


def test_two_vantages_of_a_network_that_disagree_are_two_rows_and_that_agree_are_one(opened: Store) -> None:
    second, third = (msgspec.structs.replace(HOME, name=name) for name in ("second", "third"))
    ask = asked(
        opened,
        found("one1", "10:00", "blocked"),
        found("two2", "11:00", "blocked", vantage=second),
        found("three3", "12:00", vantage=third),
    )
    rows = [(row.outcome, row.vantages, row.last_at[11:16]) for row in ask.matrix(ALWAYS)]
    assert rows == [("blocked", 2, "11:00"), ("reachable", 1, "12:00")]


@pytest.mark.parametrize(
    ("course", "hours"),
    [
        ((("08:00", "reachable"), ("11:00", "blocked")), (0.0, 1.0)),
        ((("10:30", "reachable"), ("12:00", "blocked")), (0.5, 2.0)),
        ((("07:00", "blocked"), ("08:00", "reachable"), ("12:00", "blocked")), (0.0, 2.0)),
        ((("07:00", "blocked"), ("12:00", "blocked")), (None, -3.0)),
        ((("06:00", "reachable"), ("07:00", "blocked"), ("10:30", "blocked"), ("11:00", "reachable")), (-4.0, -3.0)),
        ((("11:00", "reachable"),), (1.0, None)),
        ((("11:00", "down"),), ()),
    ],
)  # fmt: skip
def test_the_block_that_is_told_is_the_first_not_over_when_the_target_was_listed(
    course: tuple[tuple[str, str], ...], hours: tuple[float | None, ...], opened: Store
) -> None:
    listed = "2026-11-25T10:00:00Z"
    records = [found(f"id-{at}", at, outcome, listed_at=listed) for at, outcome in course]
    records.append(found("id-possible", "05:00", "blocked", confidence="possible", listed_at="2026-11-25T23:00:00Z"))
    rows = asked(opened, *records).enforcement_delay(ALWAYS)
    assert [(row.at_least_h, row.at_most_h) for row in rows] == ([hours] if hours else [])


def test_a_listing_of_a_day_may_have_begun_anywhere_on_earth(opened: Store) -> None:
    ask = asked(
        opened,
        found("open", "11:00", listed_at="2026-11-20"),
        found("shut", "12:00", "blocked", listed_at="2026-11-20"),
    )
    assert [(row.at_least_h, row.at_most_h) for row in ask.enforcement_delay(ALWAYS)] == [(95.0, 146.0)]


def test_nothing_large_is_read_from_end_to_end(opened: Store) -> None:
    scanned = re.compile(r"^SCAN [mvo]\b(?!.*USING (COVERING )?INDEX)")
    for question in (
        "MATRIX",
        "UNLISTED_BLOCKS",
        "COLLATERAL",
        "METHODS_BY_NETWORK",
        "ENFORCEMENT_DELAY",
        "CHANGES",
        "AGREEMENT_OVER_TIME",
    ):
        given = period_parameters(Period(since="2026-11-01"))
        steps = [row[3] for row in opened.db.conn.execute(f"EXPLAIN QUERY PLAN {SQL[question]}", given)]
        assert not [step for step in steps if scanned.match(step)], steps


def test_an_empty_database_answers_nothing(opened: Store) -> None:
    ask = SqliteAggregates(opened.db.conn)
    assert not any((ask.matrix(ALWAYS), ask.changes(ALWAYS), ask.enforcement_delay(ALWAYS)))
