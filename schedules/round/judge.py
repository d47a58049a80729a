"""Judges the measurements of one round: control measurements, verdict, and what the registers say."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from statistics import median

import msgspec

from probe.measure import ControlSource
from probe.model import Dns, Measurement, Vantage
from probe.reference_sites import NetworkReport
from probe.timestamps import parse_time
from results.db.store import Store
from results.fingerprints.collection import library_of
from results.judge.classify import classify, unjudged, verdict_or_error
from results.judge.control_standing import page_in_the_open
from results.judge.failure_point import ending
from results.judge.follow_up import wants_control
from results.judge.input import network_of
from results.judge.judged import JudgedMeasurement, RoundRecord, agreement, cause_of
from results.judge.signals.context import is_slow, rate_of, suspected
from results.judge.verdict import Context, FirstFinding, Rate, Repeat, Verdict
from results.registers.expectation import Expectation, RegisterLookup
from results.registers.names import BadName
from schedules.config.schema import Config
from schedules.round.siblings import LossTally, Siblings

MIN_SHARING_NAMES = 4
"""An address of this many unrelated names is a stub page's, or a large host's."""
MIN_SHARING_PAGES = 3
"""Two unrelated servers may have the same default page."""
RESIDUAL = ("residual.keeps_first", "address.residual", "address.sibling_passes")
"""Rules after which a re-test is made once more after a pause: a censor's memory and a server's count both end."""
USUAL_CONNECTS = 2
MIN_MEDIAN_TARGETS = 3
"""The median rate of fewer other targets means nothing."""


class RoundJudge:
    """Judges a round's measurements with one network state and one set of fingerprints and registers."""

    def __init__(
        self, store: Store, config: Config, vantage: Vantage, *, controls: Sequence[ControlSource] = (), at: datetime
    ) -> None:
        self._store = store
        self._library = library_of(store.path)
        self._round_id: str | None = None
        self._network: str | None = None
        self._sources = controls
        self._expects_control = bool(config.control.all_hubs) or any(
            path != vantage.path for path in config.control.all_paths
        )
        self._shared = SharedAddresses()
        self._siblings = Siblings()
        self._losses = LossTally()
        self._first: dict[str, FirstFinding] = {}
        self._control_pages = ControlPages()
        self._pages = OpenPages()
        self._baseline = ThroughputBaseline()
        self._expectations = Expectations(store, config, at, vantage.country)
        self._trusted = config.network.trusted_resolvers
        self._context = Context(
            country=vantage.country,
            allow_private=config.network.allow_private,
            fingerprints=self._library.digest,
        )

    def begin(self, round_: RoundRecord, report: NetworkReport, network_key: str | None = None) -> None:
        """Later measurements belong to this round; their history is what was measured on the same network."""
        self._round_id = round_.id
        self._network = network_key
        self._baseline.reset(report.measurements)
        self._losses.add(report.measurements)
        families = report.families or None
        self._context = msgspec.structs.replace(
            self._context,
            network=round_.network,
            families=families,
            clock_off_s=report.facts.clock_off_s,
            untrusted=report.facts.untrusted(self._trusted),
            full_size_fails=report.full_size_fails,
            closed_ports=report.closed_ports,
            allow_list=report.allow_list,
        )

    async def judge(self, measurement: Measurement) -> JudgedMeasurement:
        """Judge a measurement, after a control measurement if one could tell more.

        A bug costs this measurement its verdict, and the round nothing; a database that fails ends the round.
        """
        try:
            return await self._judged(measurement)
        except sqlite3.OperationalError:
            raise
        except Exception as bug:
            return unjudged(measurement, self._context, bug, self._round_id)

    async def _judged(self, measurement: Measurement) -> JudgedMeasurement:
        self._shared.add(measurement)
        self._siblings.add(measurement)
        self._losses.add((measurement,))
        context = msgspec.structs.replace(
            self._context,
            shared_addresses=self._shared.of(measurement),
            rates=self._slow(measurement),
            page_sites=self._pages.sites_of(measurement),
        )
        first_context = context
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
        if wanted:
            context = msgspec.structs.replace(
                context,
                control_configured=self._expects_control,
                recorded=tuple(control.id for control in controls if control.control_of != measurement.id),
                shared_control_pages=self._control_pages.shared(controls),
                contacts=self._siblings.of(measurement),
                first=self._first.get(measurement.repeats or ""),
                losses=self._losses.of(measurement),
            )
        if controls or context != first_context:
            verdict = classify(measurement, controls, context, self._library)
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

    def _slow(self, measurement: Measurement) -> tuple[Rate, ...]:
        """The rates of the unbroken run of slow measurements that ends with this one, if it is slow."""
        slow = self._baseline.slow(measurement)
        if slow is None:
            return ()
        target, vantage, apart = measurement.target, measurement.vantage, measurement.repeats
        before = measurement.started_at
        return (*self._store.rates(target, vantage, before, apart_from=apart, network=self._network), slow)

    @property
    def connects(self) -> int:
        """How often a silent connect is to be tried on this line before its silence says something."""
        losses = self._losses.of()
        return losses.tries() if losses is not None else USUAL_CONNECTS

    def before_retest(self, first: JudgedMeasurement) -> JudgedMeasurement:
        """A new anomaly as it is judged until it is re-tested."""
        self._first[first.measurement.id] = _finding(first)
        return self._with_repeat(first, Repeat())

    def after_retest(self, first: JudgedMeasurement, retest: JudgedMeasurement) -> JudgedMeasurement:
        """The first measurement of an anomaly, judged with the outcome of its re-test."""
        return self._with_repeat(first, Repeat(outcome=retest.verdict.outcome, method=retest.verdict.method))

    def _with_repeat(self, first: JudgedMeasurement, repeat: Repeat) -> JudgedMeasurement:
        contacts, losses = self._siblings.of(first.measurement), self._losses.of(first.measurement)
        context = msgspec.structs.replace(first.context, repeat=repeat, contacts=contacts, losses=losses)
        verdict = verdict_or_error(first.measurement, first.controls, context, self._library)
        agreed = _agreement(first.expectation, verdict)
        return msgspec.structs.replace(first, context=context, verdict=verdict, agreement=agreed)

    @staticmethod
    def is_residual(retest: JudgedMeasurement) -> bool:
        """Whether a re-test may have met what our own connections left behind, and says more after a pause."""
        return any(rule in RESIDUAL for rule in retest.verdict.rules)

    async def _controls(self, measurement: Measurement) -> tuple[Measurement, ...]:
        found = await asyncio.gather(*(source(measurement) for source in self._sources))
        return tuple(control for controls in found for control in controls)


