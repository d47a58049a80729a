"""New anomalies are measured again, alone, before anything is said of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from math import inf
from typing import Any

import pytest

from probe.net.concurrency import FLOOR, Began, LineFacts, Pace
from probe.net.network import RealNetwork
from results.db.store import Store
from results.judge.judged import JudgedMeasurement
from schedules.config.schema import Config
from schedules.demo import censor, resolver
from schedules.demo.network import Site
from schedules.plan.model import Choice
from schedules.plan.selection import from_words
from schedules.round.judge import RoundJudge, judge_again
from schedules.round.retest import ANOMALIES_PER_SLOT, Anomalies
from schedules.round.round import Event, Finished, Measured, Retesting, Round, Started
from tests.results.records import finished, measurement, target
from tests.schedules.lab import Lab


class Seen:
    """What a round's events said."""

    def __init__(self) -> None:
        self.rows: list[JudgedMeasurement] = []
        self.retests: list[tuple[int, str | None]] = []
        self.network = ""

    def outcome(self, site: Site) -> str:
        (row,) = (row for row in self.rows if row.measurement.target.text == site.url)
        return row.verdict.outcome


async def round_of(
    config: Config, store: Store, *sites: Site, on_event: Callable[[Event], Any] = lambda _: None, until: float = inf
) -> Seen:
    """What one round says of these sites; `on_event` is called with each event."""
    seen = Seen()
    choice = Choice(from_words([site.url for site in sites], config)).ending(until)
    async with aclosing(Round(choice, config, store).events()) as events:
        async for event in events:
            match event:
                case Measured(record):
                    seen.rows.append(record)
                case Retesting(count, network):
                    seen.retests.append((count, network.state if network else None))
                case Finished(network):
                    seen.network = network.state
            on_event(event)
    return seen


def at(kind: type[Event], act: Callable[[], Any]) -> Callable[[Event], Any]:
    """Acts at each event of one kind."""
    return lambda event: act() if isinstance(event, kind) else None


async def test_what_is_blocked_alone_too_is_said_once_and_both_stay_in_the_record(
    lab: Lab, store: Store, config: Config
) -> None:
    seen = await round_of(config, store, lab.good, lab.reset)
    assert (seen.outcome(lab.good), seen.outcome(lab.reset)) == ("reachable", "blocked")
    assert seen.retests == [(1, None)]
    later, first = store.rows(target=lab.reset.url)
    assert (later["outcome"], first["outcome"]) == ("blocked", "blocked")
    assert later["repeats"] == first["measurement_id"]
    assert first["repeated_by"] == later["measurement_id"]
    assert store.measurement(later["measurement_id"]).repeats == first["measurement_id"]


async def test_what_was_our_own_load_is_reachable_and_the_first_is_never_called_blocked(
    lab: Lab, store: Store, config: Config
) -> None:
    seen = await round_of(config, store, lab.good, lab.reset, on_event=at(Retesting, lab.net.censored.clear))
    assert seen.outcome(lab.reset) == "reachable"
    later, first = store.rows(target=lab.reset.url)
    assert (first["outcome"], first["rules"]) == ("inconclusive", ["alone.not_blocked"])
    assert "re-tested on its own at the end of the round: reachable" in first["evidence"]
    assert list(store.reclassify(judge_again(store, config))) == []
    assert later["outcome"] == "reachable"


async def test_what_was_blocked_before_is_said_at_once(lab: Lab, store: Store, config: Config) -> None:
    await round_of(config, store, lab.reset)
    seen = await round_of(config, store, lab.reset)
    assert (seen.outcome(lab.reset), seen.retests) == ("blocked", [])


async def test_a_target_given_twice_has_two_rows_and_two_repeats(lab: Lab, store: Store, config: Config) -> None:
    seen = await round_of(config, store, lab.reset, lab.reset)
    assert [row.verdict.outcome for row in seen.rows] == ["blocked"] * 2
    assert len({row.measurement.repeats for row in seen.rows}) == 2
    assert len(list(store.rows())) == 4


