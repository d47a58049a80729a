"""Every situation gets its verdict, and every rule has a situation that fires it and one that must not."""

from __future__ import annotations

import pytest

from results.judge.classify import classify
from results.judge.rules import rules
from results.judge.verdict import METHODS
from results.judge.wording import sentences
from tests.scenarios.builder import Scenario, scenarios

ALL = scenarios()


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
def test_the_situation_gets_its_verdict(scenario: Scenario) -> None:
    verdict = classify(scenario.measurement, scenario.controls, scenario.context, scenario.library)
    expected = scenario.expected
    found = (verdict.outcome, verdict.method, verdict.trigger, verdict.confidence, verdict.rules)
    wanted = (expected.outcome, expected.method, expected.trigger, expected.confidence, expected.rules)
    assert found == wanted, f"{scenario.says}\n" + "\n".join(sentences(verdict.evidence))
    told = "\n".join(sentences(verdict.evidence))
    assert all(words in told for words in expected.evidence), told
    assert verdict.evidence or verdict.outcome == "inconclusive"


def test_the_rules_that_a_situation_must_not_fire_exist_and_do_not_fire() -> None:
    ids = {rule.id for rule in rules()}
    for scenario in ALL:
        assert set(scenario.expected.never) <= ids - set(scenario.expected.rules), scenario.name


def test_every_rule_has_a_situation_that_fires_it_and_one_that_must_not() -> None:
    fired = {rule for scenario in ALL for rule in scenario.expected.rules}
    spared = {rule for scenario in ALL for rule in scenario.expected.never}
    ids = {rule.id for rule in rules()}
    assert ids - fired == set()
    assert {rule.id for rule in rules() if rule.needs} - spared == set()


def test_at_least_sixty_situations_and_a_third_of_them_no_block() -> None:
    assert len(ALL) >= 60
    assert sum(scenario.expected.outcome != "blocked" for scenario in ALL) * 3 >= len(ALL)


def test_every_method_named_in_a_rule_or_situation_is_of_the_closed_list() -> None:
    named = {rule.method for rule in rules()} | {scenario.expected.method for scenario in ALL}
    assert named - {None} <= set(METHODS)


def test_rule_ids_are_unique_and_tiers_in_order() -> None:
    ids = [rule.id for rule in rules()]
    assert len(ids) == len(set(ids))
    assert [rule.tier for rule in rules()] == sorted(rule.tier for rule in rules())
    assert not rules()[-1].needs, "the last rule takes whatever is left"
