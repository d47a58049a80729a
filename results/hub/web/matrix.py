"""Services and networks: what each cell says, of many vantages and targets. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set

import msgspec

from results.aggregate.questions import UNDETERMINED
from results.compare.record import DIRECT, bounded
from results.hub.web.labels import Network, in_order, names_of, natural, network, title
from results.hub.web.queries import CellRow, LatestRow
from results.judge.service import deciding

ACROSS = 6
"""Networks side by side in one table."""
MOST_ROWS, MOST_NETWORKS, MOST_CELLS = 200, 60, 4000
Key = tuple[str | None, str]
"""A service, or None and a target that is in none."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a row is on a network."""

    outcome: str
    method: str | None
    trigger: str | None
    agreement: str
    is_split: bool
    """Whether its vantages did not all find the same."""
    blocked: int
    """Of so many targets."""
    targets: int
    vantages: int
    last_at: str


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What the register of the country said of a row: None where nothing is known."""

    register: str | None
    listed: bool | None
    since: str | None
    targets: int
    """So many of its targets are listed."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    service: str | None
    target: str
    title: str
    listing: Listing | None
    states: tuple[State | None, ...]
    """One for each network."""

    @property
    def is_blocked(self) -> bool:
        return any(state is not None and state.outcome == "blocked" for state in self.states)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A table: the networks of a country, or other paths, as many as go side by side."""

    country: str | None
    by_path: bool
    networks: tuple[Network, ...]
    vantages: tuple[int, ...]
    lines: tuple[Line, ...]


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    parts: tuple[Part, ...]
    names: dict[int, str]
    outcomes: frozenset[str]
    """Those that are shown."""
    agreements: frozenset[str]
    rows_left_out: int
    networks_left_out: int
    last_at: str | None


def matrix(rows: Sequence[CellRow], required: Set[tuple[str | None, str]]) -> Matrix:
    """Everything in order: by country, networks by number, what is blocked somewhere first."""
    cells: dict[Key, dict[Network, list[CellRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        key = (row.service, "" if row.service is not None else row.target)
        cells[key][network(row.country, row.asn, row.network_name, row.path)].append(row)
    networks: dict[Network, int] = {}
    for found in cells.values():
        for one, those in found.items():
            networks[one] = max(networks.get(one, 0), sum(row.vantages for row in those))
    shown_networks = sorted(networks, key=lambda one: -networks[one])[:MOST_NETWORKS]
    groups: dict[tuple[bool, str | None], list[Network]] = defaultdict(list)
    for one in in_order(shown_networks):
        by_path = one.path != DIRECT
        groups[by_path, None if by_path else one.country].append(one)
    states = {key: {one: state(those, required) for one, those in found.items()} for key, found in cells.items()}
    order = sorted(states, key=lambda key: (not _is_blocked(states[key].values()), key[0] is None, _name(key)))
    shown = order[: min(MOST_ROWS, MOST_CELLS // max(1, len(shown_networks)))]
    parts = tuple(
        _part(group, side_by_side, shown, cells, states)
        for group in sorted(groups, key=lambda group: (group[0], group[1] is None, group[1] or ""))
        for side_by_side in _parted(groups[group])
    )
    seen = [found for key in shown for found in states[key].values()]
    return Matrix(
        parts=parts,
        names=names_of((row.asn, row.network_name) for row in rows if row.path == DIRECT),
        outcomes=frozenset(one.outcome for one in seen),
        agreements=frozenset(one.agreement for one in seen),
        rows_left_out=len(order) - len(shown),
        networks_left_out=max(0, len(networks) - MOST_NETWORKS),
        last_at=max((row.last_at for row in rows), default=None),
    )


def state(rows: Iterable[CellRow], required: Set[tuple[str | None, str]]) -> State:
    """Of a service the state of the target that decides; of a target what most of its vantages found."""
    by_target: dict[str, list[CellRow]] = defaultdict(list)
    for row in rows:
        by_target[row.target].append(row)
    said = {target: max(those, key=_weight) for target, those in by_target.items()}
    flags = {target: (row.service, target) in required for target, row in said.items()}
    decides = deciding((target, flags[target], row.outcome) for target, row in sorted(said.items()))
    row = said[decides or ""]
    telling = [[one for one in those if one.outcome not in UNDETERMINED] for those in by_target.values()]
    counted = [target for target in said if flags[target]] or list(said)
    return State(
        outcome=row.outcome,
        method=row.method,
        trigger=row.trigger,
        agreement=row.agreement,
        is_split=any(len({one.outcome for one in those}) > 1 for those in telling),
        blocked=sum(said[target].outcome == "blocked" for target in counted),
        targets=len(counted),
        vantages=max(sum(one.vantages for one in those) for those in by_target.values()),
        last_at=max(one.last_at for those in by_target.values() for one in those),
    )


def listing(rows: Iterable[CellRow | LatestRow]) -> Listing | None:
    """What the newest findings know of the register: listed where one of the targets is."""
    known = [row for row in rows if row.listed is not None]
    if not known:
        return None
    listed = [row for row in known if row.listed]
    first = min(listed or known, key=lambda row: row.listed_at or "~")
    return Listing(
        register=bounded(first.register, 60) if first.register else None,
        listed=bool(listed),
        since=first.listed_at if listed else None,
        targets=len({row.target for row in listed}),
    )


def _part(
    group: tuple[bool, str | None],
    networks: Sequence[Network],
    keys: Iterable[Key],
    cells: dict[Key, dict[Network, list[CellRow]]],
    states: dict[Key, dict[Network, State]],
) -> Part:
    by_path, country = group
    lines = []
    for key in keys:
        found = tuple(states[key].get(one) for one in networks)
        if any(found):
            those = [row for one, rows in cells[key].items() if one.country == country for row in rows]
            lines.append(
                Line(
                    service=key[0],
                    target=key[1],
                    title=title(*key),
                    listing=None if by_path else listing(those),
                    states=found,
                )
            )
    vantages = tuple(max(found[one].vantages for found in states.values() if one in found) for one in networks)
    return Part(country=country, by_path=by_path, networks=tuple(networks), vantages=vantages, lines=tuple(lines))


def _parted(networks: Sequence[Network]) -> Iterable[Sequence[Network]]:
    """In parts of about one size, none wider than ACROSS."""
    parts = -(-len(networks) // ACROSS)
    most = -(-len(networks) // parts)
    return (networks[begin : begin + most] for begin in range(0, len(networks), most))


def _weight(row: CellRow) -> tuple[bool, int, str, str]:
    return row.outcome not in UNDETERMINED, row.vantages, row.last_at, row.outcome


def _is_blocked(states: Iterable[State]) -> bool:
    return any(state.outcome == "blocked" for state in states)


def _name(key: Key) -> list[tuple[int, str]]:
    return natural(title(*key).casefold())