async def test_a_network_that_breaks_meanwhile_is_noticed_and_nothing_is_called_blocked(
    lab: Lab, store: Store, config: Config
) -> None:
    def breaks() -> None:
        canaries = (lab.net.canary, lab.net.canary_tls, lab.net.domestic_canary)
        lab.net.lies |= {site.name: resolver.nxdomain for site in canaries}

    seen = await round_of(config, store, lab.reset, on_event=at(Started, breaks))
    assert (seen.network, seen.retests) == ("offline", [(1, "offline")])
    assert seen.outcome(lab.reset) == "offline"
    later, first = store.rows()
    assert (later["network"], later["outcome"]) == ("offline", "offline")
    assert (first["network"], first["outcome"]) == ("online", "inconclusive")


async def test_a_round_that_ends_before_the_repeat_has_said_nothing(lab: Lab, store: Store, config: Config) -> None:
    def end() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await round_of(config, store, lab.good, lab.reset, on_event=at(Retesting, end))
    (row,) = store.rows(target=lab.reset.url)
    assert (row["outcome"], row["rules"]) == ("inconclusive", ["alone.unmeasured"])
    assert [row["outcome"] for row in store.rows(target=lab.good.url)] == ["reachable"]


@pytest.mark.parametrize("repeats", [0, 1])
async def test_after_the_deadline_none_is_measured_again_and_each_is_told_as_inconclusive(
    lab: Lab, store: Store, config: Config, monkeypatch: pytest.MonkeyPatch, repeats: int
) -> None:
    sites = [lab.net.add_site(f"reset{n}.x.test", censored=censor.resets) for n in range(2 * ANOMALIES_PER_SLOT)]
    ahead_s = 0.0
    monkeypatch.setattr(RealNetwork, "monotonic", lambda _: time.monotonic() + ahead_s)

    def end_time(event: Event) -> None:
        nonlocal ahead_s
        if isinstance(event, Measured) and event.record.measurement.repeats is not None:
            ahead_s = 10_000.0
        if isinstance(event, Retesting) and not repeats:
            ahead_s = 10_000.0

    seen = await round_of(config, store, lab.good, *sites, on_event=end_time, until=time.monotonic() + 1000)
    said = Counter((row.verdict.outcome, row.verdict.rules) for row in seen.rows)
    assert sorted(row.measurement.target.text for row in seen.rows) == sorted(
        [lab.good.url, *(site.url for site in sites)]
    )
    again = said["blocked", ("tls.sni_ab",)]
    assert said["inconclusive", ("alone.unmeasured",)] == len(sites) - again
    assert (again == 0) if repeats == 0 else (0 < again < ANOMALIES_PER_SLOT)
    assert len(list(store.rows())) == len(seen.rows) + again


async def test_few_are_measured_again_at_once(lab: Lab, store: Store, config: Config) -> None:
    names = [f"reset{n}.x.test" for n in range(2 * ANOMALIES_PER_SLOT)]
    sites = [lab.net.add_site(name, censored=censor.resets) for name in names]
    under_way: set[str] = set()
    most = 0

    def watch(seen: censor.ConnectionInfo) -> censor.Action:
        nonlocal most
        if counting:
            under_way.add(seen.name or "")
        return censor.resets if seen.name in names else censor.passes

    counting: list[bool] = []
    lab.net.policy = watch
    reported: list[str] = []

    def count(event: Event) -> None:
        nonlocal most
        if isinstance(event, Retesting):
            counting.append(True)
        if isinstance(event, Measured):
            most = max(most, len(under_way & set(names) - set(reported)))
            reported.append(event.record.measurement.target.host)

    await round_of(config, store, *sites, on_event=count)
    assert len(reported) == len(names)
    assert 1 <= most <= 2 + 2


def test_an_anomaly_is_new_where_the_latest_word_was_another(lab: Lab, store: Store) -> None:
    anomalies = Anomalies(store)
    blocked = finished("2kq7mmmmmmmmmmmm", "blocked")
    assert anomalies.is_new(blocked, is_suspect=False)
    assert not anomalies.is_new(finished("2kq7mmmmmmmmmmmm", "down"), is_suspect=False)
    store.save([blocked])
    later = "2026-11-24T19:00:00.000Z"
    again = finished("3kq7mmmmmmmmmmmm", "blocked", measurement=measurement("3kq7mmmmmmmmmmmm", started_at=later))
    assert not anomalies.is_new(again, is_suspect=False)
    other = measurement("4kq7mmmmmmmmmmmm", started_at=later, target=target("https://other.example/"))
    assert anomalies.is_new(finished("4kq7mmmmmmmmmmmm", "blocked", measurement=other), is_suspect=False)


