"""Signals are declared, and the version of the rules follows from what they and the rules declare."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from results.judge import rules as rules_module
from results.judge import signals
from results.judge.rules import TIERS, parse, rules, rules_version
from results.judge.signals import declared
from results.judge.verdict import METHODS


def test_every_signal_that_a_rule_names_is_declared() -> None:
    assert {signal for rule in rules() for signal in rule.needs | rule.unless} <= declared().keys()


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


def test_every_signal_that_the_code_gives_is_declared() -> None:
    folder = Path(signals.__path__[0])
    keys = set(re.findall(r'evidence\("([^"]+)"', "".join(path.read_text("utf-8") for path in folder.glob("*.py"))))
    assert len(keys) > 100
    for key in keys:
        signal, _, variant = key.partition(":")
        assert signal in declared(), key
        assert not variant or any(sentence.endswith(f":{variant}") for sentence in declared()[signal]), key


def test_the_version_follows_from_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    version = rules_version()
    assert re.fullmatch("r[0-9a-f]{12}", version)
    assert version > "2026-11-26", "it sorts after the versions of before"
    first, *others = rules()
    changed = (msgspec.structs.replace(first, says="Something else."), *others)
    monkeypatch.setattr(rules_module, "rules", lambda: changed)
    assert rules_version.__wrapped__() != version
    monkeypatch.setattr(rules_module, "rules", lambda: (first, *others))
    assert rules_version.__wrapped__() == version
