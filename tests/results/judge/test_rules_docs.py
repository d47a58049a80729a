"""The page about the rules says what the rules are."""

from __future__ import annotations

from pathlib import Path

from results.judge.rules import rules
from results.judge.rules_docs import as_markdown

DOCS = Path(__file__).parents[3] / "docs" / "rules.md"


def test_the_page_is_current() -> None:
    assert DOCS.read_text("utf-8") == as_markdown() + "\n", "python -m results.judge.rules_docs > docs/rules.md"


def test_every_rule_stands_in_it() -> None:
    text = as_markdown()
    assert all(f"`{rule.id}`" in text for rule in rules())
