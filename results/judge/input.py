"""One case to judge: a measurement, its controls and their standing, and the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from probe.model import Http, Measurement, Observation
from results.fingerprints import Match
from results.fingerprints.library import Library, own_library
from results.judge.dns_answers import Answers, answers_for
from results.judge.failure_point import OWN_NETWORK, Ending, ending, plain_hops
from results.judge.verdict import Context


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """A control and how its own course ended. `disqualified` says why it is not believed, where it is not."""

    measurement: Measurement
    end: Ending
    country: str | None = None
    disqualified: str | None = None

    @property
    def name(self) -> str:
        vantage = self.measurement.vantage
        return vantage.path if vantage.path != "direct" else vantage.name


@dataclass(frozen=True)
class Case:
    """What the signs are read from; everything derived is worked out once, when first asked for."""

    measurement: Measurement
    everything: Sequence[Measurement]
    context: Context
    library: Library = field(default_factory=own_library)

    @cached_property
    def end(self) -> Ending:
        return ending(self.measurement.target, self.measurement.observations)

    @cached_property
    def controls(self) -> tuple[Control, ...]:
        """Every control that was given, with its standing."""
        return tuple(_standing(control, self.context, self.library) for control in self.everything)

    @cached_property
    def qualified(self) -> tuple[Control, ...]:
        return tuple(control for control in self.controls if control.disqualified is None)

    @cached_property
    def names(self) -> tuple[Answers, ...]:
        """What was said of the names in question: behind the first plain hop, and of the last one."""
        observations = self.measurement.observations
        hops = sorted({*list(plain_hops(observations))[:1], self.end.hop})
        found = (answers_for(observations, hop) for hop in hops)
        return tuple({answers.host: answers for answers in found if answers is not None}.values())

    @cached_property
    def answers(self) -> tuple[Observation, ...]:
        """The main course's HTTP exchanges that got an answer, or part of one."""
        return answered(self.measurement)

    @property
    def country(self) -> str | None:
        """Where the vantage stands, which tells what fingerprints are to be expected."""
        return self.context.country or self.measurement.vantage.country

    def match(self, answer: Observation) -> tuple[Match, ...]:
        """Every fingerprint that an HTTP exchange of the vantage's bears; each is looked at once."""
        if answer.id not in self._matched:
            self._matched[answer.id] = self.library.match(answer.detail, self.country)
        return self._matched[answer.id]

    @cached_property
    def shown_abroad(self) -> frozenset[str]:
        """The names of the block pages that qualified controls were shown, where none is to be expected."""
        answers = (o.detail for control in self.qualified for o in answered(control.measurement))
        return frozenset(
            found.name for answer in answers for found in self.library.match(answer, None) if found.is_page
        )

    @cached_property
    def _matched(self) -> dict[str, tuple[Match, ...]]:
        return {}


def answered(measurement: Measurement) -> tuple[Observation, ...]:
    """A measurement's own HTTP exchanges that got at least a status."""
    return tuple(
        o
        for o in measurement.observations
        if o.role == "main" and isinstance(o.detail, Http) and o.detail.status is not None
    )


def _standing(control: Measurement, context: Context, library: Library) -> Control:
    end = ending(control.target, control.observations)
    country = context.control_countries.get(control.id) or control.vantage.country
    fault = _fault(control, end, country, context, library)
    return Control(measurement=control, end=end, country=country, disqualified=fault)


def _fault(control: Measurement, end: Ending, country: str | None, context: Context, library: Library) -> str | None:
    if country is not None and country == context.country:
        return f"it leaves in the vantage's own country, {country}"
    if end.observation is None:
        return "it got nowhere"
    failure = end.observation.failure or ""
    if failure.startswith("unknown_failure") or failure in OWN_NETWORK:
        return "it could not be used itself"
    given = (a for o in control.observations if o.step == "dns" for a in o.detail.addresses)
    stub = next((address for address in given if library.stub(address, country)), None)
    if stub is not None:
        return f"it was led to {stub}, a known block page's address"
    for observation in answered(control):
        for found in library.match(observation.detail, country):
            if found.is_block:
                return f"it was shown a known block page itself ({found.name})"
    return None
