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
from results.i18n.translator import Translator

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
PLACES = {"country": "in_country", "network": "on_network"}


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


def difference(sides: Sequence[ComparedVantage], by: str, words: Translator) -> RowDifference:
    """What differs between `sides`, in these `words`; the kind that fits the columns (`by`) comes first."""
    decided = [side for side in sides if side.state is not None]
    base = [side for side in decided if side.vantage.path == DIRECT] or decided
    found: list[tuple[Difference, str]] = []
    if base and _outcomes(base) == {"down"} and _outcomes(decided) == {"down"}:
        found.append(("everywhere", words.say("compare.everywhere_down")))
    elif len(_outcomes(base)) > 1:
        found.append(_place_difference(base, words))
    found += _path_difference(base, [side for side in decided if side not in base], words)
    found += _family_difference(base, words)
    found += _time_difference([side for side in sides if side.vantage.path == DIRECT] or sides, words)
    found.sort(key=lambda one: one[0] != FIRST_KIND[by])
    if not found:
        found.append(_no_difference(base, decided, by, words))
    elif base and len(_outcomes(base)) == 1 and "everywhere" not in dict(found):
        found.insert(0, (found[0][0], _same_text(base, words)))
    kinds = tuple(dict.fromkeys(kind for kind, _ in found))
    return RowDifference(kinds, "; ".join(says for _, says in found), _note_text(sides, words))


def _no_difference(
    base: Sequence[ComparedVantage], decided: Sequence[ComparedVantage], by: str, words: Translator
) -> tuple[Difference, str]:
    """`none`, or `unknown` where there was nothing to compare with."""
    if len(decided) > 1 or (by == "day" and base and sum(day.findings > 0 for day in base[0].track.days.values()) > 1):
        return "none", words.say("compare.none", same=_same_text(base, words))
    if decided:
        return "unknown", words.say("compare.alone", same=_same_text(base, words))
    return "unknown", words.say("compare.nothing")


def _outcomes(sides: Sequence[ComparedVantage]) -> set[str]:
    return {side.state.outcome for side in sides if side.state is not None}


def _place_difference(base: Sequence[ComparedVantage], words: Translator) -> tuple[Difference, str]:
    """The coarsest place whose vantages agree: a country, else a network, else a machine."""
    if _explains(base, lambda vantage: vantage.country):
        return "country", _places_text(base, "country", lambda side: str(side.vantage.country), words)
    if _explains(base, _network):
        return "network", _places_text(base, "network", lambda side: network_of(side.vantage), words)
    if all(_network(side.vantage) for side in base):
        return "machine", _places_text(base, "machine", lambda side: side.label, words)
    return "unknown", _places_text(base, "vantage", lambda side: side.label, words)


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


def _listed(names: Iterable[str], words: Translator) -> str:
    """`a, b and 3 more`."""
    every = list(dict.fromkeys(names))
    shown, left = ", ".join(every[:MAX_NAMES]), len(every) - MAX_NAMES
    return words.say("compare.more", names=shown, count=left) if left > 0 else shown


def _places_text(
    sides: Sequence[ComparedVantage], level: str, label: Callable[[ComparedVantage], str], words: Translator
) -> str:
    """`this network only: blocked on AS1; reachable on AS2, AS3`."""
    by_outcome: dict[str, set[str]] = defaultdict(set)
    for side in sides:
        if side.state is not None:
            by_outcome[side.state.outcome].add(label(side))
    odd = [names for outcome, names in by_outcome.items() if outcome != "reachable"]
    parts = [
        words.say(
            f"compare.{PLACES.get(level, 'at')}",
            outcomes=words.term("outcome", outcome),
            names=_listed(sorted(by_outcome[outcome]), words),
        )
        for outcome in sorted(by_outcome, key=lambda outcome: (outcome == "reachable", outcome))
    ]
    which = "only" if len(odd) == 1 and len(odd[0]) == 1 else "some"
    return words.say(f"compare.{level}_{which}", parts="; ".join(parts))


