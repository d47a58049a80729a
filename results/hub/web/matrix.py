"""The matrix of services and networks, by country."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set

import msgspec

from probe.text import bounded
from results.aggregate.questions import UNDETERMINED
from results.compare.record import DIRECT
from results.hub.web.labels import NetworkColumn, in_order, names_of, natural, network, title
from results.hub.web.queries import CellRow, LatestRow
from results.judge.verdict import deciding

MAX_COLUMNS = 6
"""Networks in one table."""
MAX_ROWS, MAX_NETWORKS, MAX_CELLS = 200, 60, 4000
RowKey = tuple[str | None, str]
"""A service, or None and a target that is in none."""


class NetworkState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a service or target on a network; `blocked` of `targets` are blocked."""

    outcome: str
    method: str | None
    trigger: str | None
    agreement: str
    is_split: bool
    """Its vantage points disagree."""
    blocked: int
    targets: int
    vantages: int


class RegisterListing(msgspec.Struct, frozen=True, kw_only=True):
    """The register entry of a row."""

    register: str | None
    listed: bool
    since: str | None


class MatrixLine(msgspec.Struct, frozen=True, kw_only=True):
    """A row, with a cell for each network of its table."""

    service: str | None
    target: str
    title: str
    listing: RegisterListing | None
    states: tuple[NetworkState | None, ...]


class MatrixTable(msgspec.Struct, frozen=True, kw_only=True):
    """Networks of a country, or other paths."""

    country: str | None
    by_path: bool
    networks: tuple[NetworkColumn, ...]
    vantages: tuple[int, ...]
    lines: tuple[MatrixLine, ...]


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """`outcomes` and `agreements` are those that occur."""

    parts: tuple[MatrixTable, ...]
    names: dict[int, str]
    outcomes: frozenset[str]
    agreements: frozenset[str]
    rows_left_out: int
    networks_left_out: int
    last_at: str | None


def matrix_of(rows: Sequence[CellRow], required: Set[tuple[str | None, str]]) -> Matrix:
    """Tables by country, networks by number, rows that are blocked somewhere first."""
    found: dict[RowKey, dict[NetworkColumn, list[CellRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        key = (row.service, "" if row.service is not None else row.target)
        found[key][network(row.country, row.asn, row.network_name, row.path)].append(row)
    vantages: dict[NetworkColumn, int] = {}
    for by_network in found.values():
        for column, in_column in by_network.items():
            vantages[column] = max(vantages.get(column, 0), sum(row.vantages for row in in_column))
    columns = sorted(vantages, key=lambda column: -vantages[column])[:MAX_NETWORKS]
    groups: dict[tuple[bool, str | None], list[NetworkColumn]] = defaultdict(list)
    for column in in_order(columns):
        by_path = column.path != DIRECT
        groups[by_path, None if by_path else column.country].append(column)
    cells = {
        key: {column: state_of(in_column, required) for column, in_column in by_network.items()}
        for key, by_network in found.items()
    }
    order = sorted(
        cells,
        key=lambda key: (
            all(cell.outcome != "blocked" for cell in cells[key].values()),
            key[0] is None,
            natural(title(*key).casefold()),
        ),
    )
    keys = order[: min(MAX_ROWS, MAX_CELLS // max(1, len(columns)))]
    tables = []
    for by_path, country in sorted(groups, key=lambda group: (group[0], group[1] is None, group[1] or "")):
        listings = {key: None if by_path else _listing_in(country, found[key]) for key in keys}
        for side_by_side in _split_evenly(groups[by_path, country]):
            states = {key: tuple(cells[key].get(column) for column in side_by_side) for key in keys}
            vantages_of = [
                max(of_row[column].vantages for of_row in cells.values() if column in of_row) for column in side_by_side
            ]
            tables.append(
                MatrixTable(
                    country=country,
                    by_path=by_path,
                    networks=tuple(side_by_side),
                    vantages=tuple(vantages_of),
                    lines=tuple(
                        MatrixLine(
                            service=key[0], target=key[1], title=title(*key), listing=listings[key], states=of_row
                        )
                        for key, of_row in states.items()
                        if any(of_row)
                    ),
                )
            )
    shown = [cell for key in keys for cell in cells[key].values()]
    return Matrix(
        parts=tuple(tables),
        names=names_of((row.asn, row.network_name) for row in rows if row.path == DIRECT),
        outcomes=frozenset(cell.outcome for cell in shown),
        agreements=frozenset(cell.agreement for cell in shown),
        rows_left_out=len(order) - len(keys),
        networks_left_out=max(0, len(vantages) - MAX_NETWORKS),
        last_at=max((row.last_at for row in rows), default=None),
    )


def state_of(rows: Iterable[CellRow], required: Set[tuple[str | None, str]]) -> NetworkState:
    """The state of the target that decides for a service; of a target, what most vantage points found."""
    by_target: dict[str, list[CellRow]] = defaultdict(list)
    for row in rows:
        by_target[row.target].append(row)
    states = {target: max(of_target, key=_weight) for target, of_target in by_target.items()}
    is_required = {target: (row.service, target) in required for target, row in states.items()}
    decides = deciding((target, is_required[target], row.outcome) for target, row in sorted(states.items()))
    row = states[decides or ""]
    conclusive = [[one for one in of_target if one.outcome not in UNDETERMINED] for of_target in by_target.values()]
    counted = [target for target in states if is_required[target]] or list(states)
    return NetworkState(
        outcome=row.outcome,
        method=row.method,
        trigger=row.trigger,
        agreement=row.agreement,
        is_split=any(len({one.outcome for one in of_target}) > 1 for of_target in conclusive),
        blocked=sum(states[target].outcome == "blocked" for target in counted),
        targets=len(counted),
        vantages=max(sum(one.vantages for one in of_target) for of_target in by_target.values()),
    )


def register_listing(rows: Iterable[CellRow | LatestRow]) -> RegisterListing | None:
    """What the latest findings know of the register: listed where one of the targets is."""
    known = [row for row in rows if row.listed is not None]
    if not known:
        return None
    listed = [row for row in known if row.listed]
    first = min(listed or known, key=lambda row: row.listed_at or "~")
    return RegisterListing(
        register=bounded(first.register, 60) if first.register else None,
        listed=bool(listed),
        since=first.listed_at if listed else None,
    )


def _listing_in(country: str | None, found: dict[NetworkColumn, list[CellRow]]) -> RegisterListing | None:
    return register_listing(row for column, rows in found.items() if column.country == country for row in rows)


def _split_evenly(columns: Sequence[NetworkColumn]) -> Iterable[Sequence[NetworkColumn]]:
    """Parts of about one size, of at most MAX_COLUMNS."""
    parts = -(-len(columns) // MAX_COLUMNS)
    size = -(-len(columns) // parts)
    return (columns[start : start + size] for start in range(0, len(columns), size))


def _weight(row: CellRow) -> tuple[bool, int, str, str]:
    return row.outcome not in UNDETERMINED, row.vantages, row.last_at, row.outcome
