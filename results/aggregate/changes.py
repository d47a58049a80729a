"""When a block began and when it ended, from measurements that are sometimes wrong. Pure.

A hidden Markov model with two states, open and blocked, in continuous time: the state changes at a low rate, and each
measurement tells the other state with a small probability (L. R. Rabiner, Proc. IEEE 77, 1989). How small is not known,
so several are tried, and each counts as much as it explains the series. The most probable course (A. J. Viterbi, IEEE
Trans. Inf. Theory 13, 1967) says which changes there were. When each of them was is a question of its own: between the
middles of the states on its two sides, how probable it is in each gap between two measurements; the interval is the
shortest that holds MASS of that (as for a single change point: A. F. M. Smith, Biometrika 62, 1975). A change lies
between two measurements, so an interval ends at measurements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import exp, log

import msgspec

OPEN, BLOCKED = 0, 1
StatePair = tuple[float, float]
DWELL_H = 30 * 24.0
"""How long a state lasts on the average, before anything was seen."""
MAX_ERROR_RATE = 0.3
ERROR_RATES = (0.001, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, MAX_ERROR_RATE)
"""Shares of measurements that tell the other state: which of them it is, the series itself says."""
ERROR_PRIOR_EXPONENT = 0.5
"""Before anything was seen, one share is as much more probable than four times itself as two is than one."""
MIN_WEIGHT = 0.002
MASS = 0.99
MIN_FLAPS = 4
FLAP_H = 48.0
"""So many changes, of which half come within so many hours of the one before, are no beginnings and ends."""
MIN_MEASUREMENTS = 8
"""Of fewer measurements nobody can tell flapping from a change."""


class StateChange(msgspec.Struct, frozen=True):
    """One change of state, in seconds since 1970: it came after `earliest`, not after `latest`.

    `at` is the measurement that most probably was the first one after it.
    """

    blocked: bool
    """Whether it is the beginning of a block, or its end."""
    at: float
    earliest: float
    latest: float

    @property
    def hours(self) -> float:
        """How long the time is in which it can have come."""
        return (self.latest - self.earliest) / 3600


class StateHistory(msgspec.Struct, frozen=True):
    """What became of a series: its changes, oldest first; or that it flaps, and then no change is told."""

    changes: tuple[StateChange, ...] = ()
    flapping: bool = False
    error: float | None = None
    """The share of measurements that tell the other state, as estimated."""
    blocked_at_first: bool | None = None
    """The state that the series begins in; None for a series of nothing."""

    @property
    def began(self) -> StateChange | None:
        """When the block that is in force at the end began, where that was seen."""
        return self.changes[-1] if self.changes and self.changes[-1].blocked else None


class WeightedErrorRate(msgspec.Struct, frozen=True):
    """A share of errors, and how probable it is of all that are tried."""

    error: float
    weight: float


def state_history(times: Sequence[float], states: Sequence[int]) -> StateHistory:
    """The changes in a series of measurements (`times` in seconds, rising; `states` OPEN or BLOCKED)."""
    if not times:
        return StateHistory()
    if len(set(states)) == 1:
        return StateHistory(blocked_at_first=states[0] == BLOCKED)
    switches = [_switching(later - before) for before, later in pairwise(times)]
    evidence = {error: _log_likelihood(states, switches, error) for error in ERROR_RATES}
    shares = _weighted_rates(evidence)
    error = sum(one.error * one.weight for one in shares)
    course = _viterbi(states, switches, error)
    where = [n for n in range(len(switches)) if course[n] != course[n + 1]]
    first = course[0] == BLOCKED
    if _is_noise(states, max(evidence.values())) or _flaps([times[n] for n in where]):
        return StateHistory(flapping=True, error=error, blocked_at_first=first)
    found = []
    for place, n in enumerate(where):
        low = (where[place - 1] + n) // 2 + 1 if place else 0
        high = (n + where[place + 1]) // 2 if place + 1 < len(where) else len(switches) - 1
        towards = course[n + 1]
        weights = _gap_probabilities(states[low : high + 2], switches[low : high + 1], towards, shares)
        begin, end = _shortest_interval(weights, MASS)
        best = low + max(range(len(weights)), key=weights.__getitem__)
        found.append(StateChange(towards == BLOCKED, times[best + 1], times[low + begin], times[low + end + 1]))
    return StateHistory(tuple(found), False, error, first)


def _switching(seconds: float) -> float:
    """The probability that the state at the end of a gap is another than at its beginning."""
    return max(1e-9, 0.5 * (1 - exp(-2 * max(seconds, 0.0) / 3600 / DWELL_H)))


def _step(before: StatePair, switch: float) -> StatePair:
    stay = 1 - switch
    return before[0] * stay + before[1] * switch, before[1] * stay + before[0] * switch


def _likelihood(state: int, error: float) -> StatePair:
    """How probable it is to be told `state`, when the network is open, and when it is blocked."""
    return (1 - error, error) if state == OPEN else (error, 1 - error)


def _log_likelihood(states: Sequence[int], switches: Sequence[float], error: float) -> float:
    """The logarithm of the series' probability at a share of errors (the forward pass, scaled at each step)."""
    evidence, here = 0.0, (0.5, 0.5)
    for n, state in enumerate(states):
        here = _step(here, switches[n - 1]) if n else here
        told = _likelihood(state, error)
        open_, blocked = here[0] * told[0], here[1] * told[1]
        total = open_ + blocked
        evidence += log(total)
        here = (open_ / total, blocked / total)
    return evidence


