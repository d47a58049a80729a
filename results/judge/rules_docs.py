"""Rules and signals as a page for people: `python -m results.judge.rules_docs > docs/rules.md`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from results.judge.rules import TIERS, Rule, rules, rules_version
from results.judge.signals import Signal, declared

HEAD = """# How a verdict is reached

The first rule that applies decides, from the top. A rule applies where every signal it needs is there and none of those
that forbid it. Signals conclude nothing by themselves; each comes with a sentence of evidence, and a verdict carries
the sentences of the signals it was made from. `reachprobe results show ID` tells them, and which rules nearly applied.

A verdict is of one moment. Where a block of a name has just ended, resolvers may go on giving the forged answer until
its TTL has passed. The TTL is recorded with each answer; nobody waits for it, and the next round sees what came of it.

"as it failed" means: the step and failure that ended the target's own course. This page is generated from the tables in
`results/judge/rules/` and `results/judge/signals/`. The version of the rules is a digest of both: {version}.
"""


def as_markdown() -> str:
    """Every rule, in the order in which they are tried, and every signal."""
    lines = [HEAD.format(version=rules_version())]
    for tier, title in TIERS.items():
        lines.append(f"\n## {tier}. {title}\n")
        lines += [_rule(rule) for rule in rules() if rule.tier == tier]
    lines.append("\n## Signals\n\nEach with its sentences; what stands in braces is filled in.\n")
    lines += [_signal(name, variants) for name, variants in groupby(declared(), key=lambda signal: signal.id)]
    return "\n".join(lines)


def _rule(rule: Rule) -> str:
    concludes = [f"**{rule.outcome}**"]
    if rule.outcome == "blocked":
        concludes.append(f"method {rule.method or 'as it failed'}")
    concludes += [f"trigger {rule.trigger}"] if rule.trigger else []
    concludes += [rule.confidence] if rule.confidence else []
    needs = " ".join(f"`{signal}`" for signal in sorted(rule.needs)) or "nothing"
    unless = f"; unless {' '.join(f'`{signal}`' for signal in sorted(rule.unless))}" if rule.unless else ""
    return f"- `{rule.id}` — {rule.says}\n  {', '.join(concludes)}. Needs {needs}{unless}."


def _signal(name: str, variants: Iterator[Signal]) -> str:
    return f"- `{name}` — {' / '.join(variant.sentence for variant in variants)}"


if __name__ == "__main__":
    print(as_markdown())
