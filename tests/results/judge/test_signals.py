"""Signals are declared, and the version of the rules follows from what they and the rules declare."""

from __future__ import annotations

import re

import msgspec
import pytest

from results.judge import rules as rules_module
from results.judge.rules import TIERS, parse, rules, rules_version
from results.judge.signals import SignalTable, declared
from results.judge.signals.answer import SIGNALS
from results.judge.verdict import METHODS


def test_every_signal_that_a_rule_names_is_declared() -> None:
    ids = {signal.id for signal in declared()}
    assert {signal for rule in rules() for signal in rule.needs | rule.unless} <= ids


def test_every_method_and_tier_of_a_rule_is_of_the_closed_list() -> None:
    assert {rule.method for rule in rules()} <= {None, *METHODS}
    assert {rule.tier for rule in rules()} == TIERS.keys()
    assert len({rule.id for rule in rules()}) == len(rules())


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('say = "A typing error."', "unknown field `say`"),
        ('outcome = "bloked"', r"'bloked' - at `\$\.rule\[0\]\.outcome`"),
        ('trigger = "url"', "'url'"),
        ('needs = ["fails", "again.fails"]', "spaces between"),
    ],
)
def test_what_is_not_a_rule_is_an_error(line: str, error: str) -> None:
    rule = '[[rule]]\nid = "a.b"\ntier = 8\nsays = "A rule."\n'
    assert [rule.id for rule in parse(rule)] == ["a.b"]
    with pytest.raises(ValueError, match=error):
        parse(f"{rule}{line}\n")


def test_a_signal_has_the_parameters_of_its_sentence() -> None:
    assert SIGNALS.signals["answer.complete"].parameters == ("where", "status", "size", "cut")


def test_a_variant_has_the_id_of_its_signal() -> None:
    table = SignalTable({"a.b": "one", "a.b:other": "another {thing}"})
    assert table("a.b:other", thing="{x}") == ("a.b", "another {x}")
    with pytest.raises(KeyError):
        table("a.c")


def test_the_version_follows_from_the_rules_and_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    version = rules_version()
    assert re.fullmatch("r[0-9a-f]{12}", version)
    assert version > "2026-11-26", "it sorts after the versions of before"
    first, *others = rules()
    changed = (msgspec.structs.replace(first, says="Something else."), *others)
    monkeypatch.setattr(rules_module, "rules", lambda: changed)
    assert rules_version.__wrapped__() != version
    monkeypatch.setattr(rules_module, "rules", lambda: (first, *others))
    assert rules_version.__wrapped__() == version
