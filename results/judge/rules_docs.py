"""The rules as a page for people: `python -m results.judge.rules_docs > docs/rules.md`."""

from __future__ import annotations

from results.judge.rule import Rule
from results.judge.rules import RULES_VERSION, rules

TIERS = {
    1: "The vantage's own network",
    2: "The service itself refuses",
    3: "The real service answered",
    4: "Interference that is itself proof",
    5: "A control got through where the vantage failed, twice",
    6: "Every qualified control failed in the same way",
    7: "No control, but the same failure again and again",
    8: "Not enough to tell",
}

HEAD = f"""# How a verdict is reached

The first rule that applies decides, from the top. A rule applies where every sign it needs is there and none of those
that forbid it. Signs conclude nothing by themselves; each comes with a sentence of evidence, and a verdict carries the
sentences of the signs it was made from. `reachprobe results show ID` tells them, and which rules nearly applied.

A verdict is of one moment. Where a block of a name has just ended, resolvers may go on giving the forged answer until
its TTL has passed. The TTL is recorded with each answer; nobody waits for it, and the next round sees what came of it.

"as it failed" means: the step and failure that ended the target's own course. This page is generated from the tables in
`results/rules/`; the version of the rules is {RULES_VERSION}.
"""


def as_markdown() -> str:
    """Every rule, in the order in which they are tried."""
    lines = [HEAD]
    for tier, title in TIERS.items():
        lines.append(f"\n## {tier}. {title}\n")
        lines += [_entry(rule) for rule in rules() if rule.tier == tier]
    return "\n".join(lines)


def _entry(rule: Rule) -> str:
    concludes = [f"**{rule.outcome}**"]
    if rule.outcome == "blocked":
        concludes.append(f"method {rule.method or 'as it failed'}")
    concludes += [f"trigger {rule.trigger}"] if rule.trigger else []
    concludes += [rule.confidence] if rule.confidence else []
    needs = " ".join(f"`{sign}`" for sign in sorted(rule.needs)) or "nothing"
    unless = f"; unless {' '.join(f'`{sign}`' for sign in sorted(rule.unless))}" if rule.unless else ""
    return f"- `{rule.id}` — {rule.says}\n  {', '.join(concludes)}. Needs {needs}{unless}."


if __name__ == "__main__":
    print(as_markdown())
