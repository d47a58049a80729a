"""Rules and signals as a page for people: `python -m results.judge.rules_docs > docs/rules.md`."""

from __future__ import annotations

from results.i18n.translator import english
from results.judge.rules import TIERS, Rule, rules, rules_version
from results.judge.signals import declared

HEAD = """# How a verdict is reached

The first rule that applies decides, from the top. A rule applies where every signal it needs is there and none of those
that forbid it. Signals conclude nothing by themselves. A verdict stores the signals it was made from, each with its
values; `reachprobe results show ID` shows them as sentences in your language, and with `--rules` which rules nearly
applied.

A verdict is of one moment. Where a block of a name has just ended, resolvers may go on giving the forged answer until
its TTL has passed. The TTL is recorded with each answer; nobody waits for it, and the next round sees what came of it.

"as it failed" means: the step and failure that ended the target's own course. This page is generated from the tables in
`results/judge/rules/` and `results/i18n/english/evidence.toml`. The version of the rules is a digest of the former:
{version}.
"""


def as_markdown() -> str:
    """Every rule, in the order in which they are tried, and every signal."""
    lines = [HEAD.format(version=rules_version())]
    for tier, title in TIERS.items():
        lines.append(f"\n## {tier}. {title}\n")
        lines += [_rule(rule) for rule in rules() if rule.tier == tier]
    lines.append("\n## Signals\n\nEach with its sentences; names in braces are values.\n")
    lines += [f"- `{signal}` — {' / '.join(map(_sentence, keys))}" for signal, keys in declared().items()]
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


def _sentence(key: str) -> str:
    """A sentence in English; of a plural the form for many."""
    text = english()[key]
    return text if isinstance(text, str) else text[-1]


if __name__ == "__main__":
    print(as_markdown())
