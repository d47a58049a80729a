"""The confusion table of all situations: `python -m tests.confusion`, in Markdown, as it stands in docs/accuracy.md.

Situations in files (tests/scenarios), measured on loopback (tests/scenarios, tests/live), and in the censored network
of namespaces (tests/lab), which needs root. Each cell counts all situations and, where they are fewer, those whose
expectation never changed since it was written. Exits 1 where anything was wrongly called blocked.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from results.judge.classify import classify
from tests.lab import kernel
from tests.lab.debian_servers import run_all as run_servers
from tests.lab.worlds import run_all as run_worlds
from tests.live.networks import NETWORKS
from tests.live.rounds import run_all
from tests.scenarios.builder import scenarios
from tests.scenarios.loopback import SITUATIONS, judge_all
from tests.situation import Expected, Judged

OUTCOMES = ("reachable", "blocked", "denied", "down", "offline", "inconclusive")
EITHER, NOT_BLOCKED = "blocked or inconclusive", "anything but blocked"
"""Rows for situations in which more than one outcome is right."""


@dataclass(frozen=True)
class Told:
    """A situation, its row of the table, the verdict, what is wrong with that, and why its expectation changed."""

    name: str
    expected: str
    found: str
    complaint: str | None
    changed: str | None = None

    @property
    def is_wrongly_blocked(self) -> bool:
        return self.found == "blocked" and self.expected not in ("blocked", EITHER)

    @property
    def is_missed_block(self) -> bool:
        return self.found == "reachable" and self.expected in ("blocked", EITHER)


def in_files() -> Iterator[Told]:
    for one in scenarios():
        verdict = classify(one.measurement, one.controls, one.context, one.library)
        yield _told(one.name, one.expected, verdict.outcome)


def on_the_wire() -> Iterator[Told]:
    verdicts = asyncio.run(judge_all())
    for wire in SITUATIONS:
        yield _told(wire.name, wire, verdicts[wire.name].outcome)


def in_rounds() -> Iterator[Told]:
    for done in asyncio.run(run_all(NETWORKS)):
        yield from map(_judged, done.judged)


def in_namespaces() -> Iterator[Told]:
    if reason := kernel.why_not():
        print(f"no namespaces: {reason}", file=sys.stderr)
        return
    for done in run_worlds():
        yield from map(_judged, done.judged)


def at_real_servers() -> Iterator[Told]:
    if kernel.why_not() is None:
        yield from map(_judged, run_servers())


SOURCES: dict[str, Callable[[], Iterator[Told]]] = {
    "described in files": in_files,
    "measured on loopback": on_the_wire,
    "in rounds on loopback": in_rounds,
    "in network namespaces": in_namespaces,
    "at real servers": at_real_servers,
}


class Wanted(Protocol):
    """An expected outcome, and why it changed."""

    @property
    def outcome(self) -> str: ...

    @property
    def changed(self) -> str | None: ...


def _told(name: str, wanted: Wanted, found: str) -> Told:
    complaint = None if found == wanted.outcome else f"{name}: {found}, not {wanted.outcome}"
    return Told(name, wanted.outcome, found, complaint, wanted.changed)


def _judged(one: Judged) -> Told:
    return Told(one.name, _row(one.expected), one.outcome, one.complaint, one.expected.changed)


def _row(expected: Expected) -> str:
    if not expected.also:
        return expected.outcome
    return EITHER if "blocked" in (expected.outcome, *expected.also) else NOT_BLOCKED


def table(told: list[Told]) -> str:
    """Expected outcomes down, verdicts across: all, and in brackets those whose expectation never changed."""
    found = Counter((one.expected, one.found) for one in told)
    first = Counter((one.expected, one.found) for one in told if one.changed is None)
    lines = ["| expected \\ verdict | " + " | ".join(OUTCOMES) + " |", "|---|" + "---:|" * len(OUTCOMES)]
    for expected in (*OUTCOMES, EITHER, NOT_BLOCKED):
        counts = (_cell(found[expected, outcome], first[expected, outcome]) for outcome in OUTCOMES)
        lines.append(f"| {expected} | " + " | ".join(counts) + " |")
    return "\n".join(lines)


def _cell(count: int, never_changed: int) -> str:
    if not count:
        return "·"
    return str(count) if count == never_changed else f"{count} ({never_changed})"


def summary(told: list[Told]) -> str:
    """All situations beside those whose expectation never changed."""
    lines = ["| | situations | as expected | wrongly blocked | blocks called reachable |", "|---|---:|---:|---:|---:|"]
    for name, some in (("all", told), ("never changed", [one for one in told if one.changed is None])):
        right = sum(one.complaint is None for one in some)
        wrong = sum(one.is_wrongly_blocked for one in some)
        missed = sum(one.is_missed_block for one in some)
        lines.append(f"| {name} | {len(some)} | {right} | {wrong} | {missed} |")
    return "\n".join(lines)


def main() -> int:
    told: list[Told] = []
    counts = []
    for name, source in SOURCES.items():
        found = list(source())
        told += found
        counts.append(f"{len(found)} {name}")
    wrong = [one for one in told if one.is_wrongly_blocked]
    print(f"{table(told)}\n\n{summary(told)}\n")
    print(f"{len(told)} situations: {', '.join(counts)}. Wrongly called blocked: {len(wrong)}.")
    for one in told:
        if one.complaint:
            print(f"{'WRONG BLOCK ' if one.is_wrongly_blocked else ''}{one.complaint}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
