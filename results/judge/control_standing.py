"""Which control measurements count: a control's word is not taken where its own network may have answered it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from probe.model import Http, Measurement, Observation
from results.fingerprints.hints import hint_in
from results.fingerprints.library import Library
from results.i18n.translator import Phrase
from results.judge.failure_point import (
    HANDSHAKES,
    OWN_NETWORK,
    Ending,
    ending,
    is_verified,
    plain_hops,
    same_site,
    secured,
)
from results.judge.likeness import alike
from results.judge.verdict import Context

REFUSED_IN_THE_OPEN = (403, 451)
"""What a filter answers as often as a service; over TLS it is the service."""


class AssessedControl(msgspec.Struct, frozen=True, kw_only=True):
    """A control, how it ended, and why it does not count, if it does not."""

    measurement: Measurement
    end: Ending
    country: str | None = None
    disqualified: Phrase | None = None
    doubt: Phrase | None = None
    """Why its answer may be its own network's: it then confirms an answer like it, and nothing else."""
    is_dead: bool = False
    """Whether it was disqualified because it could not measure at all."""

    @property
    def name(self) -> str:
        vantage = self.measurement.vantage
        return vantage.path if vantage.path != "direct" else vantage.name


def assess(controls: Sequence[Measurement], context: Context, library: Library) -> tuple[AssessedControl, ...]:
    """Every control with its standing. What only looks doubtful counts where another control was answered alike."""
    assessed = [_assessed(control, context, library) for control in controls]
    doubts = [None if one.disqualified else _doubt(one, context, library) for one in assessed]
    return tuple(
        msgspec.structs.replace(one, doubt=doubt) if doubt and not _is_seconded(one, assessed) else one
        for one, doubt in zip(assessed, doubts, strict=True)
    )


def answered(measurement: Measurement) -> tuple[Observation, ...]:
    """A measurement's own HTTP exchanges that got at least a status."""
    return tuple(
        o
        for o in measurement.observations
        if o.role == "main" and isinstance(o.detail, Http) and o.detail.status is not None
    )


def malformed(measurement: Measurement) -> tuple[Observation, ...]:
    """A measurement's own exchanges that got something other than HTTP, as far as its bytes are known."""
    return tuple(
        o
        for o in measurement.observations
        if o.role == "main" and isinstance(o.detail, Http) and o.detail.status is None and o.detail.body
    )


def is_proven(control: AssessedControl, host: str) -> bool:
    """Whether the control saw a valid certificate for the host, which nothing on its path can present."""
    return any(
        o.role == "main" and o.failure is None and same_site(o.host, host) and _is_valid(o)
        for o in control.measurement.observations
    )


def page_in_the_open(control: Measurement) -> str | None:
    """A hash of the last page that nothing vouches for, the target's own name in it left out; None without a page."""
    answers = answered(control)
    if not answers or secured(control.observations, answers[-1]):
        return None
    page: Http = answers[-1].detail
    if page.body is None:
        return page.body_sha256 if page.length else None
    body = page.body.lower().replace(control.target.host.encode(), b"")
    return hashlib.sha256(body).hexdigest() if body else None


def _is_valid(passed: Observation) -> bool:
    """Whether a step needed a certificate that is valid for its name; an answer over https did."""
    detail = passed.detail
    if isinstance(detail, Http):
        return detail.url.startswith("https:")
    return passed.step in HANDSHAKES and is_verified(passed)


def _assessed(control: Measurement, context: Context, library: Library) -> AssessedControl:
    end = ending(control.target, control.observations)
    country = context.control_countries.get(control.id) or control.vantage.country
    dead = _death(control, end)
    fault = dead or _fault(control, country, library)
    if country is not None and country == context.country:
        dead, fault = None, Phrase("standing.own_country", {"country": country})
    return AssessedControl(measurement=control, end=end, country=country, disqualified=fault, is_dead=dead is not None)


def _death(control: Measurement, end: Ending) -> Phrase | None:
    if control.internal_error is not None:
        return Phrase("standing.internal_error", {"error": control.internal_error})
    if end.observation is None:
        return Phrase("standing.no_step")
    failure = end.observation.failure or ""
    unusable = failure.startswith("unknown_failure") or failure in OWN_NETWORK
    return Phrase("standing.unusable") if unusable else None


def _fault(control: Measurement, country: str | None, library: Library) -> Phrase | None:
    given = (answer.value for o in control.observations for answer in getattr(o.detail, "answers", ()))
    stub = next((address for address in given if library.stub(address, country)), None)
    if stub is not None:
        return Phrase("standing.stub", {"address": stub})
    for observation in (*answered(control), *malformed(control)):
        for found in library.match(observation.detail, country):
            if found.is_block:
                return Phrase("standing.block_page", {"name": found.name})
    return None


def _doubt(control: AssessedControl, context: Context, library: Library) -> Phrase | None:
    """Why what the control got in the open may be its own network's answer, and not the service's."""
    measurement = control.measurement
    hosts = {o.hop: o.host for o in measurement.observations if o.role == "main"}
    for hop in plain_hops(measurement.observations):
        leads_to = hosts.get(hop + 1)
        if leads_to is not None and not same_site(hosts[hop], leads_to):
            return Phrase("standing.other_site", {"host": leads_to})
    answers = [o for o in answered(measurement) if not secured(measurement.observations, o)]
    if answers and measurement.id in context.shared_control_pages:
        return Phrase("standing.same_page")
    for observation in answers:
        for found in library.match(observation.detail, control.country):
            if found.is_page:
                return Phrase("standing.like_block_page", {"name": found.name})
        hint = hint_in(observation.detail)
        if hint is not None and not hint.refuses:
            return Phrase("standing.ban", {"words": hint.says})
        if observation.detail.status in REFUSED_IN_THE_OPEN:
            return Phrase("standing.status", {"status": observation.detail.status})
    return None


def _is_seconded(control: AssessedControl, everyone: Sequence[AssessedControl]) -> bool:
    """Whether a control in another country, or in an unknown one, was led to the same host and answered alike."""
    answers = answered(control.measurement)
    for other in everyone:
        same_country = other.country == control.country is not None
        if other is control or other.disqualified or same_country or other.end.host != control.end.host:
            continue
        others = answered(other.measurement)
        if answers and others and alike(answers[-1].detail, others[-1].detail):
            return True
    return False
