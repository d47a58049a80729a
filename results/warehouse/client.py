"""Asks a warehouse the questions of results/aggregate/questions.py; what an engine gives becomes their rows here."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import ibis
import msgspec
import sqlglot
from sqlglot import exp

from probe.timestamps import rfc3339
from results.aggregate import questions
from results.aggregate.questions import (
    AgreementRow,
    Block,
    BlockRow,
    ChangeRow,
    DelayRow,
    MatrixRow,
    MethodRow,
    Network,
    Period,
    ordered,
)
from results.warehouse import queries

if TYPE_CHECKING:
    from results.warehouse.engine import Engine

Row = TypeVar("Row", bound=msgspec.Struct)
VERSIONS = 'SELECT max("version") AS newest FROM "verdicts"'


class WarehouseAnswers:
    """Asks one open warehouse."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def matrix(self, period: Period) -> list[MatrixRow]:
        return self._ask(MatrixRow, queries.matrix, period)

    def agreement_over_time(self, period: Period) -> list[AgreementRow]:
        return self._ask(AgreementRow, queries.agreement_over_time, period)

    def enforcement_delay(self, period: Period) -> list[DelayRow]:
        blocks: dict[tuple[str, Network, str], list[tuple[int, Block]]] = defaultdict(list)
        for row in self._rows(queries.enforcement_delay, period):
            network = (row["country"], row["asn"], row["network_name"])
            block = Block(row["opened_at"], row["first_at"], row["last_at"])
            blocks[row["target"], network, row["listed_at"]].append((row["block"], block))
        return ordered(
            questions.delay(*key, [block for _, block in sorted(those, key=lambda one: one[0])])
            for key, those in blocks.items()
        )

    def unlisted_blocks(self, period: Period) -> list[BlockRow]:
        return self._ask(BlockRow, queries.unlisted_blocks, period)

    def collateral(self, period: Period) -> list[BlockRow]:
        return self._ask(BlockRow, queries.collateral, period)

    def methods_by_network(self, period: Period) -> list[MethodRow]:
        return self._ask(MethodRow, queries.methods_by_network, period)

    def changes(self, period: Period) -> list[ChangeRow]:
        return self._ask(ChangeRow, queries.changes, period)

    def _ask(self, kind: type[Row], query: Any, period: Period) -> list[Row]:
        return ordered(kind(**row) for row in self._rows(query, period))

    def _rows(self, query: Any, period: Period | None) -> list[dict[str, Any]]:
        newest = self._engine.ask(VERSIONS).to_pylist()[0]["newest"] or 0
        found = self._engine.ask(sql(query(newest, period), self._engine.dialect)).to_pylist()
        return [{name: _plain(value) for name, value in row.items()} for row in found]


def sql(expression: Any, dialect: str) -> str:
    """The expression in an engine's SQL, counting exactly, which Ibis does not where ClickHouse can do it roughly."""
    tree = sqlglot.parse_one(str(ibis.to_sql(expression, dialect=dialect)), read=dialect)
    made: str = tree.transform(_exactly).sql(dialect=dialect)
    return made


def _exactly(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.ApproxDistinct):
        return exp.Count(this=exp.Distinct(expressions=[node.this]))
    return node


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value.replace(tzinfo=UTC))
    return value.isoformat() if isinstance(value, date) else value