def _weighted_rates(evidence: Mapping[float, float]) -> list[WeightedErrorRate]:
    """The shares of errors that count, with their posterior weights."""
    best = max(evidence.values())
    weights = {error: exp(value - best) / error**ERROR_PRIOR_EXPONENT for error, value in evidence.items()}
    total = sum(weights.values())
    return [
        WeightedErrorRate(error, weight / total) for error, weight in weights.items() if weight / total > MIN_WEIGHT
    ]


def _gap_probabilities(
    states: Sequence[int], switches: Sequence[float], towards: int, shares: Sequence[WeightedErrorRate]
) -> list[float]:
    """How probable one change to `towards` is in each of the gaps between these measurements, if there is one."""
    found = [0.0] * len(switches)
    for one in shares:
        right, wrong = log(1 - one.error), log(one.error)
        # Each measurement passed on the way from the last gap to the first is told by the new state and not by the old.
        gain, told = 0.0, []
        for state, switch in zip(states[:0:-1], reversed(switches), strict=True):
            gain += (right - wrong) if state == towards else (wrong - right)
            told.append(gain + log(switch) - log(1 - switch))
        best = max(told)
        scale = sum(exp(value - best) for value in told)
        for gap, value in enumerate(reversed(told)):
            found[gap] += one.weight * exp(value - best) / scale
    return found


def _viterbi(states: Sequence[int], switches: Sequence[float], error: float) -> list[int]:
    """The most probable course of states."""
    right, wrong = log(1 - error), log(error)
    best = [right if states[0] == state else wrong for state in (OPEN, BLOCKED)]
    came: list[tuple[int, int]] = []
    for state, switch in zip(states[1:], switches, strict=True):
        stay, move = log(1 - switch), log(switch)
        origin = tuple(s if best[s] + stay >= best[1 - s] + move else 1 - s for s in (OPEN, BLOCKED))
        best = [
            best[origin[s]] + (stay if origin[s] == s else move) + (right if state == s else wrong)
            for s in (OPEN, BLOCKED)
        ]
        came.append((origin[0], origin[1]))
    course = [OPEN if best[OPEN] >= best[BLOCKED] else BLOCKED]
    for origins in reversed(came):
        course.append(origins[course[-1]])
    return course[::-1]


def _is_noise(states: Sequence[int], evidence: float) -> bool:
    """Whether a coin that has no memory tells the series better than states that last, at a share that is no error."""
    share = sum(states) / len(states)
    if len(states) < MIN_MEASUREMENTS or not MAX_ERROR_RATE / 2 <= share <= 1 - MAX_ERROR_RATE / 2:
        return False
    return sum(states) * log(share) + (len(states) - sum(states)) * log(1 - share) > evidence


def _flaps(moments: Sequence[float]) -> bool:
    short = sum(later - before < FLAP_H * 3600 for before, later in pairwise(moments))
    return len(moments) >= MIN_FLAPS and 2 * short >= len(moments) - 1


def _shortest_interval(weights: Sequence[float], mass: float) -> tuple[int, int]:
    """The fewest neighbours that together hold `mass` of all weights, their first and last place."""
    wanted = mass * sum(weights)
    best, begin, held = (0, len(weights) - 1), 0, 0.0
    for end, weight in enumerate(weights):
        held += weight
        while held - weights[begin] >= wanted and begin < end:
            held -= weights[begin]
            begin += 1
        if held >= wanted and end - begin < best[1] - best[0]:
            best = (begin, end)
    return best
