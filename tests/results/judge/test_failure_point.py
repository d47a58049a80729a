"""Which word of the closed list a failed step gets."""

from __future__ import annotations

import pytest

from probe.model import Http, Observation
from results.judge.failure_point import method_of


def cut_short(
    duration_s: float, last_byte_s: float | None, status: int | None = 200, received: int = 16_384
) -> Observation:
    """An answer that had begun when time was up."""
    curve = ((0.1, 900), (last_byte_s, 16_384)) if last_byte_s is not None else ()
    return Observation(
        id="o0",
        step="http",
        role="main",
        hop=0,
        started_at="2026-11-24T12:00:00Z",
        offset_s=0.0,
        duration_s=duration_s,
        host="a.example",
        failure="generic_timeout_error",
        detail=Http(url="https://a.example/", status=status, received=received, curve=curve),
    )


@pytest.mark.parametrize(("duration_s", "last_byte_s"), [(10.2, 0.2), (30.0, 20.0), (30.02, 20.01), (10.0, None)])
def test_an_answer_that_stood_still_is_a_stall(duration_s: float, last_byte_s: float | None) -> None:
    assert method_of(cut_short(duration_s, last_byte_s)) == "http.stall"


@pytest.mark.parametrize(("duration_s", "last_byte_s"), [(30.0, 29.9), (30.0, 24.0)])
def test_an_answer_that_kept_coming_is_no_stall(duration_s: float, last_byte_s: float) -> None:
    assert method_of(cut_short(duration_s, last_byte_s)) is None


def test_a_frozen_record_of_which_nothing_can_be_read_is_a_stall_and_session_tickets_are_none() -> None:
    assert method_of(cut_short(10.0, None, status=None)) == "http.stall"
    assert method_of(cut_short(10.0, None, status=None, received=600)) == "http.timeout"
