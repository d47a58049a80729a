"""A warehouse that answers a hub's pages, for as long as a reader waits and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from results.hub.read_pool import QueryTimeout, WarehouseUnavailable
from results.hub.web.context import QUERY_TIMEOUT_S
from results.hub.web.queries import CellRow
from results.warehouse import queries
from results.warehouse.clickhouse_engine import ClickhouseEngine
from results.warehouse.client import WarehouseAnswers
from results.warehouse.engine import TooLong, WarehouseError

if TYPE_CHECKING:
    from results.aggregate.questions import Period
    from results.warehouse.engine import Engine

CONNECT_S = 2
AWAY_S = 15.0
"""How long a store that was away is not asked again: who asks it holds a thread that others wait for."""


def pages_engine(url: str) -> ClickhouseEngine:
    """The warehouse of a clickhouse:// URL, which the reading threads share; to be closed by who asked for it."""
    return ClickhouseEngine(url, longest_s=int(QUERY_TIMEOUT_S), connect_s=CONNECT_S)


class StoreAnswers(WarehouseAnswers):
    """Raises QueryTimeout as who reads the hub's own database does, and WarehouseUnavailable."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(engine)
        self._clock, self._away_until = clock, 0.0

    def cells(self, period: Period) -> list[CellRow]:
        return self._ask(CellRow, queries.cells, period)

    def required(self, period: Period) -> set[tuple[str | None, str]]:
        return {(row["service"], row["target"]) for row in self._rows(queries.required, period)}

    def countries(self) -> list[str]:
        return sorted(row["country"] for row in self._rows(queries.countries, None))

    def _rows(self, query: Any, period: Period | None) -> list[dict[str, Any]]:
        if self._clock() < self._away_until:
            raise WarehouseUnavailable
        try:
            return super()._rows(query, period)
        except TooLong as error:
            raise QueryTimeout from error
        except WarehouseError as error:
            self._away_until = self._clock() + AWAY_S
            raise WarehouseUnavailable(str(error)) from error
