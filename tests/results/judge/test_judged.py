"""The design's table of agreements, line by line."""

from __future__ import annotations

import msgspec
import pytest

from results.judge.judged import agreement
from results.registers.expectation import Expectation
from results.registers.lookup import EntryRef

BLOCK = EntryRef(
    id="1", how="subnet", block_type="ip", basis=None, authority=None, decision_number=None, decision_date=None,
    listed_on=None, listed_at=None, first_seen="2017-01-01T00:00:00Z", last_seen=None,
)  # fmt: skip
LISTED = Expectation(target="a.com", register="rkn", country="RU", listed=True)
UNLISTED = msgspec.structs.replace(LISTED, listed=False)
AT_LISTED_ADDRESS = msgspec.structs.replace(UNLISTED, address_blocks=(BLOCK,))
NEIGHBOUR = msgspec.structs.replace(UNLISTED, shares_address_with=("b.com",))


@pytest.mark.parametrize(
    ("expectation", "outcome", "trigger", "said"),
    [
        (LISTED, "blocked", None, "enforced"),
        (LISTED, "blocked", "address", "enforced"),
        (LISTED, "reachable", None, "unenforced"),
        (UNLISTED, "blocked", "name", "unlisted-block"),
        (UNLISTED, "blocked", "address", "unlisted-block"),
        (UNLISTED, "reachable", None, "open"),
        (AT_LISTED_ADDRESS, "blocked", "address", "collateral"),
        (AT_LISTED_ADDRESS, "blocked", "name", "unlisted-block"),
        (AT_LISTED_ADDRESS, "blocked", None, "unlisted-block"),
        (AT_LISTED_ADDRESS, "reachable", None, "open"),
        (NEIGHBOUR, "blocked", "address", "unlisted-block"),
        (msgspec.structs.replace(LISTED, listed=None, register=None), "blocked", None, "undecided"),
        (msgspec.structs.replace(LISTED, stale=True), "blocked", None, "undecided"),
        (msgspec.structs.replace(UNLISTED, stale=True), "reachable", None, "undecided"),
        (None, "blocked", None, "undecided"),
    ],
)
def test_what_the_register_says_against_what_was_found(
    expectation: Expectation | None, outcome: str, trigger: str | None, said: str
):
    assert agreement(expectation, outcome, trigger) == said


@pytest.mark.parametrize("outcome", ["denied", "down", "offline", "inconclusive"])
@pytest.mark.parametrize("expectation", [LISTED, UNLISTED, AT_LISTED_ADDRESS, None])
def test_an_outcome_that_says_nothing_of_blocking_decides_nothing(expectation: Expectation | None, outcome: str):
    assert agreement(expectation, outcome, "address") == "undecided"
