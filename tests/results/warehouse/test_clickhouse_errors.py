"""A ClickHouse that is away, another thing, or lets nobody in: what a person is told, and what comes of a load."""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from results.warehouse.engine import open_engine
from results.warehouse.errors import WarehouseError, WarehouseTimeout, clickhouse_message
from tests.results.warehouse.asked import count, fill
from tests.results.warehouse.clickhouse_process import RunningClickhouse
from tests.results.warehouse.killing import loading


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningClickhouse]:
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("needs the extra chdb")
    running = RunningClickhouse(tmp_path_factory.mktemp("clickhouse"))
    yield running
    running.stop()


def refused(url: str, *, must_exist: bool = False) -> str:
    with pytest.raises(WarehouseError) as caught:
        open_engine(url, must_exist=must_exist)
    told = str(caught.value)
    assert "secret" not in told
    assert len(told) < 300
    return told


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """A web server that is no ClickHouse."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_nobody_answers() -> None:
    told = refused("clickhouse://me:secret@127.0.0.1:9/results")

    assert told.startswith("clickhouse://me@127.0.0.1:9/results: cannot connect (Connection refused)")
    assert "HTTP port" in told


def test_what_the_client_logs_of_it_is_not_printed_beside() -> None:
    import results.warehouse.clickhouse_engine  # noqa: F401

    assert logging.getLogger("clickhouse_connect").handlers


@pytest.mark.parametrize(("status", "body"), [(200, b"hello\n"), (404, b"<h1>Not Found</h1>"), (200, b"")])
def test_another_server_answers(status: int, body: bytes) -> None:
    with answering(status, body) as port:
        told = refused(f"clickhouse://me:secret@127.0.0.1:{port}/results")

    assert "not a ClickHouse server" in told


@pytest.mark.parametrize("where", ["127.0.0.1:port/d", "127.0.0.1:0/d", ":8123/d", "[::1/d", "127.0.0.1:8123/d?tls=1"])
def test_a_url_that_makes_no_sense(where: str) -> None:
    assert "clickhouse://" in refused(f"clickhouse://me:secret@{where}")


@pytest.mark.slow
def test_a_wrong_password_and_an_unknown_user(clickhouse: RunningClickhouse) -> None:
    for user in ("reachprobe:secret", "nobody:secret", "reachprobe"):
        told = refused(clickhouse.url("results", user))

        assert "unknown user or wrong password" in told
        assert "port" not in told.partition("; ")[0].rpartition(": ")[2]


@pytest.mark.slow
def test_tls_to_a_port_without(clickhouse: RunningClickhouse) -> None:
    assert "TLS failed" in refused(clickhouse.url("results?secure=1"))


@pytest.mark.slow
def test_who_asks_a_database_that_is_not_there_makes_none(clickhouse: RunningClickhouse) -> None:
    told = refused(clickhouse.url("mistyped"), must_exist=True)

    assert "no warehouse yet; `reachprobe warehouse load` creates it" in told
    with closing(open_engine(clickhouse.url("other"))) as engine:
        names = engine.query("SELECT name FROM system.databases").to_pylist()
    assert "mistyped" not in {row["name"] for row in names}


@pytest.mark.slow
def test_who_may_only_read_asks_and_does_not_load(clickhouse: RunningClickhouse, three_weeks: list[Path]) -> None:
    fill(clickhouse.url("read"), three_weeks[2])
    reader = clickhouse.url("read", "reader:right")

    assert count(reader)["verdicts"] == 588
    with pytest.raises(WarehouseError, match="this user lacks a permission: reader: Not enough privileges"):
        fill(reader, three_weeks[1])
    assert "GRANT" in refused(clickhouse.url("new", "reader:right"))


@pytest.mark.slow
def test_a_question_that_takes_too_long_is_given_up(clickhouse: RunningClickhouse) -> None:
    from results.warehouse.clickhouse_engine import ClickhouseEngine

    with closing(ClickhouseEngine(clickhouse.url("slow"), timeout_s=1)) as engine, pytest.raises(WarehouseTimeout):
        engine.query("SELECT sleep(3)")


@pytest.mark.slow
def test_a_question_that_is_wrong_is_said_as_the_server_says_it(clickhouse: RunningClickhouse) -> None:
    with (
        closing(open_engine(clickhouse.url("wrong"))) as engine,
        pytest.raises(WarehouseError, match="Unknown expression identifier `blocked`"),
    ):
        engine.query("SELECT blocked FROM verdicts")


@pytest.mark.slow
def test_a_server_that_is_killed_during_a_load_and_comes_back(tmp_path: Path, three_weeks: list[Path]) -> None:
    running = RunningClickhouse(tmp_path / "clickhouse")
    url = running.url("results")
    with loading(url, three_weeks[0]) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        running.kill()
        _, last = process.communicate(timeout=60)
        assert process.returncode == 1
        assert b"WarehouseError: clickhouse://reachprobe@127.0.0.1" in last

    running.start()

    assert 0 < fill(url, three_weeks[0])[0] < 588
    assert count(url)["verdicts"] == 588
    running.stop()


def test_an_error_with_block_in_it_is_not_taken_for_a_lock() -> None:
    assert clickhouse_message(
        "Code: 10. DB::Exception: Not found column blocked in block. (NOT_FOUND_COLUMN_IN_BLOCK)"
    ).startswith("Not found column")
    assert "another process" in clickhouse_message(
        "Code: 76. DB::Exception: Cannot lock file /x/status. (CANNOT_OPEN_FILE)"
    )
