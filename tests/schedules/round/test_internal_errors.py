"""A bug that one target meets: its own record says so, and the other targets of the round go on."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec
import pytest

from probe import measure as measuring
from probe.measure import measure
from probe.model import Measurement, Tcp
from probe.target import parse
from results.db.json_codec import from_plain, to_plain
from results.db.store import Store
from results.judge import classify as judging
from results.judge.classify import classify
from results.judge.verdict import Context
from results.judge.wording import sentences
from schedules.config.load import load
from schedules.config.schema import Config
from schedules.plan.model import Choice
from schedules.plan.selection import from_words
from schedules.round import judge as round_judge
from schedules.round.judge import judge_again
from schedules.round.round import Measured, Round
from tests.lab.network import LabNetwork
from tests.probe.loopback import session_in
from tests.results.records import finished, measurement, observation
from tests.schedules.lab import Lab


class Surprise(Exception):
    """Something that nobody thought of; its text holds an address."""


def surprise(*_: object, **__: object) -> None:
    raise Surprise("198.51.100.7 said something odd")


@pytest.fixture
async def net() -> AsyncIterator[LabNetwork]:
    async with LabNetwork(timeout_s=5.0) as network:
        yield network


async def round_of(lab: Lab, store: Store, config: Config) -> dict[str, dict[str, object]]:
    """A round over a good site and one that is reset; its stored rows by target, first of each."""
    choice = Choice(from_words([lab.good.url, lab.reset.url], config))
    reported = []
    async with aclosing(Round(choice, config, store).events()) as events:
        async for event in events:
            if isinstance(event, Measured):
                reported.append(event.record.measurement.target.text)
    assert set(reported) == {lab.good.url, lab.reset.url}
    return {str(row["target"]): row for row in store.rows()}


async def test_a_bug_while_measuring_is_named_in_the_record_and_in_the_log(
    net: LabNetwork, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(measuring.dns, "hear_late", surprise)
    with caplog.at_level(logging.ERROR):
        measured = await measure(parse(net.add_site("site.x.test").url, allow_private=True), session_in(net))
    assert measured.internal_error is not None
    assert measured.internal_error.startswith("Surprise at tests/schedules/round/test_internal_errors.py:")
    assert [o.step for o in measured.observations] == ["dns", "tcp", "tls", "http"]
    assert "198.51.100.7" not in caplog.text + measured.internal_error
    assert measured.internal_error in caplog.text


async def test_what_could_not_be_searched_for_own_addresses_is_not_kept(
    net: LabNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "scrub", surprise)
    measured = await measure(parse(net.add_site("site.x.test").url, allow_private=True), session_in(net))
    assert measured.observations == ()
    assert measured.internal_error is not None


async def test_a_measurement_that_a_bug_ended_is_inconclusive_whatever_it_holds() -> None:
    whole = measurement()
    assert classify(whole, (), Context()).outcome == "reachable"
    verdict = classify(msgspec.structs.replace(whole, internal_error="Surprise at probe/measure.py:1"), (), Context())
    assert (verdict.outcome, verdict.rules) == ("inconclusive", ("error.internal",))
    assert "Surprise at probe/measure.py:1" in " ".join(sentences(verdict.evidence))


async def test_a_bug_in_measuring_one_target_leaves_the_others_their_verdicts(
    lab: Lab, store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measuring._redirect_chain

    async def chain(target, log, session):  # type: ignore[no-untyped-def]
        if target.text == lab.reset.url:
            surprise()
        await whole(target, log, session)

    monkeypatch.setattr(measuring, "_redirect_chain", chain)
    rows = await round_of(lab, store, config)
    assert rows[lab.good.url]["outcome"] == "reachable"
    assert (rows[lab.reset.url]["outcome"], rows[lab.reset.url]["rules"]) == ("inconclusive", ["error.internal"])


async def test_a_bug_in_judging_one_target_leaves_the_others_their_verdicts(
    lab: Lab, store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = round_judge.classify

    def judge(measured: Measurement, *rest: object):  # type: ignore[no-untyped-def]
        if measured.target.text == lab.reset.url:
            surprise()
        return whole(measured, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(round_judge, "classify", judge)
    monkeypatch.setattr(judging, "classify", judge)
    rows = await round_of(lab, store, config)
    assert rows[lab.good.url]["outcome"] == "reachable"
    assert (rows[lab.reset.url]["outcome"], rows[lab.reset.url]["rules"]) == ("inconclusive", ["error.internal"])


def test_judging_again_names_a_bug_and_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(None, {}, {})
    monkeypatch.setattr(judging, "signals_of", surprise)
    monkeypatch.setattr(judging.answer, "signals", surprise)
    assert judge_again(store, config)(finished()).verdict.rules == ("error.internal",)


def test_a_record_that_the_database_cannot_hold_costs_only_itself(store: Store) -> None:
    huge = observation("bbbb", 1, "tcp", Tcp(family="ipv4"), failure="unknown_failure: odd", error_code=2**70)
    odd = finished(measurement=measurement("bbbb", observations=(huge,)))
    saved = store.save([finished("aaaa"), odd, finished("cccc")], spent=("2026-11", 100))
    assert [record.verdict.rules[0] == "error.internal" for record in saved] == [False, True, False]
    rows = {row["measurement_id"]: row["outcome"] for row in store.rows()}
    assert rows == {"aaaa": "reachable", "bbbb": "inconclusive", "cccc": "reachable"}
    assert store.db.execute("SELECT bytes FROM traffic").fetchone()[0] == 100


def test_the_error_is_stored_and_exchanged(store: Store) -> None:
    ended = finished(measurement=measurement("aaaa", internal_error="Surprise at probe/measure.py:1"))
    store.save([ended])
    assert store.finished("aaaa").measurement.internal_error == "Surprise at probe/measure.py:1"
    assert from_plain(to_plain(ended, None))[0].measurement.internal_error == "Surprise at probe/measure.py:1"
