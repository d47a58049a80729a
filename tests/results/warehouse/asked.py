"""One warehouse asked everything, beside the database that it was loaded from."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from results.aggregate.questions import Aggregates, Period, SqliteAggregates
from results.warehouse.engine import open_engine
from results.warehouse.load import find_sources, load_source, make_judge
from results.warehouse.queries import WarehouseAnswers

QUESTIONS = (
    "matrix",
    "agreement_over_time",
    "enforcement_delay",
    "unlisted_blocks",
    "collateral",
    "methods_by_network",
    "changes",
)
WHOLE = Period()
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def fill(url: str, *places: Path | str) -> list[int]:
    """Load these, each as far as it was not yet; how many measurements came of each."""
    with closing(open_engine(url)) as engine:
        return [
            sum(step.measurements for step in load_source(engine, source, lambda: NOW))
            for place in places
            for source in find_sources(str(place), make_judge())
        ]


def of_warehouse(url: str, periods: Sequence[Period] = (WHOLE,)) -> list[dict[str, Any]]:
    with closing(open_engine(url, must_exist=True)) as engine:
        return _all(WarehouseAnswers(engine), periods)


def of_database(path: Path, periods: Sequence[Period] = (WHOLE,)) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        return _all(SqliteAggregates(connection), periods)


def _all(answers: Aggregates, periods: Sequence[Period]) -> list[dict[str, Any]]:
    return [{name: msgspec.to_builtins(getattr(answers, name)(period)) for name in QUESTIONS} for period in periods]


def count(url: str) -> dict[str, int]:
    """How many rows each table has, every row once."""
    with closing(open_engine(url, must_exist=True)) as engine:
        names = ("verdicts", "observations", "blobs")
        return {name: engine.query(f"SELECT count(*) AS n FROM {name}").to_pylist()[0]["n"] for name in names}
