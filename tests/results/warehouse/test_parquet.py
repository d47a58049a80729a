"""Parquet in folders by country and date: what goes out comes back, whatever it is called."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from itertools import cycle
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from results.warehouse import parquet
from results.warehouse.engine import open_engine
from results.warehouse.errors import WarehouseError
from results.warehouse.parquet import open_path
from tests.results.warehouse import random_records
from tests.results.warehouse.asked import count, fill, of_database, of_warehouse


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return random_records.make(tmp_path / "x.db", 9, 150)


def write(url: str, to: str) -> int:
    with closing(open_engine(url)) as engine:
        found = parquet.list_partitions(engine)
        return sum(parquet.write_partition(engine, open_path(to), country, day) for country, day in found)


@pytest.mark.slow
@pytest.mark.parametrize("to", ["{}/archive", "file://{}/archive", "memory://archive{}"])
def test_what_was_archived_is_loaded_elsewhere_with_the_same_answers(made: Path, tmp_path: Path, to: str) -> None:
    first, second = f"duckdb://{tmp_path}/a.duckdb", f"duckdb://{tmp_path}/b.duckdb"
    fill(first, made)
    to = to.format(tmp_path)

    write(first, to)
    fill(second, to)

    assert of_warehouse(second) == of_database(made)
    assert count(second) == count(first)


def test_a_partition_lies_by_country_and_date(made: Path, tmp_path: Path) -> None:
    url = f"duckdb://{tmp_path}/a.duckdb"
    fill(url, made)

    write(url, f"{tmp_path}/archive")

    folders = {str(file.parent.relative_to(tmp_path / "archive")) for file in (tmp_path / "archive").rglob("*.parquet")}
    assert "country=RU/date=2026-11-04" in folders
    assert any(folder.startswith(f"country={parquet.UNKNOWN_COUNTRY}/") for folder in folders)
    (file,) = (tmp_path / "archive/country=RU/date=2026-11-04").glob("verdicts-*.parquet")
    assert set(pq.read_table(file)["country"].to_pylist()) == {"RU"}
    assert set(pq.read_table(file)["day"].to_pylist()) == {date(2026, 11, 4)}


@pytest.mark.slow
def test_archiving_again_changes_nothing(made: Path, tmp_path: Path) -> None:
    url = f"duckdb://{tmp_path}/a.duckdb"
    fill(url, made)
    write(url, f"{tmp_path}/archive")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "archive").rglob("*") if file.is_file()}

    write(url, f"{tmp_path}/archive")

    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "archive").rglob("*") if file.is_file()} == before


HOSTILE = [["../../up", "..", "", "/etc", "a/b=c"], ["%2e%2e", "\x00", "ру", "x" * 200]]


@pytest.mark.slow
@pytest.mark.parametrize("countries", HOSTILE)
def test_hostile_countries_lead_nowhere_else(made: Path, tmp_path: Path, countries: list[str]) -> None:
    with closing(sqlite3.connect(made)) as connection, connection:
        vantages = [row[0] for row in connection.execute("SELECT id FROM vantages ORDER BY id")]
        assert len(vantages) >= len(countries)
        for vantage, country in zip(vantages, cycle(countries), strict=False):
            connection.execute("UPDATE vantages SET country = ? WHERE id = ?", [country, vantage])
    first, second = f"duckdb://{tmp_path}/a.duckdb", f"duckdb://{tmp_path}/b.duckdb"
    fill(first, made)

    write(first, f"{tmp_path}/deep/deeper/archive")

    outside = [file for file in tmp_path.rglob("*.parquet") if "archive" not in str(file.relative_to(tmp_path))]
    assert outside == []
    folders = list((tmp_path / "deep/deeper/archive").iterdir())
    assert all(folder.name.startswith("country=") for folder in folders)
    fill(second, f"{tmp_path}/deep/deeper/archive")
    assert count(second) == count(first)
    assert of_warehouse(second) == of_warehouse(first)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("verdicts-0123456789abcdef.parquet", b"PAR1 and no more", "verdicts-0123456789abcdef.parquet"),
        ("other.parquet", b"", "not a file name of the archive"),
    ],
)
def test_a_file_that_is_no_parquet_of_ours_is_named(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(WarehouseError, match=said):
        fill(f"duckdb://{tmp_path}/w.duckdb", tmp_path / name)
