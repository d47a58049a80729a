"""What kind of difference there is between the states of a row. Pure.

The coarsest place that explains it is named: a country where its vantages all say one thing and another country's say
another, else a network, else the machine. A path is held against the direct path of the same machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from probe.model import Vantage
from results.aggregate.changes import Changes
from results.compare import text
from results.compare.labels import network_of
from results.compare.observed import DIRECT
from results.compare.timeline import Point, Track

Difference = Literal["none", "machine", "network", "country", "everywhere", "path", "family", "time", "unknown"]
LENS: dict[str, Difference] = {
    "vantage": "machine",
    "network": "network",
    "country": "country",
    "path": "path",
    "day": "time",
}
"""What is laid side by side is told first, where it differs."""


class Unit(msgspec.Struct, frozen=True):
    """One vantage's side of a comparison; `point` is its state, None where that is missing, too old or incomplete."""

    track: Track
    label: str
    point: Point | None
    changes: Changes
    partial: bool = False
    """Whether it has a fresh state, but not of everything that is required."""
    doubtful: bool = False
    """Whether its fresh measurements say nothing clear."""

    @property
    def vantage(self) -> Vantage:
        return self.track.vantage


class Told(msgspec.Struct, frozen=True):
    """All kinds of difference, the first one first; the difference in words; what has to be said beside it."""

    kinds: tuple[Difference, ...]
    says: str
    note: str | None


def difference(units: Sequence[Unit], by: str) -> Told:
    """What differs between `units`, with what is laid side by side (`by`) told first."""
    decided = [unit for unit in units if unit.point is not None]
    base = [unit for unit in decided if unit.vantage.path == DIRECT] or decided
    found: list[tuple[Difference, str]] = []
    if base and _outcomes(base) == {"down"} and _outcomes(decided) == {"down"}:
        found.append(("everywhere", "everywhere: down"))
    elif len(_outcomes(base)) > 1:
        found.append(_place(base))
    if paths := _paths(base, [unit for unit in decided if unit not in base]):
        found.append(("path", paths))
    if families := text.families(base):
        found.append(("family", families))
    if times := text.times([unit for unit in units if unit.vantage.path == DIRECT] or units):
        found.append(("time", times))
    found.sort(key=lambda one: one[0] != LENS[by])
    if not found:
        found.append(_nothing(base, decided, by))
    elif base and len(_outcomes(base)) == 1 and "everywhere" not in dict(found):
        found.insert(0, (found[0][0], text.same(base)))
    kinds = tuple(dict.fromkeys(kind for kind, _ in found))
    return Told(kinds, "; ".join(says for _, says in found), text.note(units))


def _nothing(base: Sequence[Unit], decided: Sequence[Unit], by: str) -> tuple[Difference, str]:
    """No difference was found: because there is none, or because there was nothing to hold it against."""
    if len(decided) > 1 or (by == "day" and base and sum(day.findings > 0 for day in base[0].track.days.values()) > 1):
        return "none", f"no difference: {text.same(base)}"
    if decided:
        return "unknown", f"{text.same(base)}; nothing else to compare it with"
    return "unknown", "nothing to compare"


def _outcomes(units: Sequence[Unit]) -> set[str]:
    return {unit.point.outcome for unit in units if unit.point is not None}


def _place(base: Sequence[Unit]) -> tuple[Difference, str]:
    """The coarsest place that explains who sees what."""
    if _explains(base, lambda vantage: vantage.country):
        return "country", text.places(base, "country", lambda unit: str(unit.vantage.country))
    if _explains(base, _network):
        return "network", text.places(base, "network", lambda unit: network_of(unit.vantage))
    if all(_network(unit.vantage) for unit in base):
        return "machine", text.places(base, "machine", lambda unit: unit.label)
    return "unknown", text.places(base, "vantage", lambda unit: unit.label)


def _network(vantage: Vantage) -> str | None:
    known = vantage.asn is not None or vantage.network_name is not None
    return f"{vantage.country} {network_of(vantage)}" if known else None


def _explains(units: Sequence[Unit], place: Callable[[Vantage], str | None]) -> bool:
    """Whether all vantages' places are known, and each place's vantages all say one thing."""
    said: dict[str, set[str]] = {}
    for unit in units:
        where = place(unit.vantage)
        if where is None:
            return False
        said.setdefault(where, set()).update(_outcomes([unit]))
    return all(len(outcomes) == 1 for outcomes in said.values())


def _paths(base: Sequence[Unit], others: Sequence[Unit]) -> str | None:
    """What other paths do that the direct one of the same machine (without one, any direct one) does not."""
    opening: set[str] = set()
    closed: set[str] = set()
    for unit in others:
        own = [one for one in base if one.vantage.name == unit.vantage.name] or base
        if len(_outcomes(own)) != 1 or _outcomes(own) == _outcomes([unit]):
            continue
        (opening if _outcomes([unit]) == {"reachable"} else closed).add(unit.vantage.path)
    return text.paths(sorted(opening), sorted(closed - opening))
