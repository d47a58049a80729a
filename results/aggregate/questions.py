"""The questions about many vantages' results and the rows of their answers, the same from SQLite and the warehouses.

- A finding is a counted measurement (`COUNTED` in results/sql.py) with its verdict. A repeat replaces the measurement
  that it repeats also where it lies outside the period.
- A finding is in the period by its `started_at`. Times are compared as text; of equal times the greater `id` is later.
- Rows are grouped by service, target text, country, ASN and network name, None equal to None, and by path where a row
  has one. Whether a target is required makes no difference.
- `vantages` counts different names, `targets` different target texts.
- Agreement and expectation are those stored with the verdict.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from probe.timestamps import epoch
from results.aggregate.enforcement import SURE, Block, blocking_delay, day_window
from results.sql import statements

UNDETERMINED = ("offline", "inconclusive")
"""Outcomes that do not tell the state of a target."""
OPEN_END = "\uffff"
"""After every time."""
Row = TypeVar("Row", bound=msgspec.Struct)


def _listed(words: Iterable[str]) -> str:
    """Our own words as an SQL list."""
    return "({})".format(", ".join(f"'{word}'" for word in words))


SQL = statements(__file__, UNDETERMINED=_listed(UNDETERMINED), SURE=_listed(SURE))

Network = tuple[str | None, int | None, str | None]
"""Country, ASN, name."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """From `since` until before `until` (UTC, RFC 3339); None is open."""

    since: str | None = None
    until: str | None = None


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many vantages of a network last found a target so; `last_at` is their latest finding.

    Of each vantage on this network by this path the last finding counts that is not UNDETERMINED, else the last one.
    """

    service: str | None
    target: str
    country: str | None
    asn: int | None
    network_name: str | None
    path: str
    outcome: str
    method: str | None
    agreement: str
    vantages: int
    last_at: str


class AgreementRow(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of a UTC day in a country with one agreement with its register."""

    day: str
    country: str | None
    agreement: str
    findings: int
    targets: int
    vantages: int


class DelayRow(msgspec.Struct, frozen=True, kw_only=True):
    """The hours between listing and blocking of a target on a network, as `enforcement.blocking_delay` defines them.

    `listed_at` is the least, as text, of `listed_at`, else `since`, in the expectations of the period's findings in the
    country that list the target. Findings by the path `direct` count that are `reachable`, or `blocked` and SURE. There
    is no row without a listing or without such a finding.
    """

    target: str
    country: str | None
    asn: int | None
    network_name: str | None
    listed_at: str
    last_open: str | None
    first_blocked: str | None
    at_least_h: float | None
    at_most_h: float | None


class BlockRow(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of a target as `unlisted-block` or as `collateral` on a network, with their first and last time."""

    service: str | None
    target: str
    country: str | None
    asn: int | None
    network_name: str | None
    method: str | None
    trigger: str | None
    agreement: str
    vantages: int
    findings: int
    first_at: str
    last_at: str


class MethodRow(msgspec.Struct, frozen=True, kw_only=True):
    """The targets that a network blocks by a method, and the findings of that."""

    country: str | None
    asn: int | None
    network_name: str | None
    method: str
    targets: int
    findings: int


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """Two successive findings of a vantage and path on one target, one `blocked` and one `reachable`.

    Findings of other outcomes in between are ignored. The later one is in the period and has `id`; `method` is that of
    the one that is `blocked`.
    """

    service: str | None
    target: str
    vantage: str
    country: str | None
    asn: int | None
    network_name: str | None
    path: str
    was: str
    now: str
    method: str | None
    last_was_at: str
    first_now_at: str
    id: str


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Rows in the order of their fields, None first."""
    return sorted(rows, key=_by_fields)


def _by_fields(row: msgspec.Struct) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is not None, value) for value in msgspec.structs.astuple(row))


def delay(target: str, network: Network, listed_at: str, blocks: Sequence[Block]) -> DelayRow:
    """A network's row for one target from its findings in order, cut before each `reachable`."""
    is_day = len(listed_at) <= len("2017-05-04")
    first, last = day_window(listed_at) if is_day else (epoch(listed_at), epoch(listed_at))
    found = blocking_delay(blocks, first, last)
    return DelayRow(
        target=target,
        country=network[0],
        asn=network[1],
        network_name=network[2],
        listed_at=listed_at,
        last_open=found.last_open,
        first_blocked=found.first_blocked,
        at_least_h=found.at_least_h,
        at_most_h=found.at_most_h,
    )


class Aggregates:
    """A store of results that answers the questions, with rows in the order of their fields, None first.

    `_rows` is the store's part: the rows of a question by column, where `enforcement_delay` has the Blocks of each
    target and network with `block`, their order.
    """

    def matrix(self, period: Period) -> list[MatrixRow]:
        return self._ask(MatrixRow, "matrix", period)

    def agreement_over_time(self, period: Period) -> list[AgreementRow]:
        return self._ask(AgreementRow, "agreement_over_time", period)

    def enforcement_delay(self, period: Period) -> list[DelayRow]:
        blocks: dict[tuple[str, Network, str], list[Block]] = defaultdict(list)
        for row in sorted(self._rows("enforcement_delay", period), key=lambda row: row["block"]):
            network = row["country"], row["asn"], row["network_name"]
            block = Block(row["opened_at"], row["first_at"], row["last_at"])
            blocks[row["target"], network, row["listed_at"]].append(block)
        return ordered(delay(*key, found) for key, found in blocks.items())

    def unlisted_blocks(self, period: Period) -> list[BlockRow]:
        return self._ask(BlockRow, "unlisted_blocks", period)

    def collateral(self, period: Period) -> list[BlockRow]:
        return self._ask(BlockRow, "collateral", period)

    def methods_by_network(self, period: Period) -> list[MethodRow]:
        return self._ask(MethodRow, "methods_by_network", period)

    def changes(self, period: Period) -> list[ChangeRow]:
        return self._ask(ChangeRow, "changes", period)

    def _ask(self, kind: type[Row], question: str, period: Period) -> list[Row]:
        return ordered(kind(**row) for row in self._rows(question, period))

    def _rows(self, question: str, period: Period) -> Iterable[dict[str, Any]]:
        raise NotImplementedError


class SqliteAggregates(Aggregates):
    """Answers from one database. The connection may be read only and stays open."""

    sql = SQL
    """A query for each question."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _rows(self, question: str, period: Period) -> Iterator[dict[str, Any]]:
        found = self._connection.execute(self.sql[question.upper()], period_parameters(period))
        names = [column[0] for column in found.description]
        once: dict[Any, Any] = {}  # the same text is kept once, however many rows have it: a tenth of the memory
        for row in found:
            yield {name: once.setdefault(value, value) for name, value in zip(names, row, strict=True)}


def period_parameters(period: Period) -> dict[str, Any]:
    """The parameters `since` and `until` of a query."""
    return {"since": period.since or "", "until": period.until or OPEN_END}