async def test_a_home_router_that_resets_under_load_is_no_censor(lab: Lab, store: Store, config: Config) -> None:
    sites = [lab.net.add_site(f"site{n}.x.test") for n in range(40)]
    at_once = 0

    async def bears_a_few(flow: censor.Flow) -> None:
        nonlocal at_once
        at_once += 1
        try:
            await (censor.passes if at_once <= ANOMALIES_PER_SLOT else censor.resets)(flow)
        finally:
            at_once -= 1

    lab.net.policy = lambda seen: bears_a_few if "site" in (seen.name or "") else censor.passes
    seen = await round_of(config, store, *sites)
    if not seen.retests:
        pytest.skip("this machine was too quick for the load to build up")
    assert {row.verdict.outcome for row in seen.rows} == {"reachable"}
    assert len(seen.rows) == len(sites)
    assert list(store.rows(outcome="blocked")) == []


class Full:
    """Says of the first `times` that are measured that they timed out on a full line, quick as their failures are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self._left = times
        monkeypatch.setattr(Pace, "ended", self._ended)

    def _ended(self, began: Began, facts: LineFacts) -> bool:
        self._left -= 1
        return self._left >= 0


async def test_what_was_blocked_before_is_measured_again_where_our_own_line_was_full(
    lab: Lab, store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    await round_of(config, store, lab.good, lab.reset)
    Full(monkeypatch, times=2)
    seen = await round_of(config, store, lab.good, lab.reset, on_event=at(Retesting, lab.net.censored.clear))
    assert (seen.outcome(lab.reset), seen.retests) == ("reachable", [(1, None)])
    first = list(store.rows(target=lab.reset.url))[1]
    assert (first["outcome"], first["rules"]) == ("inconclusive", ["alone.not_blocked"])


async def test_a_repeat_that_times_out_on_a_full_line_tells_nothing_and_is_made_once_more(
    lab: Lab, store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schedules.round.retest.ANOMALIES_PER_SLOT", 1)
    sites = [lab.net.add_site(f"reset{n}.x.test", censored=censor.resets) for n in range(2 * FLOOR)]
    Full(monkeypatch, times=2 * len(sites))
    handshakes = 0

    def count(seen: censor.ConnectionInfo) -> censor.Action:
        nonlocal handshakes
        handshakes += seen.name == sites[0].name
        return censor.resets if "reset" in (seen.name or "") else censor.passes

    lab.net.policy = count
    seen = await round_of(config, store, *sites)
    assert [row.verdict.outcome for row in seen.rows] == ["blocked"] * len(sites)
    assert len({row.measurement.repeats for row in seen.rows}) == len(sites)
    assert len(list(store.rows())) == 2 * len(sites), "what told nothing is not kept"
    assert handshakes > 0 == handshakes % 3, "it was measured three times all the same"


async def test_a_retest_that_met_what_we_left_behind_is_made_once_more_after_a_pause(
    lab: Lab, store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(_: RealNetwork, seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(RoundJudge, "is_residual", staticmethod(lambda _: True))
    monkeypatch.setattr(RealNetwork, "sleep", sleep)
    monkeypatch.setattr("schedules.round.round.pause_for", lambda _: 61.0)
    seen = await round_of(config, store, lab.reset)
    assert (seen.outcome(lab.reset), pauses.count(61.0)) == ("blocked", 1)
    assert len(list(store.rows())) == 2, "the re-test before the pause is not kept"


async def test_no_pause_is_begun_that_the_deadline_would_cut(
    lab: Lab, store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RoundJudge, "is_residual", staticmethod(lambda _: True))
    monkeypatch.setattr("schedules.round.round.pause_for", lambda _: 3600.0)
    seen = await round_of(config, store, lab.reset, until=time.monotonic() + 600)
    assert (seen.outcome(lab.reset), len(list(store.rows()))) == ("blocked", 2)
