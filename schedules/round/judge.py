"""From a measurement to what is concluded: a control where it could tell more, the verdict, the registers' word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from probe.control import ControlSource
from probe.model import Measurement, Vantage
from probe.timestamps import parse_time
from results.fingerprints.collection import library_of
from results.judge.classify import classify
from results.judge.follow_up import wants_control
from results.judge.judged import JudgedMeasurement, RoundRecord, agreement
from results.judge.signals.context import suspected
from results.judge.verdict import Context, Rate, Repeat, Verdict
from results.registers.expectation import RegisterLookup
from results.registers.names import BadName
from schedules.config.registers import max_age_days
from schedules.round.shared_addresses import SharedAddresses
from schedules.round.throughput_baseline import Rates

if TYPE_CHECKING:
    from probe.reference_sites import NetworkReport
    from results.db.store import Store
    from results.registers.expectation import Expectation
    from schedules.config.schema import Config


class Conclusions:
    """Concludes one round's measurements: all see the same network state, fingerprints, registers, shared addresses."""

    def __init__(
        self, store: Store, config: Config, vantage: Vantage, *, controls: Sequence[ControlSource] = (), at: datetime
    ) -> None:
        self._store = store
        self._library = library_of(store.path)
        self._round_id: str | None = None
        self._network: str | None = None
        self._sources = controls
        self._shared = SharedAddresses()
        self._rates = Rates()
        self._expectations = Expectations(store, config, at, vantage.country)
        self._context = Context(
            country=vantage.country,
            allow_private=config.network.allow_private,
            fingerprints=self._library.digest,
        )

    def enter(self, round_: RoundRecord, report: NetworkReport, network_key: str | None = None) -> None:
        """What is finished from now on belongs to this round, and was measured on the network of that report and key:
        only what was measured on the same one before is looked back at."""
        self._round_id = round_.id
        self._network = network_key
        self._rates.enter(report.measurements)
        families = report.families or None
        self._context = msgspec.structs.replace(self._context, network=round_.network, families=families)

    async def finish(self, measurement: Measurement) -> JudgedMeasurement:
        """Judge a measurement; where a control could tell more, measure that first."""
        self._shared.add(measurement)
        context = msgspec.structs.replace(
            self._context, shared_addresses=self._shared.among(measurement), rates=self._slow(measurement)
        )
        verdict = classify(measurement, (), context, self._library)
        if verdict.outcome not in ("reachable", "offline"):
            earlier = self._store.history(
                measurement.target,
                measurement.vantage,
                measurement.started_at,
                apart_from=measurement.repeats,
                network=self._network,
            )
            context = msgspec.structs.replace(context, earlier=earlier)
        wanted = wants_control(measurement, verdict) or suspected(context)
        controls = await self._controls(measurement) if wanted else ()
        recorded = tuple(control.id for control in controls if control.control_of != measurement.id)
        if controls or context.earlier:
            context = msgspec.structs.replace(context, recorded=recorded)
            verdict = classify(measurement, controls, context, self._library)
        return self._finished(measurement, controls, context, verdict)

    def _slow(self, measurement: Measurement) -> tuple[Rate, ...]:
        """The measurement's rate behind those of the unbroken run before it, where it is slow."""
        slow = self._rates.slow(measurement)
        if slow is None:
            return ()
        target, vantage, apart = measurement.target, measurement.vantage, measurement.repeats
        before = measurement.started_at
        return (*self._store.rates(target, vantage, before, apart_from=apart, network=self._network), slow)

    def waiting(self, finished: JudgedMeasurement) -> JudgedMeasurement:
        """What may be said of a new anomaly before it was measured again."""
        return self._known(finished, Repeat())

    def repeated(self, first: JudgedMeasurement, again: JudgedMeasurement) -> JudgedMeasurement:
        """The first measurement of an anomaly, in the light of what the second was."""
        return self._known(first, Repeat(outcome=again.verdict.outcome, method=again.verdict.method))

    def _known(self, first: JudgedMeasurement, repeat: Repeat) -> JudgedMeasurement:
        context = msgspec.structs.replace(first.context, repeat=repeat)
        verdict = classify(first.measurement, first.controls, context, self._library)
        agreed = _agreement(first.expectation, verdict)
        return msgspec.structs.replace(first, context=context, verdict=verdict, agreement=agreed)

    async def _controls(self, measurement: Measurement) -> tuple[Measurement, ...]:
        found = await asyncio.gather(*(source(measurement) for source in self._sources))
        return tuple(control for controls in found for control in controls)

    def _finished(
        self, measurement: Measurement, controls: tuple[Measurement, ...], context: Context, verdict: Verdict
    ) -> JudgedMeasurement:
        expectation = self._expectations.of(measurement)
        return JudgedMeasurement(
            measurement=measurement,
            controls=controls,
            context=context,
            verdict=verdict,
            expectation=expectation,
            agreement=_agreement(expectation, verdict),
            round_id=self._round_id,
        )


class Expectations:
    """What the registers in force at one moment say. None where the vantage's country has none."""

    def __init__(self, store: Store, config: Config, at: datetime, country: str | None) -> None:
        self._lookup = (
            RegisterLookup(store.db, country=country, at=at, max_age_days=max_age_days(config)) if country else None
        )

    def of(self, measurement: Measurement) -> Expectation | None:
        if self._lookup is None:
            return None
        try:
            found = self._lookup.expect(measurement.target.text, tuple(_connected(measurement)))
        except BadName:
            return None
        return found if found.register is not None else None


def judge_again(store: Store, config: Config) -> Callable[[JudgedMeasurement], JudgedMeasurement]:
    """A judge for `Store.reclassify`: today's rules and fingerprints, and the registers now stored as they stood at the
    measurement."""
    library = library_of(store.path)

    def judge(finished: JudgedMeasurement) -> JudgedMeasurement:
        measurement = finished.measurement
        verdict = classify(measurement, finished.controls, finished.context, library)
        at = parse_time(measurement.started_at)
        expectation = Expectations(store, config, at, measurement.vantage.country).of(measurement)
        return msgspec.structs.replace(
            finished,
            context=msgspec.structs.replace(finished.context, fingerprints=library.digest),
            verdict=verdict,
            expectation=expectation,
            agreement=_agreement(expectation, verdict),
        )

    return judge


def _connected(measurement: Measurement) -> Iterable[str]:
    """The addresses at which the target itself was tried."""
    tried = (o.address for o in measurement.observations if o.role == "main" and o.step != "dns" and o.address)
    return dict.fromkeys(tried)


def _agreement(expectation: Expectation | None, verdict: Verdict) -> str:
    return agreement(expectation, verdict.outcome, verdict.trigger)