class Expectations:
    """What the registers in force at one moment say; None if the vantage's country has none."""

    def __init__(self, store: Store, config: Config, at: datetime, country: str | None) -> None:
        ages = config.max_age_days
        self._lookup = RegisterLookup(store.db, country=country, at=at, max_age_days=ages) if country else None

    def of(self, measurement: Measurement) -> Expectation | None:
        if self._lookup is None:
            return None
        try:
            found = self._lookup.expect(measurement.target.text, tuple(_connected(measurement)))
        except BadName:
            return None
        return found if found.register is not None else None


def judge_again(store: Store, config: Config) -> Callable[[JudgedMeasurement], JudgedMeasurement]:
    """A function for `Store.reclassify`: current rules and fingerprints, and the registers as of the measurement."""
    library = library_of(store.path)

    def judge(finished: JudgedMeasurement) -> JudgedMeasurement:
        measurement = finished.measurement
        verdict = verdict_or_error(measurement, finished.controls, finished.context, library)
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
    """The addresses that were tried for the target itself."""
    tried = (o.address for o in measurement.observations if o.role == "main" and o.step != "dns" and o.address)
    return dict.fromkeys(tried)


def _agreement(expectation: Expectation | None, verdict: Verdict) -> str:
    return agreement(expectation, verdict.outcome, cause_of(verdict))


