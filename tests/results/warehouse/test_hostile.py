"""Sources and addresses that mean ill, or are wrong: what is bad is left out and said, and the way out is named."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from results.db.store import Store
from results.export import exchange
from results.warehouse.engine import open_engine
from results.warehouse.errors import WarehouseError, redacted_url
from results.warehouse.load import find_sources, load_source, make_judge
from tests.results.warehouse import random_records
from tests.results.warehouse.asked import NOW, count, fill, of_warehouse


def left_out(url: str, source: Path) -> list[str]:
    with closing(open_engine(url)) as engine:
        (one,) = find_sources(str(source), make_judge())
        return [step.why for step in load_source(engine, one, lambda: NOW) if step.why is not None]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE measurements SET started_at = 'yesterday' WHERE number = 5", "yesterday"),
        ("UPDATE measurements SET started_at = '9999-12-31T00:00:00Z' WHERE number = 5", "9999"),
    ],
)
def test_a_row_that_no_program_of_ours_wrote_is_left_out_alone(tmp_path: Path, change: str, said: str) -> None:
    url, made = f"duckdb://{tmp_path}/w.duckdb", random_records.make(tmp_path / "x.db", 1, 50)
    with closing(sqlite3.connect(made)) as connection, connection:
        whole = connection.execute("SELECT count(*) FROM measurements").fetchone()[0]
        connection.execute(change)

    why = left_out(url, made)

    assert len(why) == 1
    assert said in why[0]
    assert count(url)["verdicts"] == whole - 1
    assert of_warehouse(url)[0]["matrix"]


def test_what_is_no_json_in_a_database_stops_nothing(tmp_path: Path) -> None:
    url, made = f"duckdb://{tmp_path}/w.duckdb", random_records.make(tmp_path / "x.db", 1, 50)
    with closing(sqlite3.connect(made)) as connection, connection:
        whole = connection.execute("SELECT count(*) FROM measurements").fetchone()[0]
        steps = connection.execute("SELECT count(*) FROM observations").fetchone()[0]
        connection.execute("UPDATE verdicts SET expectation = '{\"listed\":' WHERE measurement = 5")
        broken = connection.execute("UPDATE observations SET tls_chain = '[1' WHERE tls_chain IS NOT NULL").rowcount

    left_out(url, made)

    assert (count(url)["verdicts"], count(url)["observations"]) == (whole, steps - broken)


def test_lines_that_are_no_records_are_left_out_alone(three_weeks: list[Path], tmp_path: Path) -> None:
    store = Store.open(three_weeks[0])
    own = [exchange.line(store.db, one, exchange.write_line) for one in exchange.ids(store.db)[:3]]
    store.close()
    bad = [b"{}", b"\xff\xfe", b"[" * 100_000, b'{"record": {"version": 1}}', b'{"test_name": "telegram"}', b'"text"']
    (tmp_path / "x.jsonl").write_bytes(b"\n".join([own[0], *bad, *own[1:]]))
    url = f"duckdb://{tmp_path}/w.duckdb"

    assert len(left_out(url, tmp_path / "x.jsonl")) == 1

    assert count(url)["verdicts"] >= 3


def test_a_record_is_judged_by_our_rules_whatever_it_says_itself(three_weeks: list[Path], tmp_path: Path) -> None:
    store = Store.open(three_weeks[0])
    (reachable,) = [
        exchange.line(store.db, one, exchange.write_line)
        for one in exchange.ids(store.db)[:60]
        if store.finished(one).verdict.outcome == "reachable"
    ][:1]
    store.close()
    (tmp_path / "x.jsonl").write_bytes(reachable.replace(b'"outcome":"reachable"', b'"outcome":"down"'))
    url = f"duckdb://{tmp_path}/w.duckdb"

    fill(url, tmp_path / "x.jsonl")

    assert [row["outcome"] for row in of_warehouse(url)[0]["matrix"]] == ["reachable"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "duckdb:///FOLDER/FILE.duckdb"),
        ("postgres://x/y", "not a warehouse: postgres://x/y; give duckdb:///"),
        ("/var/lib/w.duckdb", "not a warehouse: /var/lib/w.duckdb; give duckdb:///"),
        ("duckdb://w.duckdb", "write three slashes before the path"),
        ("duckdb:///", "write three slashes before the path"),
        ("chdb://relative", "write three slashes before the path"),
        ("duckdb:///proc/nowhere/w.duckdb", "/proc/nowhere"),
        ("clickhouse:///database", "give clickhouse://USER@HOST:PORT/DATABASE"),
        ("clickhouse://h/d?unknown=1", "give clickhouse://USER@HOST:PORT/DATABASE"),
    ],
)
def test_a_wrong_url_is_named_with_the_way_out(url: str, said: str) -> None:
    with pytest.raises(WarehouseError) as raised:
        open_engine(url)

    assert said in str(raised.value)


def test_a_cluster_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(WarehouseError) as raised:
        open_engine("clickhouse://me:secret@127.0.0.1:9/d")

    assert "clickhouse://me@127.0.0.1:9/d" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_url_is_shown_without_its_password() -> None:
    assert redacted_url("clickhouse://me:sec@ret@host:1/d\n") == "clickhouse://me@host:1/d\ufffd"


def test_a_warehouse_that_is_not_there_is_asked_nothing(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="warehouse load"):
        open_engine(f"duckdb://{tmp_path}/w.duckdb", must_exist=True)


def test_a_file_that_is_no_warehouse_is_named(tmp_path: Path) -> None:
    (tmp_path / "w.duckdb").write_bytes(b"x" * 10_000)

    with pytest.raises(WarehouseError, match=r"w\.duckdb"):
        open_engine(f"duckdb://{tmp_path}/w.duckdb")


def test_a_warehouse_that_another_process_has_open_is_waited_for(tmp_path: Path) -> None:
    program = f"import duckdb; c = duckdb.connect({str(tmp_path / 'w.duckdb')!r}); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()

        with pytest.raises(WarehouseError, match="open in another process; wait until that ends"):
            open_engine(f"duckdb://{tmp_path}/w.duckdb")


@pytest.mark.parametrize("place", ["/nowhere/x.jsonl", "nowhere.db", "s3://bucket/x", "what://x/y"])
def test_a_source_that_cannot_be_read_is_named(place: str) -> None:
    with pytest.raises(WarehouseError) as raised:
        list(find_sources(place, make_judge()))

    assert place.partition(":")[0] in str(raised.value)


def test_a_folder_without_results_says_what_would_be_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")

    with pytest.raises(WarehouseError, match=r"no files of results in it \(\.db"):
        list(find_sources(str(tmp_path), make_judge()))
