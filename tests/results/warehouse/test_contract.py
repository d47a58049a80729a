"""Whatever holds the results, the same question has the same answer: DuckDB, and the ways into it."""

from __future__ import annotations

import gzip
from contextlib import closing
from pathlib import Path

import pytest

from results import ooni
from results.aggregate.questions import Period
from results.db.store import Store
from results.export import exchange
from results.warehouse.engine import open_engine
from tests.results.warehouse import random_records
from tests.results.warehouse.asked import QUESTIONS, count, fill, of_database, of_warehouse

CHANCES = [
    Period(),
    Period(since="2026-11-04T00:00:00.000Z", until="2026-11-09T00:00:00.000Z"),
    Period(since="2026-11-03T06:00:00.001Z", until="2026-11-03T18:00:00.001Z"),
]


def test_three_weeks_are_answered_as_by_the_database_itself(
    database: Path, periods: list[Period], tmp_path: Path
) -> None:
    url = f"duckdb://{tmp_path}/w.duckdb"

    fill(url, database)

    found, expected = of_warehouse(url, periods), of_database(database, periods)
    assert found == expected
    assert [name for name in QUESTIONS if found[0][name]] == [name for name in QUESTIONS if name != "collateral"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_findings_by_chance_are_answered_as_by_the_database_itself(seed: int, tmp_path: Path) -> None:
    url, made = f"duckdb://{tmp_path}/w.duckdb", random_records.make(tmp_path / "x.db", seed)

    fill(url, made)

    found = of_warehouse(url, CHANCES)
    assert found == of_database(made, CHANCES)
    assert all(found[0].values())


def test_what_was_loaded_is_not_read_again(database: Path, tmp_path: Path) -> None:
    url = f"duckdb://{tmp_path}/w.duckdb"
    assert fill(url, database) == [2940]
    before = count(url)

    assert fill(url, database) == [0]

    assert count(url) == before
    assert before["verdicts"] == 2940


@pytest.mark.slow
def test_five_databases_are_what_the_one_of_all_is(three_weeks: list[Path], database: Path, tmp_path: Path) -> None:
    apart, together = f"duckdb://{tmp_path}/a.duckdb", f"duckdb://{tmp_path}/t.duckdb"

    fill(apart, *three_weeks)
    fill(together, database)

    assert of_warehouse(apart) == of_warehouse(together)
    assert count(apart) == count(together)


@pytest.fixture(scope="module")
def exported(three_weeks: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One vantage's three weeks as lines of our own, and as OONI's archive would hold them."""
    folder = tmp_path_factory.mktemp("exported")
    archived = folder / "raw/20170521/18/RU/webconnectivity"
    archived.mkdir(parents=True)
    store = Store.open(three_weeks[0])
    (folder / "own.jsonl").write_bytes(b"\n".join(exchange.export(store, exchange.write_line)))
    with gzip.open(archived / "2017052118_RU_webconnectivity.n0.0.jsonl.gz", "wb", compresslevel=1) as out:
        out.write(b"\n".join(exchange.export(store, ooni.write_line)))
    other = folder / "raw/20170521/18/RU/telegram"
    other.mkdir()
    (other / "2017052118_RU_telegram.n0.0.jsonl.gz").write_bytes(b"not even gzip")
    store.close()
    return folder


@pytest.mark.parametrize("form", ["own.jsonl", "raw", "raw/20170521/18/RU/webconnectivity"])
def test_files_of_records_give_what_the_database_gives(
    three_weeks: list[Path], exported: Path, form: str, tmp_path: Path
) -> None:
    url = f"duckdb://{tmp_path}/w.duckdb"

    fill(url, exported / form)

    assert of_warehouse(url) == of_database(three_weeks[0])


def test_a_file_of_records_that_grew_is_read_on(exported: Path, three_weeks: list[Path], tmp_path: Path) -> None:
    url, growing = f"duckdb://{tmp_path}/w.duckdb", tmp_path / "growing.jsonl"
    lines = (exported / "own.jsonl").read_bytes().splitlines(keepends=True)
    growing.write_bytes(b"".join(lines[:200]))
    first = fill(url, growing)
    growing.write_bytes(b"".join(lines))

    second = fill(url, growing)

    assert first[0] > 0
    assert sum(first + second) == 588
    assert of_warehouse(url) == of_database(three_weeks[0])
    growing.write_bytes(b"\n".join(line.strip() for line in reversed(lines)))
    assert fill(url, growing) == [588]
    assert count(url)["verdicts"] == 588


def test_a_warehouse_of_an_earlier_version_gets_the_columns_it_lacks(three_weeks: list[Path], tmp_path: Path) -> None:
    older, newer = f"duckdb://{tmp_path}/older.duckdb", f"duckdb://{tmp_path}/newer.duckdb"
    for url in (older, newer):
        fill(url, three_weeks[0])
    with closing(open_engine(older)) as engine:
        engine.query("ALTER TABLE observations DROP COLUMN dns_answers")
        engine.query("ALTER TABLE verdicts DROP COLUMN evidence")

    for url in (older, newer):
        fill(url, three_weeks[1])

    assert count(older) == count(newer)
    assert of_warehouse(older) == of_warehouse(newer)


def test_the_file_and_what_stands_beside_it_are_for_their_owner_alone(tmp_path: Path) -> None:
    fill(f"duckdb://{tmp_path}/w.duckdb", random_records.make(tmp_path / "x.db", 1, 5))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("w.duckdb*")}
    assert modes == {"w.duckdb": 0o600}