def _finding(first: JudgedMeasurement) -> FirstFinding:
    failed = ending(first.measurement.target, first.measurement.observations).observation
    verdict = first.verdict
    return FirstFinding(
        outcome=verdict.outcome,
        method=verdict.method,
        trigger=verdict.trigger,
        address=failed.address if failed is not None else None,
    )


class SharedAddresses:
    """The names that the vantage's own resolvers gave each address in this round."""

    def __init__(self) -> None:
        self._sites: dict[str, set[str]] = {}

    def add(self, measurement: Measurement) -> None:
        for address, host in _answers(measurement):
            self._sites.setdefault(address, set()).add(_site(host))

    def of(self, measurement: Measurement) -> tuple[str, ...]:
        """The measurement's addresses that at least MIN_SHARING_NAMES unrelated names share."""
        own = dict.fromkeys(address for address, _ in _answers(measurement))
        return tuple(address for address in own if len(self._sites.get(address, ())) >= MIN_SHARING_NAMES)


class ControlPages:
    """The pages that each control was given in the open in this round, and for which sites."""

    def __init__(self) -> None:
        self._sites: dict[tuple[str, str], set[str]] = {}

    def shared(self, controls: Iterable[Measurement]) -> tuple[str, ...]:
        """Those of these controls, by id, whose page an unrelated site's control was given too; all are remembered."""
        found = []
        for control in controls:
            page = page_in_the_open(control)
            if page is None or control.control_of is None:
                continue
            sites = self._sites.setdefault((control.vantage.path, page), set())
            sites.add(_site(control.target.host))
            if len(sites) > 1:
                found.append(control.id)
        return tuple(found)


class OpenPages:
    """The pages that this network's answers in the open had in this round, and for which sites on which networks."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, str]] = {}

    def sites_of(self, measurement: Measurement) -> int | None:
        """How many unrelated sites, each on a network of its own, had the measurement's page; None below the least."""
        page = page_in_the_open(measurement)
        end = ending(measurement.target, measurement.observations).observation
        if page is None or end is None or end.address is None:
            return None
        sites = self._seen.setdefault(page, {})
        sites[_site(measurement.target.host)] = network_of(end.address)
        networks = len(set(sites.values()))
        return networks if networks >= MIN_SHARING_PAGES else None


class ThroughputBaseline:
    """The download rates of this round; without a large answer from a reference site nothing is slow."""

    def __init__(self) -> None:
        self._canary: float | None = None
        self._others: dict[str, float] = {}

    def reset(self, canaries: Iterable[Measurement]) -> None:
        """Begin anew; the fastest of these measurements of reference sites is the yardstick."""
        self._canary = max((rate for rate in map(rate_of, canaries) if rate is not None), default=None)
        self._others = {}

    def slow(self, measurement: Measurement) -> Rate | None:
        """This measurement's rate if it is far below the round's other rates; it is remembered in any case."""
        own = rate_of(measurement) if self._canary is not None else None
        if own is None or self._canary is None:
            return None
        self._others[measurement.target.text] = own
        rate = Rate(at=measurement.started_at, bytes_per_s=own, canary=self._canary)
        if not is_slow(rate):
            return None  # the common case, so the median below is rarely computed
        others = [rate for text, rate in self._others.items() if text != measurement.target.text]
        rate = msgspec.structs.replace(rate, others=median(others) if len(others) >= MIN_MEDIAN_TARGETS else None)
        return rate if is_slow(rate) else None


def _answers(measurement: Measurement) -> list[tuple[str, str]]:
    return [
        (address, observation.host)
        for observation in measurement.observations
        if observation.role == "main" and isinstance(observation.detail, Dns)
        for address in observation.detail.addresses
    ]


def _site(host: str) -> str:
    """The last two labels; names below them are usually related."""
    return ".".join(host.split(".")[-2:])
