"""Who answers the pages that count over many vantages: the hub's own database, or a store that several hubs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from results.aggregate.questions import Aggregates
from results.aggregate.sqlite import SqliteAggregates
from results.hub.web import queries

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.aggregate.questions import Period
    from results.hub.web.queries import CellRow


class PageAnswers(Aggregates, Protocol):
    """The questions of results/aggregate/questions.py, and what the matrix shows beside them."""

    def cells(self, period: Period) -> list[CellRow]:
        """The matrix, with what the register said of each row."""

    def required(self, period: Period) -> set[tuple[str | None, str]]:
        """Services with those of their targets that are required; of the period at least."""

    def countries(self) -> list[str]:
        """Those that something was measured in."""


class OwnAnswers(SqliteAggregates):
    """The hub's own database."""

    def __init__(self, db: Database) -> None:
        super().__init__(db.conn)
        self._db = db

    def cells(self, period: Period) -> list[CellRow]:
        return queries.cells(self._db, period)

    def required(self, period: Period) -> set[tuple[str | None, str]]:
        return queries.required(self._db)

    def countries(self) -> list[str]:
        return queries.countries(self._db)
