"""Signals are declared, and the version of the rules follows from what they and the rules declare."""

from __future__ import annotations

import re

import msgspec
import pytest

from results.judge import rules as rules_module
from results.judge.rules import rules, rules_version
from results.judge.signals import SignalTable, declared
from results.judge.signals.answer import SIGNALS


def test_every_signal_that_a_rule_names_is_declared() -> None:
    ids = {signal.id for signal in declared()}
    assert {signal for rule in rules() for signal in rule.needs | rule.unless} <= ids


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
