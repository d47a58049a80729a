"""When a target has turned from reachable to blocked or back, and that counts as confirmed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from results.db.notification_queue import PastVerdict
from schedules.notify.events import ConfirmedChange, state_change

LETTERS = {"r": "reachable", "b": "blocked", "d": "down", "o": "offline", "i": "inconclusive", "x": "denied"}


def history(letters: str) -> list[PastVerdict]:
    """Told as people do, oldest first; the newest comes first in what is given."""
    return [
        PastVerdict(str(place), f"2026-06-{place + 1:02d}", LETTERS[letter]) for place, letter in enumerate(letters)
    ][::-1]


def turned(letters: str) -> tuple[str, str, str] | None:
    """What it was before, the place that first saw it changed, and the one that confirmed it."""
    found = state_change(history(letters))
    return (found.before, found.first.id, found.confirmed.id) if found else None


def test_one_measurement_is_no_change_and_the_second_confirms_it() -> None:
    assert turned("rrrb") is None
    assert turned("rrrbb") == ("reachable", "3", "4")
    assert turned("rrrbbbbb") == ("reachable", "3", "4")


def test_it_comes_back() -> None:
    assert turned("rrbbbrr") == ("blocked", "5", "6")


def test_what_was_always_so_has_not_changed() -> None:
    assert turned("") is None
    assert turned("bbbb") is None
    assert turned("rrrr") is None


def test_a_single_odd_measurement_between_the_same_is_none() -> None:
    assert turned("rrrbrrr") is None
    assert turned("bbrbb") is None


def test_a_target_seen_once_and_then_blocked_has_changed() -> None:
    assert turned("rbb") == ("reachable", "1", "2")


def test_what_says_nothing_of_the_target_stands_in_no_ones_way() -> None:
    assert turned("rrobdibx") == ("reachable", "3", "6")
    assert turned("rrdddooo") is None


def test_what_is_unsteady_by_nature_does_not_turn() -> None:
    assert turned("rrbbrrbbrrbb") is None
    assert turned("rrrrrrrrrrbb") is not None


@given(st.text(alphabet="rbdoix", max_size=30))
def test_a_turn_is_from_one_to_the_other_and_was_confirmed(letters: str) -> None:
    found = state_change(history(letters))
    if found is None:
        return
    assert isinstance(found, ConfirmedChange)
    assert {found.before, found.first.outcome} == {"reachable", "blocked"}
    assert found.confirmed.outcome == found.first.outcome
    assert int(found.first.id) < int(found.confirmed.id)


@given(st.text(alphabet="rbdoix", max_size=30))
def test_the_same_turn_is_found_for_as_long_as_it_holds(letters: str) -> None:
    found = state_change(history(letters))
    if found is not None:
        last = "r" if found.first.outcome == "reachable" else "b"
        again = state_change(history(letters + last))
        assert again is not None
        assert again.first.id == found.first.id
