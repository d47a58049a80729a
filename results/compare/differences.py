"""What kind of difference there is between the states of a row. Pure.

The coarsest place that explains it is named: a country where its vantages all say one thing and another country's say
another, else a network, else the machine. A path is held against the direct path of the same machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from probe.model import Vantage
from results.aggregate.changes import StateHistory
from results.compare.record import DIRECT, day_of, network_of
from results.compare.timeline import FEW_DAYS, RowState, VantageTrack

Difference = Literal["none", "machine", "network", "country", "everywhere", "path", "family", "time", "unknown"]
FIRST_KIND: dict[str, Difference] = {
    "vantage": "machine",
    "network": "network",
    "country": "country",
    "path": "path",
    "day": "time",
}
"""What is laid side by side is told first, where it differs."""
MAX_NAMES = 6
"""How many places a sentence names before it counts the rest."""
FAMILIES = {"ipv4": ("IPv6", "IPv4"), "ipv6": ("IPv4", "IPv6")}
PLURAL = {"country": "countries", "network": "networks", "machine": "machines", "vantage": "vantages"}


class ComparedVantage(msgspec.Struct, frozen=True):
    """One vantage's side of a comparison; `point` is its state, None where that is missing, too old or incomplete."""

    track: VantageTrack
    label: str
    point: RowState | None
    history: StateHistory
    partial: bool = False
    """Whether it has a fresh state, but not of everything that is required."""
    doubtful: bool = False
    """Whether its fresh measurements say nothing clear."""

    @property
    def vantage(self) -> Vantage:
        return self.track.vantage


class RowDifference(msgspec.Struct, frozen=True):
    """All kinds of difference, the first one first; the difference in words; what has to be said beside it."""

    kinds: tuple[Difference, ...]
    says: str
    note: str | None


def difference(units: Sequence[ComparedVantage], by: str) -> RowDifference:
    """What differs between `units`, with what is laid side by side (`by`) told first."""
    decided = [unit for unit in units if unit.point is not None]
    base = [unit for unit in decided if unit.vantage.path == DIRECT] or decided
    found: list[tuple[Difference, str]] = []
    if base and _outcomes(base) == {"down"} and _outcomes(decided) == {"down"}:
        found.append(("everywhere", "everywhere: down"))
    elif len(_outcomes(base)) > 1:
        found.append(_place_difference(base))
    if paths := _path_difference(base, [unit for unit in decided if unit not in base]):
        found.append(("path", paths))
    if families := _families_text(base):
        found.append(("family", families))
    if times := _times_text([unit for unit in units if unit.vantage.path == DIRECT] or units):
        found.append(("time", times))
    found.sort(key=lambda one: one[0] != FIRST_KIND[by])
    if not found:
        found.append(_no_difference(base, decided, by))
    elif base and len(_outcomes(base)) == 1 and "everywhere" not in dict(found):
        found.insert(0, (found[0][0], _same_text(base)))
    kinds = tuple(dict.fromkeys(kind for kind, _ in found))
    return RowDifference(kinds, "; ".join(says for _, says in found), _note_text(units))


def _no_difference(
    base: Sequence[ComparedVantage], decided: Sequence[ComparedVantage], by: str
) -> tuple[Difference, str]:
    """No difference was found: because there is none, or because there was nothing to hold it against."""
    if len(decided) > 1 or (by == "day" and base and sum(day.findings > 0 for day in base[0].track.days.values()) > 1):
        return "none", f"no difference: {_same_text(base)}"
    if decided:
        return "unknown", f"{_same_text(base)}; nothing else to compare it with"
    return "unknown", "nothing to compare"


def _outcomes(units: Sequence[ComparedVantage]) -> set[str]:
    return {unit.point.outcome for unit in units if unit.point is not None}


def _place_difference(base: Sequence[ComparedVantage]) -> tuple[Difference, str]:
    """The coarsest place that explains who sees what."""
    if _explains(base, lambda vantage: vantage.country):
        return "country", _places_text(base, "country", lambda unit: str(unit.vantage.country))
    if _explains(base, _network):
        return "network", _places_text(base, "network", lambda unit: network_of(unit.vantage))
    if all(_network(unit.vantage) for unit in base):
        return "machine", _places_text(base, "machine", lambda unit: unit.label)
    return "unknown", _places_text(base, "vantage", lambda unit: unit.label)


def _network(vantage: Vantage) -> str | None:
    known = vantage.asn is not None or vantage.network_name is not None
    return f"{vantage.country} {network_of(vantage)}" if known else None


