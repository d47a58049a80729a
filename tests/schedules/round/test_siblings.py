"""One target is judged with its round in view: what others got at its address, and what its first measurement found."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from probe import target as targets
from probe.measure import ControlSource
from probe.model import Measurement, Vantage
from results.db.store import Store
from results.judge.judged import JudgedMeasurement
from results.judge.wording import sentences
from schedules.config.load import load
from schedules.config.schema import Config
from schedules.round.judge import RoundJudge, judge_again
from schedules.round.siblings import MAX_REMEMBERED, MAX_SHOWN, Siblings
from tests.scenarios.builder import Builder
from tests.schedules.round.test_judge import NOON

HERE = "23.10.1.1"
SILENT = [f"dns {HERE}", "tcp timeout"]
PAGE = [f"dns {HERE}", "tcp ok", "tls ok", "http 200"]
RESET = [f"dns {HERE}", "tcp ok", "tls reset"]
HOME = Vantage(name="home", country="RU")


@pytest.fixture
def config() -> Config:
    return load(None, {"REACHPROBE_VANTAGE_COUNTRY": "RU", "REACHPROBE_VANTAGE_NAME": "home"}, {})


def measured(name: str, text: str, minute: int = 0, **roles: list[str]) -> Measurement:
    builder = Builder(targets.parse(text))
    for role, lines in roles.items():
        builder.add(role, lines)
    at = f"2026-11-24T12:{minute:02}:00.000Z"
    made = tuple(msgspec.structs.replace(o, id=f"{name}.{n}", started_at=at) for n, o in enumerate(builder.made, 1))
    return Measurement(id=name, target=builder.target, vantage=HOME, started_at=at, runtime_s=1.0, observations=made)


def control(name: str) -> ControlSource:
    """A control that reaches every name, and every address."""

    async def source(of: Measurement) -> Sequence[Measurement]:
        passes = ["tcp ok", "tls ok", "http 200"]
        made = measured(f"{of.id}-{name}", of.target.text, main=passes, again=[f"tcp ok @{HERE}", *passes[1:]])
        vantage = Vantage(name=name, country="NL", path=name)
        return (msgspec.structs.replace(made, vantage=vantage, control_of=of.id),)

    return source


def judge_of(store: Store, config: Config, *controls: str) -> RoundJudge:
    return RoundJudge(store, config, HOME, controls=[control(name) for name in controls], at=NOON)


def said(judged: JudgedMeasurement) -> tuple[str, str | None, str | None, str]:
    verdict = judged.verdict
    return verdict.outcome, verdict.method, verdict.trigger, verdict.rules[0]


async def test_an_address_that_answered_a_sibling_is_not_blocked_as_such(store: Store, config: Config) -> None:
    judge = judge_of(store, config, "nl", "de")
    silent = measured("b", "https://b.example/", 1, main=SILENT, again=SILENT[1:])
    assert said(await judge.judge(silent)) == ("blocked", "tcp.timeout", "address", "tcp.control_passes")
    assert (await judge.judge(measured("a", "https://a.example/", 2, main=PAGE))).verdict.outcome == "reachable"
    later = await judge.judge(measured("c", "https://c.example/", 3, main=SILENT, again=SILENT[1:]))
    assert said(later) == ("inconclusive", None, None, "address.sibling_passes")
    assert [contact.host for contact in later.context.contacts if contact.method is None] == ["a.example"]


async def test_what_a_sibling_gets_later_counts_when_the_first_measurement_is_judged_after_its_retest(
    store: Store, config: Config
) -> None:
    judge = judge_of(store, config, "nl", "de")
    first = await judge.judge(measured("b", "https://b.example/", 1, main=SILENT, again=SILENT[1:]))
    waiting = judge.before_retest(first)
    await judge.judge(measured("a", "https://a.example/", 2, main=PAGE))
    retest = measured("b2", "https://b.example/", 3, main=SILENT, again=SILENT[1:])
    second = await judge.judge(msgspec.structs.replace(retest, repeats="b"))
    assert said(second) == ("inconclusive", None, None, "address.sibling_passes")
    assert judge.is_residual(second)
    assert judge.after_retest(waiting, second).verdict.outcome == "inconclusive"


async def test_an_address_that_fell_silent_after_a_blocked_name_was_tried_there_is_not_blocked(
    store: Store, config: Config
) -> None:
    judge = judge_of(store, config, "nl", "de")
    await judge.judge(measured("a", "https://a.example/", 1, main=RESET, again=RESET[1:]))
    after = await judge.judge(measured("b", "https://b.example/", 2, main=SILENT, again=SILENT[1:]))
    assert after.verdict.outcome == "inconclusive"
    assert "residual blocking: 23.10.1.1:443 timed out 60 s after a.example was cut off there (TLS: reset)" in (
        sentences(after.verdict.evidence)
    )


async def test_a_retest_that_meets_silence_keeps_what_the_first_measurement_found(store: Store, config: Config) -> None:
    judge = judge_of(store, config, "nl")
    first = await judge.judge(
        measured("a", "https://a.example/", 1, main=RESET, again=RESET[1:], innocent=["tcp ok", "tls ok"])
    )
    assert said(first)[:3] == ("blocked", "tls.reset", "name")
    waiting = judge.before_retest(first)
    silent = measured("a2", "https://a.example/", 2, main=SILENT, again=SILENT[1:])
    retest = await judge.judge(msgspec.structs.replace(silent, repeats="a"))
    assert said(retest) == ("blocked", "tls.reset", "name", "residual.keeps_first")
    assert judge.is_residual(retest)
    assert said(judge.after_retest(waiting, retest)) == said(first)
    store.save([msgspec.structs.replace(retest, round_id=None)])
    assert list(store.reclassify(judge_again(store, config))) == [], "the facts are stored with it"


async def test_a_retest_that_is_silent_too_is_judged_by_itself(store: Store, config: Config) -> None:
    judge = judge_of(store, config, "nl", "de")
    first = await judge.judge(measured("a", "https://a.example/", 1, main=SILENT, again=SILENT[1:]))
    judge.before_retest(first)
    silent = measured("a2", "https://a.example/", 2, main=SILENT, again=SILENT[1:])
    retest = await judge.judge(msgspec.structs.replace(silent, repeats="a"))
    assert said(retest) == ("blocked", "tcp.timeout", "address", "tcp.control_passes")
    assert not judge.is_residual(retest)


async def test_a_mail_port_that_answers_elsewhere_shows_that_the_network_lets_it_through(
    store: Store, config: Config
) -> None:
    judge = judge_of(store, config, "nl", "de")
    silent = {"main": SILENT, "again": SILENT[1:]}
    before = await judge.judge(measured("a", "tls://a.example:465", 1, **silent))
    assert said(before)[1:] == ("tcp.timeout", None, "tcp.port_unproven")
    await judge.judge(measured("m", "tls://m.example:465", 2, main=["dns 45.33.7.9", "tcp ok", "tls ok"]))
    after = await judge.judge(measured("b", "tls://b.example:465", 3, **silent))
    assert said(after)[1:] == ("tcp.timeout", "address", "tcp.control_passes")


def test_an_answer_keeps_no_contacts_and_of_many_only_some_are_shown() -> None:
    siblings = Siblings()
    for n in range(3 * MAX_REMEMBERED):
        siblings.add(measured(f"p{n}", f"https://p{n}.example/", n, main=PAGE))
        siblings.add(measured(f"r{n}", f"https://r{n}.example/", n, main=RESET))
        siblings.add(measured(f"s{n}", f"https://s{n}.example/", n, main=SILENT))
    assert siblings.of(measured("x", "https://x.example/", main=PAGE)) == ()
    shown = siblings.of(measured("y", "https://y.example/", main=SILENT))
    assert len(shown) == 2 * MAX_SHOWN
    assert {contact.method for contact in shown} == {None, "tls.reset"}, "silence does not displace what was cut off"
    assert siblings.of(measured("z", "https://z.example/", main=["dns 23.10.1.2", "tcp timeout"])) == ()
    assert [contact.at for contact in shown] == sorted(contact.at for contact in shown)


def test_a_measurement_is_no_sibling_of_its_own() -> None:
    siblings = Siblings()
    own = measured("a", "https://a.example/", main=RESET)
    siblings.add(own)
    assert siblings.of(own) == ()
    assert len(siblings.of(measured("a2", "https://a.example/", main=SILENT))) == 1


def test_connects_that_fail_after_a_cut_do_not_push_it_out() -> None:
    siblings = Siblings()
    siblings.add(measured("a", "https://a.example/", main=RESET))
    for n in range(3 * MAX_REMEMBERED):
        siblings.add(measured(f"s{n}", f"https://s{n}.example/", n + 1, main=SILENT))
    (cut,) = siblings.of(measured("y", "https://y.example/", 59, main=SILENT))
    assert cut.method == "tls.reset"
