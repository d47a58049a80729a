"""How many targets may be under way: what the line itself shows of its load, and what it does not."""

from __future__ import annotations

import math
from collections import deque

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from probe.model import Dns, Tcp
from probe.net.concurrency import FLOOR, LATER, LOST_S, SOON, START, WINDOW, Began, LineFacts, Pace, facts_of
from tests.results.records import measurement, observation

NEAR_S, FAR_S = 0.02, 0.3


def answered(n: int, seconds: float, *, timed_out: bool = False, took_s: float = 0.2) -> LineFacts:
    return LineFacts(((f"192.0.2.{n}", seconds),), timed_out, took_s)


SILENT = LineFacts((), timed_out=True, took_s=20.0)


def calm(pace: Pace, targets: int, seconds: float = NEAR_S) -> None:
    for n in range(targets):
        pace.ended(pace.began(0), answered(n, seconds))


def full(pace: Pace, windows: int = 1, seconds: float = 0.5) -> None:
    for _ in range(windows):
        for n in range(max(WINDOW, pace.allowed // 4)):
            pace.ended(pace.began(0), answered(n, seconds))


facts = st.builds(
    LineFacts,
    st.lists(st.tuples(st.sampled_from([f"192.0.2.{n}" for n in range(40)]), st.floats(0, 60)), max_size=4).map(tuple),
    st.booleans(),
    st.floats(0, 300),
)


@given(st.integers(1, 1000), st.integers(1, 2000), st.lists(st.tuples(facts, st.integers(0, 900))))
def test_whatever_is_told_the_bounds_hold_and_one_may_always_begin(
    ceiling: int, most: int, told: list[tuple[LineFacts, int]]
) -> None:
    pace = Pace(ceiling, most)
    for fact, waiting in told:
        pace.ended(pace.began(waiting), fact)
        assert min(FLOOR, ceiling) <= pace.allowed <= ceiling
        assert 0 <= pace.may_wait < max(ceiling, most)
        assert pace.has_room(0, 0)
        assert not pace.has_room(ceiling, 0)
        assert not pace.has_room(1, max(ceiling, most))
        assert pace.waiting_after_s(10, small=True) in (10 / SOON, 10 / LATER)
        assert pace.waiting_after_s(10, small=False) >= 10 / SOON


@given(st.lists(facts, min_size=1), st.integers(1, 64))
def test_silence_alone_never_slows_a_round_nor_makes_a_finding_doubtful(told: list[LineFacts], ceiling: int) -> None:
    pace = Pace(ceiling)
    before = pace.allowed
    for fact in told:
        assert not pace.ended(pace.began(0), fact._replace(connects=(), timed_out=True))
    assert pace.allowed == before


@given(
    st.lists(st.booleans(), max_size=600),
    st.floats(0.001, 0.6),
    st.lists(st.floats(0, 0.05), min_size=50, max_size=50),
)
@example([True] * 289 + [False] * (WINDOW - 1), 0.02, [0.0] * 50)
@example([True] * 289 + [False] * WINDOW, 0.02, [0.0] * 50)
def test_silent_targets_on_a_calm_line_slow_nothing_and_a_window_of_answers_speeds_it_up(
    silent: list[bool], distance_s: float, jitter: list[float]
) -> None:
    pace = Pace(64)
    for n, is_silent in enumerate(silent):
        fact = SILENT if is_silent else answered(n, distance_s + jitter[n % len(jitter)])
        assert not pace.ended(pace.began(0), fact)
        assert not pace.is_full
        assert pace.allowed >= START
    assert (pace.allowed > START) is (silent.count(False) >= WINDOW)


@given(st.integers(FLOOR, 1000), st.floats(0.001, 0.3), st.floats(0.15, 3))
def test_a_line_on_which_everything_slows_down_is_left_to_itself(ceiling: int, near_s: float, queue_s: float) -> None:
    pace = Pace(ceiling)
    calm(pace, 10 * ceiling + 10 * WINDOW, near_s)
    assert pace.allowed == ceiling
    lowest = pace.allowed
    for _ in range(10):
        full(pace, 1, 2 * near_s + queue_s)
        lowest = min(lowest, pace.allowed)
    assert lowest == FLOOR


def test_one_slow_target_with_many_names_is_one_witness() -> None:
    pace = Pace(64)
    calm(pace, 100)
    for n in range(1000):
        pace.ended(pace.began(0), answered(7 if n % 2 else n % 64, 5.0 if n % 2 else NEAR_S))
    assert pace.allowed == 64
    assert not pace.is_full


@pytest.mark.parametrize("lost", [0.1, 0.2])
def test_a_line_that_loses_some_packets_is_not_full(lost: float) -> None:
    pace = Pace(64)
    every = round(1 / lost)
    for n in range(640):
        pace.ended(pace.began(0), answered(n, NEAR_S + (LOST_S + 0.2 if n % every == 0 else 0)))
    assert pace.allowed == 64


def test_a_short_queue_shows_by_what_it_loses() -> None:
    pace = Pace(64)
    calm(pace, 100)
    for n in range(64):
        pace.ended(pace.began(0), answered(n, NEAR_S + (1.0 if n % 3 == 0 else 0)))
    assert pace.allowed < 64


def test_a_list_that_goes_on_with_distant_countries_slows_the_round_for_a_while_only() -> None:
    pace = Pace(64)
    calm(pace, 200)
    full(pace, 6, FAR_S)
    assert pace.allowed == FLOOR
    full(pace, 1, FAR_S)
    assert not pace.is_full, "the floor shows that it is not our load"
    calm(pace, 500, FAR_S)
    assert pace.allowed > 16


def test_what_began_before_a_halving_tells_of_a_load_that_is_no_more() -> None:
    pace = Pace(64)
    calm(pace, 100)
    under_way = deque(pace.began(0) for _ in range(64))
    full(pace)
    allowed = pace.allowed
    while under_way:
        pace.ended(under_way.popleft(), answered(len(under_way), 2.0))
    assert pace.allowed == allowed == 32


def test_a_time_out_is_doubtful_where_the_line_was_full_during_it_and_only_there() -> None:
    pace = Pace(64)
    calm(pace, 100)
    before = pace.began(0)
    assert not pace.ended(pace.began(0), SILENT)
    full(pace)
    during = pace.began(0)
    assert pace.ended(before, SILENT)
    assert pace.ended(during, SILENT)
    assert not pace.ended(during, answered(1, NEAR_S))
    calm(pace, WINDOW)
    assert not pace.is_full
    assert not pace.ended(pace.began(0), SILENT)


def test_more_may_wait_where_those_that_begin_beside_them_are_answered() -> None:
    pace = Pace(64, 1000)
    assert pace.may_wait == 63
    for _ in range(20):
        pace.ended(Began(0, 0, pace.may_wait), SILENT)
    assert pace.may_wait == 63, "none was answered: perhaps the router has no room for one more"
    for n in range(20):
        pace.ended(Began(0, 0, pace.may_wait), answered(n, NEAR_S))
    assert pace.may_wait == 999
    assert not pace.has_room(1, 999)


def test_alone_is_few_at_once_and_no_more_in_all_than_waited_and_did_no_harm() -> None:
    pace = Pace(64, 1000)
    calm(pace, 100)
    assert (pace.for_retests(16).allowed, pace.for_retests(16).may_wait) == (16, 15)
    pace.ended(Began(0, 0, 100), answered(1, NEAR_S))
    alone = pace.for_retests(16)
    assert alone.has_room(1, 98)
    assert not alone.has_room(1, 99)
    full(pace, 6)
    assert pace.for_retests(16).allowed == FLOOR


def test_a_small_packet_is_awaited_soon_and_a_page_no_longer_than_twice_what_others_take() -> None:
    pace = Pace(64)
    assert (pace.waiting_after_s(10, small=True), pace.waiting_after_s(10, small=False)) == (10 / SOON, 10 / LATER)
    for n in range(WINDOW):
        pace.ended(pace.began(0), answered(n, NEAR_S, took_s=3))
    assert (pace.waiting_after_s(10, small=True), pace.waiting_after_s(10, small=False)) == (10 / SOON, 6)
    full(pace)
    assert (pace.waiting_after_s(10, small=True), pace.waiting_after_s(10, small=False)) == (10 / LATER, math.inf)


def test_where_more_at_once_make_nothing_quicker_no_more_are_begun_but_one_by_one() -> None:
    pace = Pace(64)
    for n in range(WINDOW):
        pace.ended(pace.began(0), answered(n, NEAR_S, took_s=1))
    assert pace.allowed == 2 * START
    for n in range(WINDOW):
        pace.ended(pace.began(0), answered(n, NEAR_S, took_s=2))
    assert pace.allowed == 2 * START + 1
    for n in range(WINDOW):
        pace.ended(pace.began(0), answered(n, NEAR_S, took_s=1))
    assert pace.allowed == 2 * (2 * START + 1)


def test_the_facts_are_read_from_the_record() -> None:
    steps = (
        observation("m", 1, "dns", Dns(resolver="system", query_type="A"), duration_s=0.5),
        observation("m", 2, "tcp", Tcp(family="ipv4"), duration_s=0.04),
        observation("m", 3, "tcp", Tcp(family="ipv4"), duration_s=0.06, failure="connection_refused", address="::1"),
        observation("m", 4, "tcp", Tcp(family="ipv4"), duration_s=10.0, failure="generic_timeout_error"),
    )
    told = facts_of(measurement("m", observations=steps, runtime_s=10.6))
    assert told == LineFacts((("192.0.2.1", 0.04), ("::1", 0.06)), True, 10.6)
    assert not facts_of(measurement("m", observations=steps[:3])).timed_out