def _explains(units: Sequence[ComparedVantage], place: Callable[[Vantage], str | None]) -> bool:
    """Whether all vantages' places are known, and each place's vantages all say one thing."""
    said: dict[str, set[str]] = {}
    for unit in units:
        where = place(unit.vantage)
        if where is None:
            return False
        said.setdefault(where, set()).update(_outcomes([unit]))
    return all(len(outcomes) == 1 for outcomes in said.values())


def _path_difference(base: Sequence[ComparedVantage], others: Sequence[ComparedVantage]) -> str | None:
    """What other paths do that the direct one of the same machine (without one, any direct one) does not."""
    opening: set[str] = set()
    closed: set[str] = set()
    for unit in others:
        own = [one for one in base if one.vantage.name == unit.vantage.name] or base
        if len(_outcomes(own)) != 1 or _outcomes(own) == _outcomes([unit]):
            continue
        (opening if _outcomes([unit]) == {"reachable"} else closed).add(unit.vantage.path)
    return _paths_text(sorted(opening), sorted(closed - opening))


def _listed(names: Iterable[str]) -> str:
    """`a, b and 3 more`."""
    every = list(dict.fromkeys(names))
    more = f" and {len(every) - MAX_NAMES} more" if len(every) > MAX_NAMES else ""
    return ", ".join(every[:MAX_NAMES]) + more


def _places_text(units: Sequence[ComparedVantage], level: str, label: Callable[[ComparedVantage], str]) -> str:
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
    said = [f"{outcome} {preposition} {_listed(sorted(by_outcome[outcome]))}" for outcome in order]
    return f"{head}: {'; '.join(said)}"


def _paths_text(opening: Sequence[str], closed: Sequence[str]) -> str | None:
    """`a VPN or proxy opens it: vpn`."""
    said = [f"a VPN or proxy opens it: {_listed(opening)}"] if opening else []
    said += [f"it does not open by {_listed(closed)}"] if closed else []
    return "; ".join(said) or None


def _families_text(units: Sequence[ComparedVantage]) -> str | None:
    """`IPv6 only: over IPv4 it does not work at home`."""
    where: dict[str, list[str]] = defaultdict(list)
    for unit in units:
        if unit.point is not None and unit.point.failing is not None:
            where[unit.point.failing].append(unit.label)
    said = [
        f"{FAMILIES[failing][0]} only: over {FAMILIES[failing][1]} it does not work at {_listed(names)}"
        for failing, names in sorted(where.items())
    ]
    return "; ".join(said) or None


def _times_text(units: Sequence[ComparedVantage]) -> str | None:
    """`since 2017-05-06 at home, office (within 6 h)`; blocks that ended; what flaps."""
    dated: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for unit in units:
        if unit.history.flapping:
            dated["", "flapping"].append((unit.label, 0.0))
        elif unit.history.changes:
            last = unit.history.changes[-1]
            word = "since" if last.blocked else "blocked until"
            dated[day_of(last.at), word].append((unit.label, last.hours))
    said = []
    for (day, word), found in sorted(dated.items()):
        within = f" (within {max(hours for _, hours in found):.0f} h)" if day else ""
        said.append(f"{word}{day and ' ' + day} at {_listed(label for label, _ in found)}{within}")
    return "; ".join(said) or None


def _same_text(units: Sequence[ComparedVantage]) -> str:
    """`reachable at all 4 vantages`."""
    outcomes = sorted({unit.point.outcome for unit in units if unit.point is not None})
    where = f"at all {len(units)} vantages" if len(units) > 2 else f"at {_listed(unit.label for unit in units)}"
    return f"{' and '.join(outcomes)} {where}"


def _note_text(units: Sequence[ComparedVantage]) -> str | None:
    """What was left out and why, and what makes the rest weak."""
    old = [f"{u.label} (last {day_of(u.track.last_at)})" for u in units if _is_old(u) and u.track.last_at]
    said = [
        ("no finding close enough in time", old),
        ("not everything required was measured", [u.label for u in units if u.partial]),
        ("nothing clear", [u.label for u in units if u.doubtful]),
        ("no working network", [u.label for u in units if u.track.last_at is None and u.track.offline_at]),
        ("cut off from abroad", [u.label for u in units if u.track.restricted_at]),
        (f"fewer than {FEW_DAYS} days, so the numbers are small", [u.label for u in units if 0 < _days(u) < FEW_DAYS]),
    ]
    return "; ".join(f"{what}: {_listed(names)}" for what, names in said if names) or None


def _is_old(unit: ComparedVantage) -> bool:
    return unit.point is None and not unit.partial and not unit.doubtful


def _days(unit: ComparedVantage) -> int:
    return sum(day.findings > 0 for day in unit.track.days.values())
