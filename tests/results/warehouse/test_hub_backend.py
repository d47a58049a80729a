"""Hubs that share a ClickHouse, and whose pages ask it: each shows what any of them received."""

from __future__ import annotations

import asyncio
import importlib.util
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from results.aggregate.questions import Period, ordered
from results.hub.database import QueryTimeout, WarehouseUnavailable
from results.hub.web.queries import OwnAnswers
from results.warehouse.engine import Engine, open_engine
from results.warehouse.errors import WarehouseError, WarehouseTimeout
from results.warehouse.queries import RETRY_AFTER_S, WarehousePageAnswers, pages_engine
from schedules import cli
from tests.results.hub.hub_process import RunningHub, record, statuses
from tests.results.warehouse import random_records
from tests.results.warehouse.asked import fill
from tests.results.warehouse.clickhouse_process import RunningClickhouse
from tests.results.warehouse.test_contract import CHANCES

SHARED = '[hub]\nstore = "{}"\npages = "store"\n'


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[RunningClickhouse]:
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("needs the extra chdb")
    running = RunningClickhouse(tmp_path / "clickhouse")
    yield running
    running.stop()


@pytest.mark.slow
def test_the_store_tells_the_pages_what_the_database_itself_would(
    clickhouse: RunningClickhouse, database: Path, periods: list[Period], tmp_path: Path
) -> None:
    by_chance = random_records.make(tmp_path / "x.db", seed=1)
    for name, filled, asked in (("weeks", database, periods[:1]), ("chance", by_chance, CHANCES)):
        url = clickhouse.url(name)
        fill(url, filled)
        with closing(pages_engine(url)) as engine, closing(sqlite3.connect(filled)) as connection:
            store, own = WarehousePageAnswers(engine), OwnAnswers(connection)

            for period in asked:
                assert ordered(store.cells(period)) == ordered(own.cells(period))
            assert store.cells(Period())
            assert store.required(Period()) == own.required(Period())
            assert store.countries() == own.countries()


@pytest.mark.slow
async def test_what_one_hub_received_is_on_the_pages_of_the_other(
    clickhouse: RunningClickhouse, tmp_path: Path
) -> None:
    url, (one, other) = clickhouse.url("shared"), (tmp_path / "one", tmp_path / "other")
    for folder in (one, other):
        folder.mkdir()
    receiving, showing = RunningHub(one), RunningHub(other, SHARED.format(url))
    try:
        receiving.start("--store", url)
        token = await receiving.enrol("home-fibre")
        status, said = await receiving.send(token, [record("2kq7mmmmmmmmmmmm")])
        assert (status, statuses(said)) == (200, ["stored"])
        receiving.stop()
        receiving.start("--store", url)  # its loader looks at once, and then once a minute
        await asyncio.to_thread(wait_for_one, url)
        showing.start()

        status, _, page = await showing.get("/?since=")
        assert status == 200
        assert "www.example.com" in page
        assert "AS12389" in page
        assert "not those of other hubs" not in page
        _, _, table = await showing.get("/matrix.csv?since=")
        assert "https://www.example.com/" in table

        status, _, page = await showing.get("/vantages")
        assert (status, "home-fibre" in page) == (200, False)
        assert "not those of other hubs" in page

        clickhouse.kill()
        status, _, page = await showing.get("/?since=2026-11-01")
        assert (status, "Data store unavailable" in page) == (503, True)
        assert (await showing.get("/vantages"))[0] == 200
    finally:
        receiving.kill()
        showing.kill()
    clickhouse.start()


def wait_for_one(url: str) -> None:
    """Until the loader has brought a measurement."""
    with closing(open_engine(url)) as engine:
        for _ in range(600):
            if engine.query("SELECT id FROM verdicts").num_rows == 1:
                return
            engine.query("SELECT sleep(0.1)")
    raise AssertionError("nothing loaded")


class Failing:
    """A warehouse that fails so, and counts how often it was asked."""

    dialect, asked = "clickhouse", 0

    def __init__(self, error: WarehouseError) -> None:
        self.error = error

    def query(self, sql: str) -> Any:
        self.asked += 1
        raise self.error


def test_a_store_that_is_away_is_not_asked_again_at_once() -> None:
    now, failing = [1000.0], Failing(WarehouseError("away"))
    store = WarehousePageAnswers(cast(Engine, failing), lambda: now[0])

    for at, asked in ((0, 1), (RETRY_AFTER_S - 1, 1), (RETRY_AFTER_S + 1, 2)):
        now[0] = 1000.0 + at
        with pytest.raises(WarehouseUnavailable):
            store.matrix(Period())
        assert failing.asked == asked


def test_a_question_that_takes_the_store_too_long_is_too_slow() -> None:
    failing = Failing(WarehouseTimeout("159"))
    store = WarehousePageAnswers(cast(Engine, failing))

    for asked in (1, 2):
        with pytest.raises(QueryTimeout):
            store.cells(Period())
        assert failing.asked == asked


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ('store = "duckdb:///{}/w.duckdb"\npages = "store"', "duckdb allows only one process at a time"),
        ('store = "chdb:///{}/w"\npages = "store"', "chdb allows only one process at a time"),
        ('pages = "store"', "there is no [hub] store"),
    ],
)
def test_a_store_that_pages_and_loader_cannot_share_is_refused_at_the_start(
    config: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hub.toml"
    file.write_text("[hub]\n" + config.format(tmp_path))

    code = cli.call(["--config", str(file), "--db", str(tmp_path / "hub.db"), "hub", "--listen", "127.0.0.1:0"])

    said = capsys.readouterr().err
    assert code == 2
    assert why in said
    assert 'clickhouse://USER@HOST:PORT/DATABASE, or set pages = "own"' in said
    assert not (tmp_path / "w.duckdb").exists()