def _path_difference(
    base: Sequence[ComparedVantage], others: Sequence[ComparedVantage], words: Translator
) -> list[tuple[Difference, str]]:
    """Where other paths differ from the direct path of the same machine, else from any direct path."""
    opening: set[str] = set()
    closed: set[str] = set()
    for side in others:
        own = [one for one in base if one.vantage.name == side.vantage.name] or base
        if len(_outcomes(own)) != 1 or _outcomes(own) == _outcomes([side]):
            continue
        (opening if _outcomes([side]) == {"reachable"} else closed).add(side.vantage.path)
    parts = (("opens", sorted(opening)), ("closed", sorted(closed - opening)))
    return [("path", words.say(f"compare.{key}", names=_listed(names, words))) for key, names in parts if names]


def _family_difference(sides: Sequence[ComparedVantage], words: Translator) -> list[tuple[Difference, str]]:
    """`IPv6 only: IPv4 does not work at home`."""
    names: dict[str, list[str]] = defaultdict(list)
    for side in sides:
        if side.state is not None and side.state.failing is not None:
            names[side.state.failing].append(side.label)
    found: list[tuple[Difference, str]] = []
    for failing, labels in sorted(names.items()):
        works, fails = FAMILIES[failing]
        says = words.say("compare.family_only", works=works, fails=fails, names=_listed(labels, words))
        found.append(("family", says))
    return found


def _time_difference(sides: Sequence[ComparedVantage], words: Translator) -> list[tuple[Difference, str]]:
    """`since 2017-05-06 at home, office (within 6 h)`; blocks that ended; what flaps."""
    dated: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for side in sides:
        if side.history.flapping:
            dated["", "flapping"].append((side.label, 0.0))
        elif side.history.changes:
            last = side.history.changes[-1]
            dated[day_of(last.at), "since" if last.blocked else "until"].append((side.label, last.hours))
    found: list[tuple[Difference, str]] = []
    for (day, key), places in sorted(dated.items()):
        hours = f"{max(hours for _, hours in places):.0f}"
        names = _listed((label for label, _ in places), words)
        found.append(("time", words.say(f"compare.{key}", day=day, hours=hours, names=names)))
    return found


def _same_text(sides: Sequence[ComparedVantage], words: Translator) -> str:
    """`reachable at all 4 vantage points`."""
    outcomes = [words.term("outcome", outcome) for outcome in sorted(_outcomes(sides))]
    shown = (
        words.say("compare.and", first=outcomes[0], second=outcomes[1]) if len(outcomes) == 2 else ", ".join(outcomes)
    )
    if len(sides) > 2:
        return words.say("compare.at_all", outcomes=shown, count=len(sides))
    return words.say("compare.at", outcomes=shown, names=_listed((side.label for side in sides), words))


def _note_text(sides: Sequence[ComparedVantage], words: Translator) -> str | None:
    """What was left out and why, and what weakens the rest."""
    old = [
        words.say("compare.last", name=side.label, day=day_of(side.track.last_at))
        for side in sides
        if _is_old(side) and side.track.last_at
    ]
    parts = {
        "old": old,
        "partial": [side.label for side in sides if side.partial],
        "doubtful": [side.label for side in sides if side.doubtful],
        "offline": [side.label for side in sides if side.track.last_at is None and side.track.offline_at],
        "restricted": [side.label for side in sides if side.track.restricted_at],
        "few_days": [side.label for side in sides if 0 < _days(side) < FEW_DAYS],
    }
    said = (
        words.say(f"compare.{key}", names=_listed(names, words), days=FEW_DAYS) for key, names in parts.items() if names
    )
    return "; ".join(said) or None


def _is_old(side: ComparedVantage) -> bool:
    return side.state is None and not side.partial and not side.doubtful


def _days(side: ComparedVantage) -> int:
    return sum(day.findings > 0 for day in side.track.days.values())
