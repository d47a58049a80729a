"""A target that comes slowly, round after round, beside a canary that does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from probe import target as targets
from probe.measure import measure
from probe.model import Measurement
from probe.reference_sites import NetworkReport
from results.db.store import Store
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.signals.context import MIN_BYTES, rate_of
from schedules.config.load import load
from schedules.demo import sites
from schedules.round.judge import RoundJudge, ThroughputBaseline
from tests.lab import censor_actions
from tests.lab.network import LabNetwork
from tests.probe.loopback import session_in
from tests.results import records

FAST, SLOW = ((0.1, 1400), (0.3, 200_000)), ((0.1, 1400), (12.1, 200_000))


def came(curve: Any, text: str = "https://www.example.com/", **changes: Any) -> Measurement:
    """A complete answer over valid TLS that came along this curve."""
    made = records.measurement(**changes)
    detail = msgspec.structs.replace(made.observations[-1].detail, curve=curve)
    answer = msgspec.structs.replace(made.observations[-1], detail=detail)
    return msgspec.structs.replace(made, target=records.target(text), observations=(*made.observations[:-1], answer))


REPORT = NetworkReport(state="online", evidence=(), measurements=(came(FAST, "https://canary.example/"),))


class Day:
    """One vantage's rounds, each with one target and a canary."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._count = 0

    async def round(self, hour: int, curve: Any, control: Any = None) -> JudgedMeasurement:
        self._count += 1
        at = f"2026-11-24T{hour:02}:00:00.000Z"

        async def by_control(measurement: Measurement) -> tuple[Measurement, ...]:
            abroad = msgspec.structs.replace(records.HOME, name="abroad", country="NL", path="vpn")
            return (came(control, id=f"control{self._count:09}", vantage=abroad, control_of=measurement.id),)

        config = load(None, {"REACHPROBE_VANTAGE_COUNTRY": "RU", "REACHPROBE_VANTAGE_NAME": "home-fibre"}, {})
        sources = (by_control,) if control else ()
        when = datetime(2026, 11, 24, hour, tzinfo=UTC)
        conclusions = RoundJudge(self._store, config, records.HOME, controls=sources, at=when)
        round_ = RoundRecord(id=f"round{self._count}", started_at=at, network="online")
        self._store.save_round(round_)
        conclusions.begin(round_, REPORT)
        concluded = await conclusions.judge(came(curve, id=f"measurement{self._count:05}", started_at=at))
        self._store.save([concluded])
        return concluded


async def test_the_third_slow_round_in_a_row_is_throttled_where_a_control_is_fast(store: Store) -> None:
    day = Day(store)
    outcomes = [(await day.round(hour, SLOW, control=FAST)).verdict.outcome for hour in (10, 11)]
    third = await day.round(12, SLOW, control=FAST)
    assert outcomes == ["reachable", "reachable"]
    assert (third.verdict.method, third.verdict.confidence, third.verdict.control) == ("throttled", "probable", "vpn")
    assert len(third.context.rates) == 3
    assert third.controls
    assert store.finished("measurement00003").context == third.context


async def test_without_a_control_six_hours_say_only_that_it_is_slow(store: Store) -> None:
    day = Day(store)
    found = [(await day.round(hour, SLOW)).verdict for hour in (4, 6, 8, 10)]
    assert [verdict.outcome for verdict in found] == ["reachable"] * 3 + ["inconclusive"]
    assert found[-1].rules == ("rate.repeats",)


async def test_a_fast_round_between_ends_the_run(store: Store) -> None:
    day = Day(store)
    found = [(await day.round(hour, curve)).verdict for hour, curve in enumerate((SLOW, SLOW, FAST, SLOW, SLOW))]
    assert {verdict.outcome for verdict in found} == {"reachable"}


def test_without_a_canary_of_like_size_nothing_is_slow() -> None:
    rates = ThroughputBaseline()
    rates.reset([records.measurement()])
    assert rates.slow(came(SLOW)) is None
    rates.reset(REPORT.measurements)
    assert rates.slow(came(SLOW)) is not None
    assert rates.slow(came(FAST)) is None


def test_where_the_rounds_other_targets_are_slow_as_well_it_is_our_own_load() -> None:
    rates = ThroughputBaseline()
    rates.reset(REPORT.measurements)
    alone = rates.slow(came(SLOW, "https://one.example/"))
    rates.slow(came(SLOW, "https://two.example/"))
    rates.slow(came(SLOW, "https://three.example/"))
    assert alone is not None
    assert alone.others is None
    assert rates.slow(came(SLOW, "https://four.example/")) is None


async def test_a_throttled_stream_is_slow_and_an_open_one_is_not() -> None:
    size = MIN_BYTES // 1024 + 8
    async with LabNetwork() as net:
        throttled = net.add_site(
            "slow.x.test", sites.page("Page", kib=size), censored=censor_actions.throttles_to(50_000)
        )
        open_ = net.add_site("open.x.test", sites.page("Page", kib=size))
        short = net.add_site("short.x.test", sites.page("Page", kib=8))
        measured = [
            await measure(targets.parse(site.url, allow_private=True), session_in(net))
            for site in (throttled, open_, short)
        ]
    slow, fast, nothing = map(rate_of, measured)
    assert slow is not None
    assert slow < MIN_BYTES
    assert fast is not None
    assert fast > slow
    assert nothing is None
