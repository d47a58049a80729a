"""What goes into the store comes out again, all or none of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probe.model import Answer, Dns, Http, Measurement, Observation, Tcp, Tls
from results.db import read
from results.db.store import Store, StoreError
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Context, Earlier, Repeat
from tests.results.records import BODY, HOME, finished, measurement, observation, target, verdict


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "new" / "reachprobe.db")
    yield opened
    opened.close()


def test_a_blocked_measurement_comes_back_the_same_with_its_bodies_and_certificates(store: Store) -> None:
    kept = finished(outcome="blocked")
    store.save([kept])
    assert store.finished("2kq7") == kept


def test_a_plain_success_comes_back_without_its_body(store: Store) -> None:
    store.save([finished()])
    answer = store.measurement("2kq7").observations[-1].detail
    assert answer.body is None
    assert (answer.length, answer.title) == (len(BODY), "Hello")


def test_the_body_of_a_plain_http_answer_is_kept_for_no_tls_vouches_for_it(store: Store) -> None:
    plain = observation("2kq7mmmmmmmmmmmm", 1, "http", Http(url="http://x.example/", status=200, body=b"page"))
    store.save([finished(measurement=measurement(observations=(plain,)))])
    assert store.measurement("2kq7").observations[0].detail.body == b"page"


def test_a_control_is_kept_with_the_measurement_it_was_made_for(store: Store) -> None:
    control = measurement("control000000000", control_of="2kq7mmmmmmmmmmmm")
    kept = finished(outcome="blocked", controls=(control,), context=Context(control_countries={control.id: "NL"}))
    store.save([kept])
    assert read.controls_of(store.db, "2kq7mmmmmmmmmmmm") == (control,)
    assert read.context_of(store.db, "2kq7mmmmmmmmmmmm") == kept.context


def test_a_repeat_and_what_it_says_of_the_first_are_kept_together(store: Store) -> None:
    pending = finished("2kq7mmmmmmmmmmmm", "inconclusive", context=Context(repeat=Repeat()))
    again = finished(
        "3again0000000000", "blocked", measurement=measurement("3again0000000000", repeats="2kq7mmmmmmmmmmmm")
    )
    store.save([pending])
    told = msgspec.structs.replace(
        pending, verdict=verdict("blocked", method="tls.reset"), context=Context(repeat=Repeat(outcome="blocked"))
    )
    store.repeated(told, again)
    assert (store.finished("2kq7"), store.finished("3aga")) == (told, again)
    (both, only_the_later) = list(store.rows()), list(store.rows(repeated=False))
    assert [(row["measurement_id"][:5], row["repeats"], row["repeated_by"]) for row in both] == [
        ("3agai", "2kq7mmmmmmmmmmmm", None),
        ("2kq7m", None, "3again0000000000"),
    ]
    assert [row["measurement_id"] for row in only_the_later] == ["3again0000000000"]


def test_what_was_measured_again_at_once_counts_once_among_earlier_failures(store: Store) -> None:
    first = finished("2kq7mmmmmmmmmmmm", "blocked")
    again = measurement("3again0000000000", repeats="2kq7mmmmmmmmmmmm", started_at="2026-11-24T18:01:00.000Z")
    store.save([first])
    before = "2026-11-24T19:00:00.000Z"
    assert store.latest_outcome(first.measurement.target, HOME, before) == "blocked"
    assert store.latest_outcome(first.measurement.target, msgspec.structs.replace(HOME, path="vpn"), before) is None
    store.repeated(first, finished("3again0000000000", "down", measurement=again))
    assert store.latest_outcome(first.measurement.target, HOME, before) == "down"


def test_a_recorded_measurement_that_served_as_a_control_is_kept_once_and_found_again(store: Store) -> None:
    abroad = msgspec.structs.replace(HOME, name="berlin", country="DE")
    recorded = finished("berlin0000000000", measurement=measurement("berlin0000000000", vantage=abroad))
    store.save([recorded])
    control = store.measurement("berlin")
    kept = finished(outcome="blocked", controls=(control,), context=Context(recorded=(control.id,)))
    store.save([kept])
    assert [found.id for found in store.finished("2kq7").controls] == [control.id]
    assert read.controls_of(store.db, "2kq7mmmmmmmmmmmm") == ()
    store.db.execute("DELETE FROM measurements WHERE id = ?", [control.id])
    assert store.finished("2kq7").controls == ()


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
maybe_words = st.none() | words
numbers = st.none() | st.integers(-(2**31), 2**31)
details = {
    "dns": st.builds(
        Dns,
        resolver=words,
        query_type=words,
        rcode=numbers,
        answers=st.lists(st.builds(Answer, type=words, value=words, ttl=numbers), max_size=3).map(tuple),
        authenticated=st.none() | st.booleans(),
        truncated=st.none() | st.booleans(),
    ),
    "tcp": st.builds(Tcp, family=st.sampled_from([None, "ipv4", "ipv6"])),
    "tls": st.builds(
        Tls, server_name=maybe_words, verify_code=numbers, chain=st.lists(st.binary(max_size=9), max_size=3).map(tuple)
    ),
    "http": st.builds(
        Http,
        url=words,
        status=numbers,
        headers=st.lists(st.tuples(words, words), max_size=3).map(tuple),
        title=maybe_words,
        truncated=st.none() | st.booleans(),
    ),
}


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    step = draw(st.sampled_from(sorted(details)))
    return Observation(
        id=draw(words).lstrip("."),
        step=step,
        role=draw(st.sampled_from(["main", "again", "trusted"])),
        hop=draw(st.integers(0, 10)),
        started_at=draw(words),
        offset_s=draw(st.floats(0, 1e6)),
        duration_s=draw(st.floats(0, 1e6)),
        host=draw(words),
        address=draw(maybe_words),
        port=draw(st.none() | st.integers(0, 65535)),
        failure=draw(maybe_words),
        error_code=draw(numbers),
        error=draw(maybe_words),
        detail=draw(details[step]),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(steps=st.lists(observations(), max_size=6), again=st.integers(0, 10**9))
def test_whatever_was_observed_comes_back_the_same(store: Store, steps: list[Observation], again: int) -> None:
    name = f"{store.db.execute('SELECT count(*) FROM measurements').fetchone()[0]:08d}{again:010d}"
    kept = finished(measurement=measurement(name, observations=tuple(steps)), outcome="blocked")
    store.save([kept])
    assert store.finished(name) == kept


def test_one_bad_record_leaves_nothing_of_its_batch_and_the_next_batch_is_whole(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.save([finished("aaaa000000000000"), finished("bbbb000000000000"), finished("aaaa000000000000")])
    assert list(store.rows()) == []
    store.save([finished("bbbb000000000000")])
    assert store.measurement("bbbb").observations[3].detail.chain


def test_what_was_saved_is_there_for_another_program_at_once(store: Store) -> None:
    store.save([finished()])
    other = sqlite3.connect(store.path)
    assert other.execute("SELECT outcome FROM verdicts").fetchall() == [("reachable",)]
    other.close()


def test_a_plain_success_costs_less_than_two_kilobytes(store: Store) -> None:
    def size() -> int:
        pages, free, each = (
            store.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * each)

    store.save([finished("first00000000000")])
    before = size()
    many = [finished(f"{n:016d}", measurement=measurement(f"{n:016d}")) for n in range(500)]
    store.save(many)
    assert (size() - before) / len(many) < 2048


def test_an_id_is_found_by_its_beginning_and_an_ambiguous_one_is_refused(store: Store) -> None:
    store.save([finished("abcd111100000000"), finished("abcd222200000000")])
    assert store.find("abcd1") == "abcd111100000000"
    assert store.short("abcd111100000000") == "abcd1"
    with pytest.raises(StoreError, match="several ids: abcd111100000000, abcd222200000000"):
        store.find("abcd")
    with pytest.raises(StoreError, match="no measurement 'zzzz'"):
        store.find("zzzz")
    with pytest.raises(StoreError, match="first 4"):
        store.find("ab")


def failed(at: str, failure: str | None = "connection_reset", outcome: str = "inconclusive") -> JudgedMeasurement:
    handshake = observation("x", 1, "tls", Tls(server_name="www.example.com"), failure=failure)
    steps = (handshake,) if failure else measurement().observations
    return finished(measurement=measurement(at, started_at=at, observations=steps), outcome=outcome)


def test_earlier_failures_are_told_since_the_target_was_last_reachable(store: Store) -> None:
    store.save(
        [
            failed("2026-11-01", outcome="blocked"),
            failed("2026-11-02", None, outcome="reachable"),
            failed("2026-11-03"),
            failed("2026-11-04", "generic_timeout_error", outcome="blocked"),
        ]
    )
    told = store.history(target(), HOME, before="2026-11-05T00:00:00.000Z")
    assert told == (Earlier(at="2026-11-03", method="tls.reset"), Earlier(at="2026-11-04", method="tls.timeout"))
    assert store.history(target(), HOME, before="2026-11-04") == told[:1]
    elsewhere = msgspec.structs.replace(HOME, path="vpn")
    assert store.history(target(), elsewhere, before="2026-11-05") == ()


def test_of_many_earlier_failures_the_newest_are_told_and_the_oldest_of_the_run(store: Store) -> None:
    store.save([failed(f"2026-11-01T{hour:02d}:{minute:02d}") for hour in range(12) for minute in (0, 30)])
    told = store.history(target(), HOME, before="2026-11-02")
    assert len(told) == 13
    assert (told[0].at, told[1].at, told[-1].at) == ("2026-11-01T00:00", "2026-11-01T06:00", "2026-11-01T11:30")


def test_judging_again_replaces_the_verdicts_that_change_and_tells_which(store: Store) -> None:
    store.save([finished("aaaa000000000000"), finished("bbbb000000000000", "blocked")])

    def judge(old: JudgedMeasurement) -> JudgedMeasurement:
        return msgspec.structs.replace(old, verdict=verdict("down", rules_version="2"))

    changed = list(store.reclassify(judge))
    assert [old.verdict.outcome for old, _ in changed] == ["reachable", "blocked"]
    assert [row["outcome"] for row in store.rows()] == ["down", "down"]
    assert list(store.reclassify(judge)) == []


def test_rows_are_filtered_and_the_newest_come_first(store: Store) -> None:
    for day in (1, 2, 3):
        made = measurement(f"{day:016d}", started_at=f"2026-11-{day:02d}T00:00:00.000Z")
        store.save([finished(measurement=made, outcome="blocked" if day == 2 else "reachable")])
    assert [row["started_at"][:10] for row in store.rows(limit=2)] == ["2026-11-03", "2026-11-02"]
    assert [row["outcome"] for row in store.rows(outcome="blocked")] == ["blocked"]
    assert len(list(store.rows(since="2026-11-02", until="2026-11-03"))) == 1
    assert list(store.rows(target="https://elsewhere.example/")) == []


def test_the_views_show_names_and_the_newest_finding_of_each_target(store: Store) -> None:
    store.save_round(RoundRecord(id="round1", started_at="2026-11-24T18:00:00.000Z", network="online"))
    old = measurement("old0000000000000", started_at="2026-11-01T00:00:00.000Z")
    store.save([finished(measurement=old, outcome="blocked"), finished("new0000000000000", round_id="round1")])
    latest = list(store.db.query("SELECT target, vantage, outcome, network FROM latest"))
    assert latest == [
        {"target": "https://www.example.com/", "vantage": "home-fibre", "outcome": "reachable", "network": "online"}
    ]
    steps = list(store.db.query("SELECT step, tls_alpn FROM steps WHERE measurement_id LIKE 'new%' ORDER BY place"))
    assert [row["step"] for row in steps] == ["dns", "dns", "tcp", "tls", "http"]
    assert steps[3]["tls_alpn"] == "h2"


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (
            "SELECT id FROM measurements WHERE control_of IS NULL ORDER BY started_at DESC LIMIT 9",
            "measurements_by_time",
        ),
        ("SELECT 1 FROM latest", "measurements_by_target"),
        ("SELECT 1 FROM measurements WHERE control_of = 'x'", "measurements_by_control"),
    ],
)
def test_the_common_questions_are_answered_by_an_index(store: Store, query: str, index: str) -> None:
    plan = " ".join(row[3] for row in store.db.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert index in plan


def test_a_step_that_is_added_later_brings_its_columns_along(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from results.db import columns

    class Ping(msgspec.Struct, frozen=True):
        hops: int | None = None
        seen: tuple[str, ...] = ()

    known = columns.detail_types()
    monkeypatch.setattr(columns, "detail_types", lambda: {**known, "ping": Ping})
    columns.detail_columns.cache_clear()
    later = Store.open(store.path)
    ping = observation("2kq7mmmmmmmmmmmm", 1, "ping", Ping(hops=7, seen=("192.0.2.1",)))
    later.save([finished(measurement=measurement(observations=(ping,)))])
    assert later.measurement("2kq7").observations == (ping,)
    assert list(later.db.query("SELECT ping_hops FROM observations")) == [{"ping_hops": 7}]
    later.close()


def test_the_schema_document_names_every_table_view_and_column(store: Store) -> None:
    said = Path("docs/schema.md").read_text("utf-8")
    things = store.db.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE '\\_%' ESCAPE '\\'"
        " AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'register%'"
    ).fetchall()
    for (name,) in things:
        assert f"`{name}`" in said or f"## {name}\n" in said, name
    for table in ("vantages", "targets", "rounds", "measurements", "verdicts", "certificates", "bodies", "consents"):
        section = said.split(f"## {table}\n")[1].split("\n## ")[0]
        for column in store.db.execute(f"PRAGMA table_info({table})"):
            assert f"`{column[1]}`" in section, (table, column[1])
    assert isinstance(measurement(), Measurement)
