"""The sentences of a comparison. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from results.compare.observed import day_of
from results.compare.shares import FEW

if TYPE_CHECKING:
    from results.compare.differences import Unit

NAMED = 6
"""How many places a sentence names before it counts the rest."""
FAMILIES = {"ipv4": ("IPv6", "IPv4"), "ipv6": ("IPv4", "IPv6")}
PLURAL = {"country": "countries", "network": "networks", "machine": "machines", "vantage": "vantages"}


def listed(names: Iterable[str]) -> str:
    """`a, b and 3 more`."""
    every = list(dict.fromkeys(names))
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


def places(units: Sequence[Unit], level: str, label: Callable[[Unit], str]) -> str:
    """`this network only: blocked on AS1; reachable on AS2, AS3`."""
    by_outcome: dict[str, set[str]] = defaultdict(set)
    for unit in units:
        if unit.point is not None:
            by_outcome[unit.point.outcome].add(label(unit))
    odd = {outcome: names for outcome, names in by_outcome.items() if outcome != "reachable"}
    alone = len(odd) == 1 and len(next(iter(odd.values()))) == 1
    head = f"this {level} only" if alone else f"some {PLURAL[level]}"
    preposition = {"country": "in", "network": "on"}.get(level, "at")
    order = sorted(by_outcome, key=lambda outcome: (outcome == "reachable", outcome))
    said = [f"{outcome} {preposition} {listed(sorted(by_outcome[outcome]))}" for outcome in order]
    return f"{head}: {'; '.join(said)}"


def paths(opening: Sequence[str], closed: Sequence[str]) -> str | None:
    """`a VPN or proxy opens it: vpn`."""
    said = [f"a VPN or proxy opens it: {listed(opening)}"] if opening else []
    said += [f"it does not open by {listed(closed)}"] if closed else []
    return "; ".join(said) or None


def families(units: Sequence[Unit]) -> str | None:
    """`IPv6 only: over IPv4 it does not work at home`."""
    where: dict[str, list[str]] = defaultdict(list)
    for unit in units:
        if unit.point is not None and unit.point.failing is not None:
            where[unit.point.failing].append(unit.label)
    said = [
        f"{FAMILIES[failing][0]} only: over {FAMILIES[failing][1]} it does not work at {listed(names)}"
        for failing, names in sorted(where.items())
    ]
    return "; ".join(said) or None


def times(units: Sequence[Unit]) -> str | None:
    """`since 2017-05-06 at home, office (within 6 h)`; blocks that ended; what flaps."""
    dated: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for unit in units:
        if unit.changes.flapping:
            dated["", "flapping"].append((unit.label, 0.0))
        elif unit.changes.changes:
            last = unit.changes.changes[-1]
            word = "since" if last.blocked else "blocked until"
            dated[day_of(last.at), word].append((unit.label, last.hours))
    said = []
    for (day, word), found in sorted(dated.items()):
        within = f" (within {max(hours for _, hours in found):.0f} h)" if day else ""
        said.append(f"{word}{day and ' ' + day} at {listed(label for label, _ in found)}{within}")
    return "; ".join(said) or None


def same(units: Sequence[Unit]) -> str:
    """`reachable at all 4 vantages`."""
    outcomes = sorted({unit.point.outcome for unit in units if unit.point is not None})
    where = f"at all {len(units)} vantages" if len(units) > 2 else f"at {listed(unit.label for unit in units)}"
    return f"{' and '.join(outcomes)} {where}"


def note(units: Sequence[Unit]) -> str | None:
    """What was left out and why, and what makes the rest weak."""
    old = [f"{u.label} (last {day_of(u.track.last_at)})" for u in units if _is_old(u) and u.track.last_at]
    said = [
        ("no finding close enough in time", old),
        ("not everything required was measured", [u.label for u in units if u.partial]),
        ("nothing clear", [u.label for u in units if u.doubtful]),
        ("no working network", [u.label for u in units if u.track.last_at is None and u.track.offline_at]),
        ("cut off from abroad", [u.label for u in units if u.track.restricted_at]),
        (f"fewer than {FEW} days, so the numbers are small", [u.label for u in units if 0 < _days(u) < FEW]),
    ]
    return "; ".join(f"{what}: {listed(names)}" for what, names in said if names) or None


def _is_old(unit: Unit) -> bool:
    return unit.point is None and not unit.partial and not unit.doubtful


def _days(unit: Unit) -> int:
    return sum(day.findings > 0 for day in unit.track.days.values())
