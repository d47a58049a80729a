"""The confusion table of all situations: `python -m tests.scenarios`. Exits 1 where a wrong `blocked` is among them."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter

from results.classify import classify
from tests.scenarios.builder import scenarios
from tests.scenarios.loopback import SITUATIONS, judge_all

OUTCOMES = ("reachable", "blocked", "denied", "down", "offline", "inconclusive")
Pairs = list[tuple[str, str]]


def told() -> Pairs:
    """Expected and found outcome of every situation told in a file."""
    verdicts = [(one, classify(one.measurement, one.controls, one.context, one.library)) for one in scenarios()]
    return [(one.expected.outcome, verdict.outcome) for one, verdict in verdicts]


def on_the_wire() -> Pairs:
    """Expected and found outcome of every situation measured on loopback."""
    verdicts = asyncio.run(judge_all())
    return [(wire.outcome, verdicts[wire.name].outcome) for wire in SITUATIONS]


def table(pairs: Pairs) -> str:
    """The table as Markdown: expected outcomes down, verdicts across."""
    found = Counter(pairs)
    lines = ["| expected \\ verdict | " + " | ".join(OUTCOMES) + " |", "|---|" + "---:|" * len(OUTCOMES)]
    for expected in OUTCOMES:
        counts = (str(found[expected, outcome] or "·") for outcome in OUTCOMES)
        lines.append(f"| {expected} | " + " | ".join(counts) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    files, wire = told(), on_the_wire()
    wrong = sum(outcome == "blocked" != expected for expected, outcome in files + wire)
    print(f"{table(files + wire)}\n")
    print(f"{len(files)} situations told, {len(wire)} measured on loopback; {wrong} wrongly called blocked")
    sys.exit(1 if wrong else 0)
