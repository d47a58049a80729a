"""How alike networks block: the same method for the same service shows the same hardware, or the same order. Pure.

Each pair of networks is compared over the rows that both have a fresh finding of. Two findings agree where both are
reachable, or both are blocked by the same method. Since most rows are open everywhere, agreement by itself says little:
Cohen's kappa takes off what chance would give (J. Cohen, Educ. Psychol. Meas. 20, 1960). Its interval is Wilson's of
the agreement, with chance taken as known: the usual one by its large-sample error has no width where all agree. The
order puts like beside like (average linkage, R. R. Sokal and C. D. Michener, Univ. Kansas Sci. Bull. 38, 1958).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import msgspec

from results.compare.compare import Compared
from results.compare.shares import wilson

FEW_ROWS = 10
"""Over so few rows in common a likeness is called small."""
MOST = 300
"""Networks that are put in order: the time for it grows with the cube of their number."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two networks. Shares are None where nothing is in common, kappa also where chance alone explains all of it."""

    a: str
    b: str
    rows: int
    """In common."""
    agreement: float | None = None
    interval: tuple[float, float] | None = None
    kappa: float | None = None
    kappa_interval: tuple[float, float] | None = None
    both_blocked: int = 0
    same_method: int = 0
    """Of these, by the same method."""

    @property
    def is_small(self) -> bool:
        return self.rows < FEW_ROWS

    @property
    def distance(self) -> float:
        """0 for alike, 1 for no likeness beyond chance, and where nothing is known."""
        if self.kappa is not None:
            return 1 - max(0.0, self.kappa)
        return 1.0 if self.agreement is None else 1 - self.agreement

    def plain(self) -> dict[str, Any]:
        """The line of `compare --alike --json`."""
        shown: dict[str, Any] = msgspec.to_builtins(self)
        for key in ("agreement", "kappa"):
            shown[key] = None if shown[key] is None else round(shown[key], 4)
        for key in ("interval", "kappa_interval"):
            shown[key] = None if shown[key] is None else [round(end, 4) for end in shown[key]]
        return shown


class Merge(msgspec.Struct, frozen=True):
    """Two groups that become one, at their average distance."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    distance: float


class Alike(msgspec.Struct, frozen=True):
    """All pairs, the order that puts like beside like, and the tree that it comes from."""

    order: tuple[str, ...]
    pairs: tuple[Pair, ...]
    """In that order."""
    merges: tuple[Merge, ...]

    def pair(self, a: str, b: str) -> Pair | None:
        """Of two networks, whichever is named first."""
        return next((pair for pair in self.pairs if {pair.a, pair.b} == {a, b}), None)


def alike(rows: Iterable[Compared]) -> Alike:
    """The likeness of the columns of a comparison (by network, or by vantage). ValueError for more than MOST."""
    said: dict[str, dict[str, str]] = {}
    for row in rows:
        for cell in row.cells:
            found = said.setdefault(cell.by, {})
            if cell.outcome == "reachable" or (cell.outcome == "blocked" and cell.method is not None):
                found[row.row] = cell.method or cell.outcome
    if len(said) > MOST:
        raise ValueError(f"{len(said)} networks; at most {MOST} are put in order")
    pairs = {(a, b): _pair(a, b, said[a], said[b]) for a, b in combinations(said, 2)}
    order, merges = _ordered(list(said), pairs)
    place = {name: number for number, name in enumerate(order)}
    ordered = sorted(pairs.values(), key=lambda pair: sorted((place[pair.a], place[pair.b])))
    return Alike(order, tuple(_turned(pair, place) for pair in ordered), merges)


def _turned(pair: Pair, place: Mapping[str, int]) -> Pair:
    if place[pair.a] < place[pair.b]:
        return pair
    return msgspec.structs.replace(pair, a=pair.b, b=pair.a)


def _pair(a: str, b: str, left: Mapping[str, str], right: Mapping[str, str]) -> Pair:
    common = sorted(left.keys() & right.keys())
    if not common:
        return Pair(a=a, b=b, rows=0)
    both = [(left[row], right[row]) for row in common]
    same = sum(one == other for one, other in both)
    low, high = wilson(same, len(both))
    chance = by_chance(both)
    beyond = [(share - chance) / (1 - chance) for share in (same / len(both), low, high)] if chance < 1 else None
    blocked = [(one, other) for one, other in both if "reachable" not in (one, other)]
    return Pair(
        a=a,
        b=b,
        rows=len(both),
        agreement=same / len(both),
        interval=(low, high),
        kappa=beyond[0] if beyond else None,
        kappa_interval=(max(-1.0, beyond[1]), min(1.0, beyond[2])) if beyond else None,
        both_blocked=len(blocked),
        same_method=sum(one == other for one, other in blocked),
    )


def by_chance(both: Sequence[tuple[str, str]]) -> float:
    """How often two networks with these shares of methods would agree if neither knew of the other."""
    first, second = Counter(one for one, _ in both), Counter(other for _, other in both)
    return sum(first[name] * second[name] for name in first) / len(both) ** 2


def _ordered(names: Sequence[str], pairs: Mapping[tuple[str, str], Pair]) -> tuple[tuple[str, ...], tuple[Merge, ...]]:
    """Average linkage: the two nearest groups become one, until one is left; equals by their names."""
    apart = {frozenset(pair): found.distance for pair, found in pairs.items()}
    groups: list[tuple[str, ...]] = [(name,) for name in sorted(names)]
    merges: list[Merge] = []
    between = {(g, h): apart[frozenset(g + h)] for g, h in combinations(groups, 2)}
    while len(groups) > 1:
        (left, right), distance = min(between.items(), key=lambda one: (one[1], one[0]))
        merged = _facing(left, right, apart)
        merges.append(Merge(left, right, distance))
        groups = [group for group in groups if group not in (left, right)]
        for group in groups:
            one, other = _between(between, left, group), _between(between, right, group)
            mean = (one * len(left) + other * len(right)) / (len(left) + len(right))
            between[min(group, merged), max(group, merged)] = mean
        between = {pair: d for pair, d in between.items() if left not in pair and right not in pair}
        groups.append(merged)
    return (groups[0] if groups else ()), tuple(merges)


def _between(between: Mapping[tuple[tuple[str, ...], tuple[str, ...]], float], g: tuple[str, ...], h: Any) -> float:
    return between[(g, h) if (g, h) in between else (h, g)]


def _facing(left: tuple[str, ...], right: tuple[str, ...], apart: Mapping[frozenset[str], float]) -> tuple[str, ...]:
    """Both groups in a row, each turned so that the nearest ends meet."""
    turns = [(g, h) for g in (left, left[::-1]) for h in (right, right[::-1])]
    g, h = min(turns, key=lambda turn: (apart[frozenset((turn[0][-1], turn[1][0]))], turn))
    return g + h
