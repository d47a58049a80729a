"""How fast answers came, and when that is slow enough to be told: pure, from the curves that were recorded."""

from __future__ import annotations

from probe.model import Http, Measurement, Observation
from results.judge.failure_point import ending, method_of
from results.judge.verdict import Context, Rate

ENOUGH_BYTES = 64 * 1024
"""Of less, the time is mostly that of the way and of the server, and a window that has only begun to open."""
SLOW = 64 * 1024
"""Bytes a second from which on nothing is called slow, whatever the yardstick: known throttles give a fourth of it."""
SHARE = 8
"""A yardstick counts from so many times the rate."""
TIMES = 3
SHORTEST_S = 0.001


def rate_of(measurement: Measurement) -> float | None:
    """Bytes a second of the answer that ended a course, from its first bytes to its last; None for less than enough."""
    end = ending(measurement.target, measurement.observations)
    return _rate(end.observation) if end.observation is not None else None


def _rate(observation: Observation) -> float | None:
    answer = observation.detail
    if not isinstance(answer, Http) or len(answer.curve) < 2 or method_of(observation) is not None:
        return None  # what broke off or stood still did not flow
    (begun, first), (ended, last) = answer.curve[0], answer.curve[-1]
    return (last - first) / max(ended - begun, SHORTEST_S) if last >= ENOUGH_BYTES else None


def is_slow(rate: Rate) -> bool:
    """Whether a rate is low by itself, and far below both of its yardsticks."""
    yardstick = rate.canary if rate.others is None else min(rate.canary, rate.others)
    return rate.bytes_per_s < SLOW and rate.bytes_per_s * SHARE < yardstick


def suspected(context: Context) -> bool:
    """Whether a target was slow so often in a row that a control is worth asking."""
    return len(context.rates) >= TIMES and all(map(is_slow, context.rates))
