"""Whatever holds the results, the same question has the same answer: ClickHouse in a process of its own."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import closing
from pathlib import Path

import pytest

from results.aggregate.questions import Period
from results.warehouse.engine import open_engine
from results.warehouse.load import stored_position
from tests.results.warehouse import random_records
from tests.results.warehouse.asked import count, fill, of_database, of_warehouse
from tests.results.warehouse.killing import loaded_in_spite_of_kills
from tests.results.warehouse.test_contract import CHANCES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("chdb") is None, reason="needs the extra chdb"),
]


def test_three_weeks_are_answered_as_by_the_database_itself(
    database: Path, periods: list[Period], tmp_path: Path
) -> None:
    url = f"chdb://{tmp_path}/w"

    fill(url, database)

    assert of_warehouse(url, periods) == of_database(database, periods)
    assert "chdb" not in sys.modules


@pytest.mark.parametrize("seed", range(3))
def test_findings_by_chance_are_answered_as_by_the_database_itself(seed: int, tmp_path: Path) -> None:
    url, made = f"chdb://{tmp_path}/w", random_records.make(tmp_path / "x.db", seed)

    fill(url, made)

    assert of_warehouse(url, CHANCES) == of_database(made, CHANCES)


def test_what_was_loaded_twice_is_read_once(database: Path, tmp_path: Path) -> None:
    """As it is when a load was killed after its rows and before its position were kept."""
    url = f"chdb://{tmp_path}/w"
    fill(url, database)
    before = count(url)
    with closing(open_engine(url)) as engine:
        engine.query("SELECT 1")
        key = engine.query("SELECT source FROM loads").to_pylist()[0]["source"]
        assert stored_position(engine, key).position == 2940
        engine.run("TRUNCATE TABLE loads")  # type: ignore[attr-defined]

    assert fill(url, database) == [2940]

    assert count(url) == before
    assert of_warehouse(url) == of_database(database)


def test_a_load_that_is_killed_again_and_again_ends_with_exact_counts(database: Path, tmp_path: Path) -> None:
    url, whole = f"chdb://{tmp_path}/killed", f"chdb://{tmp_path}/whole"
    fill(whole, database)

    loaded_in_spite_of_kills(url, database, seed=3, kills=3)

    assert count(url) == count(whole)
    assert of_warehouse(url) == of_database(database)


def test_a_warehouse_of_an_earlier_version_gets_the_columns_it_lacks(three_weeks: list[Path], tmp_path: Path) -> None:
    url = f"chdb://{tmp_path}/w"
    fill(url, three_weeks[0])
    with closing(open_engine(url)) as engine:
        engine.run("ALTER TABLE observations DROP COLUMN dns_answers")  # type: ignore[attr-defined]

    fill(url, three_weeks[1])

    assert count(url)["verdicts"] == 2 * 588
