"""What a control measurement tries besides its own course: the very addresses at which the vantage point failed."""

from __future__ import annotations

from collections.abc import Sequence

from probe.model import Attempt, FollowUp, Measurement, Observation
from probe.net.address_policy import family_of, is_public
from results.judge.failure_point import ENDPOINT_STEPS, STEPS, Ending, ending, goal

MAX_ADDRESSES = 2
"""One of each family."""
SCHEMES = {("tcp", "https"): "tls", ("tls", "https"): "tls", ("tls", "tls"): "tls"}
"""How far an attempt goes for a step and a scheme, else as far as the target; a proxy may accept any connect itself."""


def failed_attempts(measurement: Measurement) -> tuple[Attempt, ...]:
    """The attempts that failed on the vantage point, as a control is to make them; () where it got an answer."""
    end = ending(measurement.target, measurement.observations)
    if end.complete or end.observation is None:
        return ()
    places = [o for o in failed_places(measurement, end) if o.address is not None and o.port is not None]
    asked = goal(measurement.target, measurement.observations, end.hop)
    scheme = SCHEMES.get((end.observation.step, asked.scheme), asked.scheme)
    return tuple(
        Attempt(
            role="again",
            hop=end.hop,
            scheme=scheme,
            host=end.host,
            server_name=end.host,
            address=failed.address,
            port=failed.port or asked.port,
            request_path=asked.path if scheme == asked.scheme else None,
        )
        for failed in places
    )


def failed_places(measurement: Measurement, end: Ending) -> Sequence[Observation]:
    """The observations that failed at the step that decided, the deciding one first, one for each family."""
    decided = end.observation
    if decided is None or end.complete or decided.address is None or decided.step not in ENDPOINT_STEPS:
        return ()
    same = (
        o
        for o in measurement.observations
        if o.role == "main" and o.hop == end.hop and o.step == decided.step and o.failure is not None and o.address
    )
    first: dict[str, Observation] = {family_of(decided.address): decided}
    for o in same:
        first.setdefault(family_of(o.address or ""), o)
    return tuple(first.values())[:MAX_ADDRESSES]


def at_failed_addresses(measurement: Measurement) -> FollowUp:
    """The follow-up of a control measurement that got further: these addresses, unless its own course used them."""
    wanted = failed_attempts(measurement)
    step = ending(measurement.target, measurement.observations).step

    def follow_up(control: Measurement) -> Sequence[Attempt]:
        if step is None or not any(_is_beyond(o, step) for o in control.observations):
            return ()
        tried = {(o.address, o.port) for o in control.observations}
        return tuple(attempt for attempt in wanted if (attempt.address, attempt.port) not in tried)

    return follow_up


def _is_beyond(o: Observation, step: str) -> bool:
    passed = o.role == "main" and o.failure is None and o.step in ENDPOINT_STEPS
    return passed and STEPS.index(o.step) >= STEPS.index(step)


def public_addresses(measurement: Measurement) -> tuple[str, ...]:
    """The addresses of `failed_attempts` on the target's own host that a hub may connect to."""
    return tuple(a.address for a in failed_attempts(measurement) if a.address and a.hop == 0 and is_public(a.address))
