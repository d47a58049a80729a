"""Whatever holds the results, the same question has the same answer: DuckDB."""

from __future__ import annotations

from pathlib import Path

from results.questions import Period
from tests.warehouse.asked import QUESTIONS, count, fill, of_database, of_warehouse


def test_three_weeks_are_answered_as_by_the_database_itself(
    database: Path, periods: list[Period], tmp_path: Path
) -> None:
    url = f"duckdb://{tmp_path}/w.duckdb"

    fill(url, database)

    found, expected = of_warehouse(url, periods), of_database(database, periods)
    assert found == expected
    assert [name for name in QUESTIONS if found[0][name]] == [name for name in QUESTIONS if name != "collateral"]


def test_what_was_loaded_is_not_read_again(database: Path, tmp_path: Path) -> None:
    url = f"duckdb://{tmp_path}/w.duckdb"
    assert fill(url, database) == [2940]
    before = count(url)

    assert fill(url, database) == [0]

    assert count(url) == before
    assert before["verdicts"] == 2940


def test_five_databases_are_what_the_one_of_all_is(three_weeks: list[Path], database: Path, tmp_path: Path) -> None:
    apart, together = f"duckdb://{tmp_path}/a.duckdb", f"duckdb://{tmp_path}/t.duckdb"

    fill(apart, *three_weeks)
    fill(together, database)

    assert of_warehouse(apart) == of_warehouse(together)
    assert count(apart) == count(together)
