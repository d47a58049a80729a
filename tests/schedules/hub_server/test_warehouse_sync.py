"""A hub that stores to a warehouse as well: a process beside it loads what it has, again and again."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from results.db.store import Store
from results.export import exchange
from results.warehouse.load import make_judge
from schedules.hub_server.warehouse_sync import URL_VARIABLE, main, sync_warehouse
from tests.results.warehouse.asked import count, of_database, of_warehouse


def receive(database: Path, others: list[Path]) -> None:
    """What comes to a hub: measurements of several vantages, as lines."""
    with closing(Store.open(database)) as store:
        for path in others:
            with closing(Store.open(path)) as other:
                ids = exchange.ids(other.db)[:40]
                lines = [(path, n, exchange.line(other.db, one, exchange.write_line)) for n, one in enumerate(ids)]
            assert list(exchange.import_lines(store, lines, exchange.read_line, make_judge()))


def test_each_run_loads_what_is_new(three_weeks: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, url = tmp_path / "hub.db", f"duckdb://{tmp_path}/w.duckdb"
    monkeypatch.setenv(URL_VARIABLE, url)

    for received in (three_weeks[:1], three_weeks[1:3]):
        receive(hub, received)
        assert main(str(hub)) == 0
        assert of_warehouse(url) == of_database(hub)
    before = count(url)
    assert main(str(hub)) == 0
    assert count(url) == before


def test_two_hubs_with_equal_database_names_share_a_warehouse(
    three_weeks: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two machines behind a load balancer do, each with its own database at the same place."""
    place, url = tmp_path / "hub.db", f"duckdb://{tmp_path}/w.duckdb"
    monkeypatch.setenv(URL_VARIABLE, url)
    receive(place, three_weeks[:1])
    main(str(place))
    place.rename(tmp_path / "first.db")
    receive(place, three_weeks[1:2])

    main(str(place))

    receive(tmp_path / "first.db", three_weeks[1:2])
    assert of_warehouse(url) == of_database(tmp_path / "first.db")


def test_an_unusable_warehouse_is_an_error(
    three_weeks: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(URL_VARIABLE, "clickhouse://me:secret@127.0.0.1:9/d")

    assert main(str(three_weeks[0])) == 2

    said = capsys.readouterr().err
    assert "clickhouse://me@127.0.0.1:9/d" in said
    assert "secret" not in said


async def test_the_loader_runs_until_the_hub_ends(three_weeks: list[Path], tmp_path: Path) -> None:
    hub, file = tmp_path / "hub.db", tmp_path / "w.duckdb"
    shutil.copy(three_weeks[0], hub)

    beside = asyncio.create_task(sync_warehouse(hub, f"duckdb://{file}", every_s=0.01))
    async with asyncio.timeout(60):
        while not file.exists():  # noqa: ASYNC110 another process makes it
            await asyncio.sleep(0.05)
    beside.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beside

    assert main_after(hub, file) == of_database(hub)


def main_after(hub: Path, file: Path) -> object:
    from tests.results.warehouse.asked import fill

    fill(f"duckdb://{file}", hub)
    return of_warehouse(f"duckdb://{file}")
