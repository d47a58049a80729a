"""When blocks began and ended, from measurements that are sometimes wrong. Pure.

A hidden Markov model with the states open and blocked in continuous time (L. R. Rabiner, Proc. IEEE 77, 1989), averaged
over several error rates by their likelihood. The most probable path (A. J. Viterbi, IEEE Trans. Inf. Theory 13, 1967)
gives the changes. The interval of each is the shortest that holds MASS of its posterior over the gaps between two
measurements (A. F. M. Smith, Biometrika 62, 1975), within the middles of the neighbouring states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import exp, log

import msgspec

OPEN, BLOCKED = 0, 1
StatePair = tuple[float, float]
DWELL_H = 30 * 24.0
"""The prior mean duration of a state."""
MAX_ERROR_RATE = 0.3
ERROR_RATES = (0.001, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, MAX_ERROR_RATE)
"""Shares of wrong measurements; each is weighted by its likelihood."""
ERROR_PRIOR_EXPONENT = 0.5
"""The prior of an error rate is proportional to rate ** -ERROR_PRIOR_EXPONENT."""
MIN_WEIGHT = 0.002
MASS = 0.99
MIN_FLAPS = 4
FLAP_H = 48.0
"""From MIN_FLAPS changes on, half of them within FLAP_H of the previous one, a series is flapping."""
MIN_MEASUREMENTS = 8
"""Below, flapping cannot be observed from a change."""


class StateChange(msgspec.Struct, frozen=True):
    """The beginning or end of a block, after `earliest` and not after `latest` (seconds since 1970).

    `at` is the most probable first measurement after it.
    """

    blocked: bool
    """The beginning of a block, else its end."""
    at: float
    earliest: float
    latest: float

    @property
    def hours(self) -> float:
        """The length of the interval."""
        return (self.latest - self.earliest) / 3600


class StateHistory(msgspec.Struct, frozen=True):
    """The changes of a series, oldest first; none where it is flapping."""

    changes: tuple[StateChange, ...] = ()
    flapping: bool = False
    error: float | None = None
    """The estimated share of wrong measurements."""
    blocked_at_first: bool | None = None
    """The first state; None for an empty series."""


class WeightedErrorRate(msgspec.Struct, frozen=True):
    """An error rate with its posterior weight."""

    error: float
    weight: float


def state_history(times: Sequence[float], states: Sequence[int]) -> StateHistory:
    """The changes in a series of measurements (`times` in seconds, ascending; `states` OPEN or BLOCKED)."""
    if not times:
        return StateHistory()
    if len(set(states)) == 1:
        return StateHistory(blocked_at_first=states[0] == BLOCKED)
    switches = [_switching(later - before) for before, later in pairwise(times)]
    evidence = {error: _log_likelihood(states, switches, error) for error in ERROR_RATES}
    rates = _weighted_rates(evidence)
    error = sum(one.error * one.weight for one in rates)
    path = _viterbi(states, switches, error)
    where = [n for n in range(len(switches)) if path[n] != path[n + 1]]
    first = path[0] == BLOCKED
    if _is_noise(states, max(evidence.values())) or _flaps([times[n] for n in where]):
        return StateHistory(flapping=True, error=error, blocked_at_first=first)
    found = []
    for place, n in enumerate(where):
        low = (where[place - 1] + n) // 2 + 1 if place else 0
        high = (n + where[place + 1]) // 2 if place + 1 < len(where) else len(switches) - 1
        towards = path[n + 1]
        weights = _gap_probabilities(states[low : high + 2], switches[low : high + 1], towards, rates)
        begin, end = _shortest_interval(weights, MASS)
        best = low + max(range(len(weights)), key=weights.__getitem__)
        found.append(StateChange(towards == BLOCKED, times[best + 1], times[low + begin], times[low + end + 1]))
    return StateHistory(tuple(found), False, error, first)


def certain_history(times: Sequence[float], states: Sequence[int]) -> StateHistory:
    """The changes in a series without wrong measurements: each lies between the two where the state differs."""
    if not times:
        return StateHistory()
    changes = tuple(
        StateChange(states[n] == BLOCKED, times[n], times[n - 1], times[n])
        for n in range(1, len(times))
        if states[n] != states[n - 1]
    )
    return StateHistory(changes, False, 0.0, states[0] == BLOCKED)


def _switching(seconds: float) -> float:
    """The probability that the state differs after a gap."""
    return max(1e-9, 0.5 * (1 - exp(-2 * max(seconds, 0.0) / 3600 / DWELL_H)))


def _step(before: StatePair, switch: float) -> StatePair:
    stay = 1 - switch
    return before[0] * stay + before[1] * switch, before[1] * stay + before[0] * switch


def _likelihood(state: int, error: float) -> StatePair:
    """The probability of observing `state`, when open and when blocked."""
    return (1 - error, error) if state == OPEN else (error, 1 - error)


def _log_likelihood(states: Sequence[int], switches: Sequence[float], error: float) -> float:
    """The log likelihood of the series at an error rate (the scaled forward pass)."""
    evidence, here = 0.0, (0.5, 0.5)
    for n, state in enumerate(states):
        here = _step(here, switches[n - 1]) if n else here
        observed = _likelihood(state, error)
        open_, blocked = here[0] * observed[0], here[1] * observed[1]
        total = open_ + blocked
        evidence += log(total)
        here = (open_ / total, blocked / total)
    return evidence


def _weighted_rates(evidence: Mapping[float, float]) -> list[WeightedErrorRate]:
    """The error rates above MIN_WEIGHT with their posterior weights."""
    best = max(evidence.values())
    weights = {error: exp(value - best) / error**ERROR_PRIOR_EXPONENT for error, value in evidence.items()}
    total = sum(weights.values())
    return [
        WeightedErrorRate(error, weight / total) for error, weight in weights.items() if weight / total > MIN_WEIGHT
    ]


def _gap_probabilities(
    states: Sequence[int], switches: Sequence[float], towards: int, rates: Sequence[WeightedErrorRate]
) -> list[float]:
    """The probability of each gap between these measurements to hold the one change to `towards`."""
    found = [0.0] * len(switches)
    for one in rates:
        right, wrong = log(1 - one.error), log(one.error)
        gain, log_odds = 0.0, []
        for state, switch in zip(states[:0:-1], reversed(switches), strict=True):
            gain += (right - wrong) if state == towards else (wrong - right)
            log_odds.append(gain + log(switch) - log(1 - switch))
        best = max(log_odds)
        scale = sum(exp(value - best) for value in log_odds)
        for gap, value in enumerate(reversed(log_odds)):
            found[gap] += one.weight * exp(value - best) / scale
    return found


def _viterbi(states: Sequence[int], switches: Sequence[float], error: float) -> list[int]:
    """The most probable sequence of states."""
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
    path = [OPEN if best[OPEN] >= best[BLOCKED] else BLOCKED]
    for origins in reversed(came):
        path.append(origins[path[-1]])
    return path[::-1]


def _is_noise(states: Sequence[int], evidence: float) -> bool:
    """Whether independent coin tosses explain the series better than lasting states, at a rate too high for errors."""
    share = sum(states) / len(states)
    if len(states) < MIN_MEASUREMENTS or not MAX_ERROR_RATE / 2 <= share <= 1 - MAX_ERROR_RATE / 2:
        return False
    return sum(states) * log(share) + (len(states) - sum(states)) * log(1 - share) > evidence


def _flaps(moments: Sequence[float]) -> bool:
    short = sum(later - before < FLAP_H * 3600 for before, later in pairwise(moments))
    return len(moments) >= MIN_FLAPS and 2 * short >= len(moments) - 1


def _shortest_interval(weights: Sequence[float], mass: float) -> tuple[int, int]:
    """The first and last place of the shortest run that holds `mass` of all weights."""
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
