"""The contract over ClickHouse's HTTP interface: chDB behind a server on loopback, and by the same tests a ClickHouse
that is there already, where CLICKHOUSE_URL names one (docs/compose.yaml starts it).

Give it without a database, as clickhouse://reachprobe:PASSWORD@127.0.0.1:8123: each test makes one of its own.
"""

from __future__ import annotations

import importlib.util
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from results.aggregate.questions import Period
from results.db.store import Store
from results.export import exchange
from results.warehouse.engine import open_engine
from results.warehouse.load import stored_position
from tests.results.warehouse import random_records
from tests.results.warehouse.asked import count, fill, of_database, of_warehouse
from tests.results.warehouse.clickhouse_process import RunningClickhouse
from tests.results.warehouse.killing import loaded_in_spite_of_kills, loading
from tests.results.warehouse.test_contract import CHANCES

GIVEN = os.environ.get("CLICKHOUSE_URL", "").rstrip("/")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GIVEN and importlib.util.find_spec("chdb") is None, reason="needs the extra chdb"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if GIVEN:
        yield GIVEN
        return
    running = RunningClickhouse(tmp_path_factory.mktemp("clickhouse"))
    yield running.url("").rstrip("/")
    running.stop()


@pytest.fixture
def url(address: str) -> str:
    return f"{address}/contract_{uuid.uuid4().hex[:12]}"


def test_three_weeks_are_answered_as_by_the_database_itself(url: str, database: Path, periods: list[Period]) -> None:
    fill(url, database)

    assert of_warehouse(url, periods[:2]) == of_database(database, periods[:2])
    assert count(url)["verdicts"] == 2940
    assert fill(url, database) == [0]
    with closing(open_engine(url)) as engine:
        assert set(engine.stored_bytes()) == {"blobs", "loads", "observations", "verdicts"}


def test_findings_by_chance_are_answered_as_by_the_database_itself(url: str, tmp_path: Path) -> None:
    made = random_records.make(tmp_path / "x.db", seed=3)

    fill(url, made)

    assert of_warehouse(url, CHANCES) == of_database(made, CHANCES)


def test_a_file_of_records_gives_what_the_database_gives(url: str, three_weeks: list[Path], tmp_path: Path) -> None:
    lines = tmp_path / "own.jsonl"
    with closing(Store.open(three_weeks[0])) as store:
        lines.write_bytes(b"\n".join(exchange.export(store, exchange.write_line)))

    fill(url, lines)

    assert of_warehouse(url) == of_database(three_weeks[0])


def test_what_was_loaded_twice_is_read_once(url: str, three_weeks: list[Path]) -> None:
    """As it is when a load was killed after its rows and before its position were kept."""
    fill(url, three_weeks[0])
    before = count(url)
    with closing(open_engine(url)) as engine:
        key = engine.query("SELECT source FROM loads").to_pylist()[0]["source"]
        assert stored_position(engine, key).position == 588
        client: Any = engine
        client._client.command("TRUNCATE TABLE loads")

    assert fill(url, three_weeks[0]) == [588]

    with closing(open_engine(url)) as engine:
        (rows,) = engine.query("SELECT count(*) AS n FROM verdicts SETTINGS final = 0").to_pylist()
    assert rows["n"] == 2 * before["verdicts"] == 2 * 588
    assert count(url) == before


def test_threads_share_one_client(url: str) -> None:
    with closing(open_engine(url)) as engine, ThreadPoolExecutor(4) as threads:
        asked = threads.map(engine.query, [f"SELECT count(*) AS n, {n} AS which FROM verdicts" for n in range(12)])

        assert [row.to_pylist() for row in asked] == [[{"n": 0, "which": n}] for n in range(12)]


def test_a_load_that_is_killed_again_and_again_ends_with_exact_counts(url: str, three_weeks: list[Path]) -> None:
    whole = f"{url}_whole"
    fill(whole, three_weeks[1])

    loaded_in_spite_of_kills(url, three_weeks[1], seed=3, kills=2)

    assert count(url) == count(whole)


def test_two_load_into_one_warehouse_at_once(url: str, three_weeks: list[Path]) -> None:
    beside = [loading(url, one) for one in three_weeks[:2]]
    for process in beside:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said

    assert count(url)["verdicts"] == 2 * 588
    assert fill(url, *three_weeks[:2]) == [0, 0]


def test_measurements_of_more_months_than_a_block_may_have_are_loaded(url: str, tmp_path: Path) -> None:
    made = random_records.years(tmp_path / "years.db")

    assert fill(url, made) == [110]

    assert count(url)["verdicts"] == 110


def test_a_warehouse_of_an_earlier_version_gets_the_columns_it_lacks(url: str, three_weeks: list[Path]) -> None:
    fill(url, three_weeks[0])
    with closing(open_engine(url)) as engine:
        engine._client.command("ALTER TABLE observations DROP COLUMN dns_answers")  # type: ignore[attr-defined]

    fill(url, three_weeks[1])

    assert count(url)["verdicts"] == 2 * 588
