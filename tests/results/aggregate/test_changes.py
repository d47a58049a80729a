"""When a block began and ended, in series whose truth is known."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.aggregate.changes import BLOCKED, OPEN, StateHistory, state_history

HOUR = 3600.0
WEEKS_H = 21 * 24.0


def series(told: str, every_h: float = 6.0) -> StateHistory:
    """A measurement every six hours: `x` blocked, `.` open."""
    times = [n * every_h * HOUR for n in range(len(told))]
    return state_history(times, [BLOCKED if letter == "x" else OPEN for letter in told])


def simulated(seed: int, noise: float) -> tuple[bool, float | None]:
    """Three weeks with one block of three days or more; whether its beginning and end are both right, and how wide the
    intervals are."""
    chance = random.Random(seed)
    began = chance.uniform(24, WEEKS_H - 24 - 72)
    ended = chance.uniform(began + 72, WEEKS_H - 24)
    times, states, at = [], [], chance.uniform(0, 6)
    while at < WEEKS_H:
        true = began < at <= ended
        times.append(at * HOUR)
        states.append(int(true if chance.random() >= noise else not true))
        at += chance.uniform(4.8, 7.2)
    found = state_history(times, states)
    if found.flapping or len(found.changes) != 2:
        return False, None
    begin, end = found.changes
    right = begin.earliest <= began * HOUR <= begin.latest and end.earliest <= ended * HOUR <= end.latest
    return begin.blocked and right, (begin.hours + end.hours) / 2


@pytest.mark.parametrize(
    ("noise", "times", "least", "widest_h"), [(0.0, 300, 0.99, 8.0), (0.05, 300, 0.97, 24.0), (0.1, 1000, 0.95, 40.0)]
)
def test_beginning_and_end_are_both_within_their_intervals(
    noise: float, times: int, least: float, widest_h: float
) -> None:
    found = [simulated(seed, noise) for seed in range(times)]
    right = sum(ok for ok, _ in found) / len(found)
    widths = sorted(width for _, width in found if width is not None)
    assert right >= least
    assert widths[len(widths) // 2] <= widest_h, "an interval that holds everything tells nothing"


def test_nothing_is_found_where_nothing_changes() -> None:
    wrong = 0
    for seed in range(300):
        chance = random.Random(seed)
        told = "".join("x" if chance.random() < 0.1 else "." for _ in range(84))
        wrong += bool(series(told).changes)
    assert wrong <= 6


def test_a_block_that_begins_lies_between_the_last_open_and_the_first_blocked_measurement() -> None:
    (change,) = series("............xxxxxxxxxxxx").changes
    assert change.blocked
    assert change.at == 12 * 6 * HOUR
    assert change.earliest <= 11 * 6 * HOUR < 12 * 6 * HOUR <= change.latest
    assert change.hours <= 18
    (change,) = series("." * 40 + "x" * 44).changes
    assert change.hours <= 12, "the more agrees, the surer"


def test_a_single_lapse_is_no_end_and_a_single_failure_no_beginning() -> None:
    found = series("............xxxxxxxx.xxxxxxxxxx")
    assert [change.blocked for change in found.changes] == [True]
    assert not series("..........x..............").changes


def test_a_block_in_force_from_the_first_measurement_on_has_no_beginning() -> None:
    found = series("xxxxxxxxxxxx")
    assert (found.blocked_at_first, found.changes) == (True, ())


@pytest.mark.parametrize(
    "told",
    ["x.x.x.x.x.x.x.x.x.x.x.x.", "xxxx....xxxx....xxxx....xxxx....xxxx....", "xx.x..x.xx.x...xx.x.x..xx..x.x.xx.x."],
)
def test_what_comes_and_goes_is_called_flapping(told: str) -> None:
    found = series(told)
    assert found.flapping
    assert found.changes == ()


def test_a_long_gap_without_measurements_is_all_uncertain() -> None:
    times = [n * 6 * HOUR for n in (*range(20), *range(200, 220))]
    (change,) = state_history(times, [OPEN] * 20 + [BLOCKED] * 20).changes
    assert (change.earliest, change.latest) == (19 * 6 * HOUR, 200 * 6 * HOUR)


def test_no_measurement_and_one_measurement_tell_of_no_change() -> None:
    assert state_history([], []) == StateHistory()
    assert state_history([0.0], [BLOCKED]) == StateHistory(blocked_at_first=True)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1)), max_size=60),
)
def test_changes_follow_one_another_within_the_series(steps: list[tuple[float, int]]) -> None:
    times, at = [], 0.0
    for step, _ in steps:
        at += step
        times.append(at)
    found = state_history(times, [state for _, state in steps])
    for change in found.changes:
        assert times[0] <= change.earliest <= change.at <= change.latest <= times[-1]
    for one, next_ in pairwise(found.changes):
        assert one.blocked != next_.blocked
        assert one.latest <= next_.latest
        assert one.earliest <= next_.earliest
