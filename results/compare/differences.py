"""The kinds of difference between the states of a row at several vantages, and their sentences. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from probe.model import Vantage
from results.aggregate.changes import StateHistory
from results.compare.record import DIRECT, RowState, day_of, network_of
from results.compare.timeline import FEW_DAYS, VantageTrack

Difference = Literal["none", "machine", "network", "country", "everywhere", "path", "family", "time", "unknown"]
FIRST_KIND: dict[str, Difference] = {
    "vantage": "machine",
    "network": "network",
    "country": "country",
    "path": "path",
    "day": "time",
}
"""The kind that is named first, by what the columns are."""
MAX_NAMES = 6
"""In one enumeration; the rest are counted."""
FAMILIES = {"ipv4": ("IPv6", "IPv4"), "ipv6": ("IPv4", "IPv6")}
PLURAL = {"country": "countries", "network": "networks", "machine": "machines", "vantage": "vantages"}


class ComparedVantage(msgspec.Struct, frozen=True):
    """One vantage in a comparison; `state` is None where it is missing, too old or incomplete."""

    track: VantageTrack
    label: str
    state: RowState | None
    history: StateHistory
    partial: bool = False
    """Its state is fresh, but not all required targets were measured."""
    doubtful: bool = False
    """Its fresh measurements are inconclusive."""

    @property
    def vantage(self) -> Vantage:
        return self.track.vantage


class RowDifference(msgspec.Struct, frozen=True):
    """All kinds of difference, in order; the difference in words; a note on what weakens it."""

    kinds: tuple[Difference, ...]
    says: str
    note: str | None


def difference(sides: Sequence[ComparedVantage], by: str) -> RowDifference:
    """What differs between `sides`; the kind that fits the columns (`by`) comes first."""
    decided = [side for side in sides if side.state is not None]
    base = [side for side in decided if side.vantage.path == DIRECT] or decided
    found: list[tuple[Difference, str]] = []
    if base and _outcomes(base) == {"down"} and _outcomes(decided) == {"down"}:
        found.append(("everywhere", "everywhere: down"))
    elif len(_outcomes(base)) > 1:
        found.append(_place_difference(base))
    if paths := _path_difference(base, [side for side in decided if side not in base]):
        found.append(("path", paths))
    if families := _families_text(base):
        found.append(("family", families))
    if times := _times_text([side for side in sides if side.vantage.path == DIRECT] or sides):
        found.append(("time", times))
    found.sort(key=lambda one: one[0] != FIRST_KIND[by])
    if not found:
        found.append(_no_difference(base, decided, by))
    elif base and len(_outcomes(base)) == 1 and "everywhere" not in dict(found):
        found.insert(0, (found[0][0], _same_text(base)))
    kinds = tuple(dict.fromkeys(kind for kind, _ in found))
    return RowDifference(kinds, "; ".join(says for _, says in found), _note_text(sides))


def _no_difference(
    base: Sequence[ComparedVantage], decided: Sequence[ComparedVantage], by: str
) -> tuple[Difference, str]:
    """`none`, or `unknown` where there was nothing to compare with."""
    if len(decided) > 1 or (by == "day" and base and sum(day.findings > 0 for day in base[0].track.days.values()) > 1):
        return "none", f"no difference: {_same_text(base)}"
    if decided:
        return "unknown", f"{_same_text(base)}; nothing else to compare it with"
    return "unknown", "nothing to compare"


def _outcomes(sides: Sequence[ComparedVantage]) -> set[str]:
    return {side.state.outcome for side in sides if side.state is not None}


def _place_difference(base: Sequence[ComparedVantage]) -> tuple[Difference, str]:
    """The coarsest place whose vantages agree: a country, else a network, else a machine."""
    if _explains(base, lambda vantage: vantage.country):
        return "country", _places_text(base, "country", lambda side: str(side.vantage.country))
    if _explains(base, _network):
        return "network", _places_text(base, "network", lambda side: network_of(side.vantage))
    if all(_network(side.vantage) for side in base):
        return "machine", _places_text(base, "machine", lambda side: side.label)
    return "unknown", _places_text(base, "vantage", lambda side: side.label)


def _network(vantage: Vantage) -> str | None:
    known = vantage.asn is not None or vantage.network_name is not None
    return f"{vantage.country} {network_of(vantage)}" if known else None


def _explains(sides: Sequence[ComparedVantage], place: Callable[[Vantage], str | None]) -> bool:
    """Whether all places are known and the vantages of each place agree."""
    parts: dict[str, set[str]] = {}
    for side in sides:
        name = place(side.vantage)
        if name is None:
            return False
        parts.setdefault(name, set()).update(_outcomes([side]))
    return all(len(outcomes) == 1 for outcomes in parts.values())


def _path_difference(base: Sequence[ComparedVantage], others: Sequence[ComparedVantage]) -> str | None:
    """Where other paths differ from the direct path of the same machine, else from any direct path."""
    opening: set[str] = set()
    closed: set[str] = set()
    for side in others:
        own = [one for one in base if one.vantage.name == side.vantage.name] or base
        if len(_outcomes(own)) != 1 or _outcomes(own) == _outcomes([side]):
            continue
        (opening if _outcomes([side]) == {"reachable"} else closed).add(side.vantage.path)
    return _paths_text(sorted(opening), sorted(closed - opening))


def _listed(names: Iterable[str]) -> str:
    """`a, b and 3 more`."""
    every = list(dict.fromkeys(names))
    more = f" and {len(every) - MAX_NAMES} more" if len(every) > MAX_NAMES else ""
    return ", ".join(every[:MAX_NAMES]) + more


def _places_text(sides: Sequence[ComparedVantage], level: str, label: Callable[[ComparedVantage], str]) -> str:
    """`this network only: blocked on AS1; reachable on AS2, AS3`."""
    by_outcome: dict[str, set[str]] = defaultdict(set)
    for side in sides:
        if side.state is not None:
            by_outcome[side.state.outcome].add(label(side))
    odd = {outcome: names for outcome, names in by_outcome.items() if outcome != "reachable"}
    alone = len(odd) == 1 and len(next(iter(odd.values()))) == 1
    head = f"this {level} only" if alone else f"some {PLURAL[level]}"
    preposition = {"country": "in", "network": "on"}.get(level, "at")
    order = sorted(by_outcome, key=lambda outcome: (outcome == "reachable", outcome))
    parts = [f"{outcome} {preposition} {_listed(sorted(by_outcome[outcome]))}" for outcome in order]
    return f"{head}: {'; '.join(parts)}"


def _paths_text(opening: Sequence[str], closed: Sequence[str]) -> str | None:
    """`a VPN or proxy opens it: vpn`."""
    parts = [f"a VPN or proxy opens it: {_listed(opening)}"] if opening else []
    parts += [f"it does not open by {_listed(closed)}"] if closed else []
    return "; ".join(parts) or None


def _families_text(sides: Sequence[ComparedVantage]) -> str | None:
    """`IPv6 only: over IPv4 it does not work at home`."""
    name: dict[str, list[str]] = defaultdict(list)
    for side in sides:
        if side.state is not None and side.state.failing is not None:
            name[side.state.failing].append(side.label)
    parts = [
        f"{FAMILIES[failing][0]} only: over {FAMILIES[failing][1]} it does not work at {_listed(names)}"
        for failing, names in sorted(name.items())
    ]
    return "; ".join(parts) or None


def _times_text(sides: Sequence[ComparedVantage]) -> str | None:
    """`since 2017-05-06 at home, office (within 6 h)`; blocks that ended; what flaps."""
    dated: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for side in sides:
        if side.history.flapping:
            dated["", "flapping"].append((side.label, 0.0))
        elif side.history.changes:
            last = side.history.changes[-1]
            word = "since" if last.blocked else "blocked until"
            dated[day_of(last.at), word].append((side.label, last.hours))
    parts = []
    for (day, word), found in sorted(dated.items()):
        within = f" (within {max(hours for _, hours in found):.0f} h)" if day else ""
        parts.append(f"{word}{day and ' ' + day} at {_listed(label for label, _ in found)}{within}")
    return "; ".join(parts) or None


def _same_text(sides: Sequence[ComparedVantage]) -> str:
    """`reachable at all 4 vantages`."""
    outcomes = sorted({side.state.outcome for side in sides if side.state is not None})
    name = f"at all {len(sides)} vantages" if len(sides) > 2 else f"at {_listed(side.label for side in sides)}"
    return f"{' and '.join(outcomes)} {name}"


def _note_text(sides: Sequence[ComparedVantage]) -> str | None:
    """What was left out and why, and what weakens the rest."""
    old = [f"{u.label} (last {day_of(u.track.last_at)})" for u in sides if _is_old(u) and u.track.last_at]
    parts = [
        ("no finding close enough in time", old),
        ("not everything required was measured", [u.label for u in sides if u.partial]),
        ("nothing clear", [u.label for u in sides if u.doubtful]),
        ("no working network", [u.label for u in sides if u.track.last_at is None and u.track.offline_at]),
        ("cut off from abroad", [u.label for u in sides if u.track.restricted_at]),
        (f"fewer than {FEW_DAYS} days, so the numbers are small", [u.label for u in sides if 0 < _days(u) < FEW_DAYS]),
    ]
    return "; ".join(f"{what}: {_listed(names)}" for what, names in parts if names) or None


def _is_old(side: ComparedVantage) -> bool:
    return side.state is None and not side.partial and not side.doubtful


def _days(side: ComparedVantage) -> int:
    return sum(day.findings > 0 for day in side.track.days.values())
