"""A load that is killed at any moment and begun again: nothing is missing, nothing counts twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.db.store import Store
from results.export import exchange
from tests.results.warehouse.asked import count, fill, of_database, of_warehouse
from tests.results.warehouse.killing import loaded_in_spite_of_kills

pytestmark = pytest.mark.slow


def test_a_database_into_duckdb(database: Path, tmp_path: Path) -> None:
    url, whole = f"duckdb://{tmp_path}/killed.duckdb", f"duckdb://{tmp_path}/whole.duckdb"
    fill(whole, database)

    loaded_in_spite_of_kills(url, database, seed=1, kills=4)

    assert count(url) == count(whole)
    assert of_warehouse(url) == of_database(database)


def test_a_file_of_records_into_duckdb(three_weeks: list[Path], tmp_path: Path) -> None:
    url, whole, lines = f"duckdb://{tmp_path}/killed.duckdb", f"duckdb://{tmp_path}/whole.duckdb", tmp_path / "x.jsonl"
    store = Store.open(three_weeks[0])
    lines.write_bytes(b"\n".join(exchange.export(store, exchange.write_line)))
    store.close()
    fill(whole, lines)

    loaded_in_spite_of_kills(url, lines, seed=2, kills=3)

    assert count(url) == count(whole)
