"""`results browse`: a real server on loopback, asked as a browser asks, and ended by Ctrl-C."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from results.db.store import Store
from schedules import datasette_server
from schedules import datasette_server as browsing_server
from tests.results.hub.test_attacks import peak_mb

SECRET = "the-token-of-this-vantage"
COMMAND = [sys.executable, "-c", "from schedules.cli import main; main()"]


@pytest.fixture(scope="module")
def database(three_weeks: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One machine's three weeks, and a hub that it sends to."""
    made = tmp_path_factory.mktemp("browse") / "at 100%? #1.db"
    made.write_bytes(three_weeks[0].read_bytes())
    store = Store.open(made)
    with store.writing():
        store.db.execute(
            "INSERT INTO hubs (url, name, token, token_at, since, queued) VALUES (?, 'a', ?, '', '', 0)",
            ["https://hub.example", SECRET],
        )
        store.db.execute("UPDATE rounds SET network_key = ?", [SECRET])
    store.close()
    return made


def environment(folder: Path) -> dict[str, str]:
    return {"STATE_DIRECTORY": str(folder), "HOME": str(folder)}


@pytest.fixture(scope="module")
def server(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    state = tmp_path_factory.mktemp("state")
    server = subprocess.Popen(
        [*COMMAND, "--db", str(database), "results", "browse"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(state),
    )  # fmt: skip
    assert server.stdout is not None
    assert server.stderr is not None
    line = server.stdout.readline()
    assert line.startswith("http://127.0.0.1:"), server.stderr.read()
    yield line.strip(), server.pid
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=30)
    assert (server.returncode, out) == (0, "")
    assert err == "open this address in a browser; Ctrl-C stops the server\n"


@pytest.fixture(scope="module")
def address(server: tuple[str, int]) -> str:
    return server[0]


@pytest.fixture(scope="module")
def server_pid(server: tuple[str, int]) -> int:
    return server[1]


def get(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(address)
    with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def rows(address: str, path: str) -> list[dict[str, Any]]:
    status, body = get(address, path)
    assert status == 200, body
    return list(json.loads(body)["rows"])


def sql(text: str) -> str:
    return f"/reachprobe.json?_shape=objects&sql={quote(text)}"


def test_a_browser_asks(address: str, database: Path) -> None:
    blocked = rows(address, "/reachprobe/blocked_now.json?_shape=objects")
    assert {(row["service"], row["method"], row["agreement"]) for row in blocked} == {
        ("wechat", "tls.reset", "enforced"), ("linkedin", "tls.reset", "enforced")
    }  # fmt: skip
    for name, query in datasette_server.shown()["queries"].items():
        asked = "&".join(f"{word}=a" for word in ("target", "id", "name") if f":{word}" in query["sql"])
        rows(address, f"/reachprobe/{name}.json?_shape=objects&{asked}")
    facets = json.loads(get(address, "/reachprobe/findings.json?_size=1")[1])["facet_results"]
    assert set(facets) == set(datasette_server.shown()["tables"]["findings"]["facets"])
    status, page = get(address, "/reachprobe")
    assert status == 200
    assert b"What is blocked now" in page
    assert b"What served as the control" in get(address, "/reachprobe/verdicts")[1]
    assert b"https://" not in get(address, "/")[1].replace(b"https://datasette.io", b""), (
        "nothing is fetched from elsewhere"
    )


def test_no_secret_is_shown(address: str) -> None:
    asked = ("SELECT * FROM hubs", "SELECT token AS a FROM hubs", "SELECT max(network_key) AS a FROM rounds")
    for text in asked:
        assert len(rows(address, sql(text))) == 1
        assert SECRET not in get(address, sql(text))[1].decode()
    assert SECRET not in get(address, "/reachprobe/hubs.json?_shape=objects")[1].decode()
    assert get(address, sql("SELECT * FROM hubs WHERE token LIKE 't%'"))[1].decode().count("hub.example") == 0


def test_nothing_can_be_changed(address: str, database: Path) -> None:
    before = database.read_bytes()
    for text in ("DELETE FROM verdicts", "ATTACH '/etc/passwd' AS a", "PRAGMA journal_mode = DELETE"):
        assert get(address, sql(text))[0] == 400
    assert get(address, "/reachprobe.db")[0] in (403, 404)
    assert database.read_bytes() == before


NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 4000)"
LARGE = {
    "a large value": "select length(hex(zeroblob(150000000)))",
    "a value of ten megabytes": "select length(hex(zeroblob(5000000)))",
    "several": f"select {', '.join('length(hex(zeroblob(4000000)))' for _ in range(60))}",
    "a long line": f"{NUMBERS} SELECT length(group_concat(hex(zeroblob(50000)))) FROM n",
    "many rows": f"{NUMBERS} SELECT hex(zeroblob(1000000)) FROM n",
    "a sorted table": f"{NUMBERS} SELECT count(*) FROM (SELECT hex(randomblob(100000)) AS x FROM n ORDER BY x)",
    "a set": f"{NUMBERS} SELECT count(*) FROM (SELECT DISTINCT hex(randomblob(100000)) FROM n)",
    "a replaced text": "select length(replace(hex(zeroblob(1000000)), '0', 'xxxxxxxxxxxxxxxxxxxxx'))",
}


@pytest.mark.parametrize("question", LARGE)
def test_a_question_that_needs_much_memory_is_refused_and_the_next_is_answered(address: str, question: str) -> None:
    status, body = get(address, sql(LARGE[question]))
    assert status == 400
    assert b"too big" in body or b"needs too much memory" in body
    assert rows(address, sql("select 1 as one")) == [{"one": 1}]


def test_two_large_questions_at_once_take_little_memory(address: str, server_pid: int) -> None:
    before = peak_mb(server_pid)
    with ThreadPoolExecutor(2) as pool:
        for question in LARGE.values():
            list(pool.map(lambda _, text=question: get(address, sql(text)), range(2)))
    assert peak_mb(server_pid) - before < 250


def test_a_page_elsewhere_whose_name_leads_here_is_refused(address: str) -> None:
    port = urlsplit(address).port
    assert get(address, "/", Host=f"evil.example:{port}")[0] == 421
    assert get(address, "/", Host=f"localhost:{port}")[0] == 200


def browse(*arguments: str, folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        env={"STATE_DIRECTORY": str(folder), "HOME": str(folder)},
    )
    return done.returncode, done.stderr


def test_a_port_that_is_taken_and_a_database_that_is_not_there_are_said(database: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = browse("--db", str(database), "results", "browse", "--port", str(port), folder=tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    assert f"port {port}: Address already in use; choose another with --port" in said
    code, said = browse("results", "browse", folder=tmp_path)
    assert (code, "no database yet" in said) == (2, True)


def test_without_the_extra_it_says_how_to_get_it(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for missing in ("uvicorn", "datasette.app"):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, missing, None)
            with pytest.raises(browsing_server.NoDatasette, match=r"pip install 'reachprobe\[browse\]'"):
                browsing_server.serve(database, 0, print)
