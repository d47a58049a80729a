"""What an anomaly calls for: which further steps would tell a block from an accident. Pure, and in passes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from probe.address import literal
from probe.model import Attempt, FollowUp, Http, Lookup, Measurement, Observation, Role
from results.course import (
    CERTIFICATE,
    HANDSHAKES,
    Ending,
    ending,
    goal,
    host_of,
    last_attempt,
    leads_to,
    plain_hops,
    presented,
    vouched,
)
from results.dns_answers import Answers, answers_for
from results.fingerprints import is_block_host
from results.verdict import Verdict

ERRORS = 400
SHORT = 8_192
CLEARED = ("answer.over_valid_tls", "answer.valid_handshake")
"""Rules after which a control could add nothing."""


class FollowUpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the A/B steps need. `ab_endpoint` is an address and port that answer handshakes for `innocent_name`."""

    innocent_name: str | None = None
    ab_endpoint: tuple[str, int] | None = None
    trusted: bool = True
    """Whether any trusted resolver is configured."""


def follow_up(settings: FollowUpSettings) -> FollowUp:
    """The function that `measure` asks after each pass. It asks for nothing that the measurement already holds."""
    return partial(_wanted, settings)


def wants_control(measurement: Measurement, verdict: Verdict) -> bool:
    """Whether measuring the whole target through a control could change or support the verdict."""
    return verdict.outcome != "offline" and not any(rule in CLEARED for rule in verdict.rules)


def _wanted(settings: FollowUpSettings, measurement: Measurement) -> Sequence[Lookup | Attempt]:
    observations = measurement.observations
    end = ending(measurement.target, observations)
    if end.complete and vouched(observations, end):
        return ()
    wanted: list[Lookup | Attempt] = []
    for hop in sorted({*list(plain_hops(observations))[:1], end.hop}):
        wanted += _about_names(settings, measurement, hop)
    if end.observation is not None and not end.complete:
        wanted += _about_failure(settings, measurement, end, end.observation)
    elif end.observation is not None and _odd(end.observation.detail):
        asked = last_attempt(observations, "again", end.hop) is not None
        wanted += [] if asked else [_attempt(measurement, end, end.observation, "again", settings)]
    return wanted


def may_follow(answer: Http) -> bool:
    """Whether a redirect may be followed: a known block host is recognised by its name, and not visited."""
    return not is_block_host(host_of(leads_to(answer)))


def _odd(answer: object) -> bool:
    """Whether an answer in the open is of the kind that a middlebox writes: short, or an error."""
    return isinstance(answer, Http) and ((answer.status or 0) >= ERRORS or (answer.length or 0) <= SHORT)


def _about_names(settings: FollowUpSettings, measurement: Measurement, hop: int) -> list[Lookup | Attempt]:
    """A second opinion on the addresses, where nothing has proved them yet."""
    answers = answers_for(measurement.observations, hop)
    if answers is None or literal(answers.host):
        return []
    wanted: list[Lookup | Attempt] = []
    failed = not answers.main
    if not answers.asked("trusted"):
        tried = answers.asked("again") or last_attempt(measurement.observations, "again", hop) is not None
        roles: list[Role] = ["trusted"] if settings.trusted else []
        roles += ["again"] if failed else []
        return [] if tried else [Lookup(role=role, hop=hop, host=answers.host) for role in roles]
    if answers.trusted and (failed or answers.contradicted):
        if not answers.asked("again"):
            wanted.append(Lookup(role="again", hop=hop, host=answers.host))
        if last_attempt(measurement.observations, "trusted", hop) is None:
            wanted.append(_at_trusted(measurement, hop, answers))
    return wanted


def _at_trusted(measurement: Measurement, hop: int, answers: Answers) -> Attempt:
    asked = goal(measurement.target, measurement.observations, hop)
    return Attempt(
        role="trusted",
        hop=hop,
        scheme=asked.scheme,
        host=answers.host,
        server_name=answers.host,
        # IPv4 first: at many homes IPv6 does not work, which would tell nothing of the name.
        address=min(answers.trusted, key=lambda address: ":" in address),
        port=asked.port,
        request_path=asked.path,
    )


def _about_failure(
    settings: FollowUpSettings, measurement: Measurement, end: Ending, failed: Observation
) -> list[Lookup | Attempt]:
    """The failure once more; where a handshake failed, the A/B steps around it."""
    if failed.step == "dns" or failed.failure is None:
        return []
    observations = measurement.observations
    handshake = failed.step in HANDSHAKES and failed.failure not in CERTIFICATE and settings.innocent_name is not None
    again = last_attempt(observations, "again", end.hop)
    innocent = last_attempt(observations, "innocent", end.hop)
    if again is None:
        first = [_attempt(measurement, end, failed, "innocent", settings)] if handshake else []
        return [*first, _attempt(measurement, end, failed, "again", settings)]
    repeats = again.failure is not None and again.step in ("tcp", *HANDSHAKES) and presented(innocent)
    elsewhere = settings.ab_endpoint and settings.ab_endpoint[0] != failed.address
    if not (handshake and repeats and elsewhere) or last_attempt(observations, "elsewhere", end.hop) is not None:
        return []
    return [_attempt(measurement, end, failed, role, settings) for role in ("elsewhere_innocent", "elsewhere")]


def _attempt(
    measurement: Measurement, end: Ending, failed: Observation, role: Role, settings: FollowUpSettings
) -> Attempt:
    asked = goal(measurement.target, measurement.observations, end.hop)
    away = settings.ab_endpoint if role.startswith("elsewhere") else None
    again = role == "again"
    return Attempt(
        role=role,
        hop=end.hop,
        scheme=asked.scheme if again or asked.scheme == "quic" else "tls",
        host=end.host,
        server_name=settings.innocent_name if role.endswith("innocent") else end.host,
        address=away[0] if away else failed.address,
        port=away[1] if away else failed.port or asked.port,
        request_path=asked.path if again else None,
    )
