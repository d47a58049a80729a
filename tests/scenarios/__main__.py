"""The confusion table of all situations: `python -m tests.scenarios`. Exits 1 where a wrong `blocked` is among them."""

from __future__ import annotations

import sys
from collections import Counter

from results.classify import classify
from tests.scenarios.builder import scenarios

OUTCOMES = ("reachable", "blocked", "denied", "down", "offline", "inconclusive")


def table() -> tuple[str, int]:
    """The table as Markdown, expected outcomes down and verdicts across, and the number of wrong blocks."""
    found = Counter(
        (one.expected.outcome, classify(one.measurement, one.controls, one.context).outcome) for one in scenarios()
    )
    lines = [
        "| expected \\ verdict | " + " | ".join(OUTCOMES) + " |",
        "|---|" + "---:|" * len(OUTCOMES),
    ]
    for expected in OUTCOMES:
        counts = (str(found[expected, outcome] or "·") for outcome in OUTCOMES)
        lines.append(f"| {expected} | " + " | ".join(counts) + " |")
    wrong = sum(count for (expected, outcome), count in found.items() if outcome == "blocked" != expected)
    return "\n".join(lines), wrong


if __name__ == "__main__":
    text, wrong = table()
    print(f"{text}\n\n{len(scenarios())} situations, {wrong} wrongly called blocked")
    sys.exit(1 if wrong else 0)
