"""What a group's hub holds is compared and reported by its URL, with the answer that the vantages' databases give."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from results.db.store import Store
from results.db.upload_queue import line
from results.export import exchange
from tests.results.hub.asgi_client import PASSWORD
from tests.results.hub.hub_process import ROOT, RunningHub
from tests.three_weeks import make

BATCH = 250


def reachprobe(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "STATE_DIRECTORY": str(folder), "XDG_CONFIG_HOME": str(folder)}
    program = [sys.executable, "-c", "from schedules.cli import main; main()"]
    return subprocess.run([*program, *words], capture_output=True, text=True, cwd=ROOT, env=environ, check=False)


async def _fill(hub: RunningHub, databases: list[Path]) -> dict[str, str]:
    """Each vantage's measurements, sent with its own token."""
    tokens: dict[str, str] = {}
    for database in databases:
        name = database.name.split("-")[1]
        if name not in tokens:
            tokens[name] = await hub.enrol(name)
        with closing(Store.open(database)) as store:
            lines = [line(store.db, 0, one, name) for one in exchange.ids(store.db)]
        for start in range(0, len(lines), BATCH):
            status, said = await hub.send(tokens[name], lines[start : start + BATCH])
            assert status == 200, said
            assert {answer["status"] for answer in said["answers"]} == {"stored"}
    return tokens


class Filled:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        databases = folder / "databases"
        databases.mkdir()
        self.databases = make(databases)[:3]
        self.hub = RunningHub(folder, '[vantage]\ncountry = "RU"\n')
        shutil.copy(self.databases[0], self.hub.db)  # for its registers: the hub judges by its own
        with closing(Store.open(self.hub.db)) as store, store.writing():
            store.db.execute("DELETE FROM measurements")
        self.hub.start("--behind-proxy")
        self.tokens = asyncio.run(_fill(self.hub, self.databases))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    made = Filled(tmp_path_factory.mktemp("by-url"))
    yield made
    made.hub.kill()


def token_file(filled: Filled) -> str:
    file = filled.folder / "token"
    file.write_text(next(iter(filled.tokens.values())) + "\n")
    return str(file)


@pytest.mark.parametrize("more", [["--by", "network"], ["--rows", "target"], ["--since", "2017-05-08", "--by", "day"]])
def test_comparing_a_hub_equals_comparing_its_vantages_databases(filled: Filled, more: list[str]) -> None:
    by_url = reachprobe(filled.folder, "compare", filled.hub.url, "--token-file", token_file(filled), "--json", *more)
    by_file = reachprobe(filled.folder, "compare", *map(str, filled.databases), "--json", *more)
    assert by_url.returncode == by_file.returncode == 0, by_url.stderr
    assert by_url.stdout == by_file.stdout
    assert "wechat" in by_url.stdout


def test_a_report_of_a_hub_equals_one_of_the_databases(filled: Filled) -> None:
    words = ("--format", "csv")
    by_url = reachprobe(filled.folder, "report", filled.hub.url, "--token-file", token_file(filled), *words)
    by_file = reachprobe(filled.folder, "report", *map(str, filled.databases), *words)
    assert by_url.returncode == by_file.returncode == 0, by_url.stderr
    said = [[row for row in done.stdout.splitlines() if not row.startswith("report,")] for done in (by_url, by_file)]
    assert said[0] == said[1]
    assert len(said[0]) > 50


def test_an_enrolled_vantage_needs_no_token_file(filled: Filled) -> None:
    own = filled.folder / "own.db"
    with closing(Store.open(own)) as store:
        from results.db.upload_queue import enrol

        enrol(store, filled.hub.url, "home", filled.tokens["home"], "2017-05-01T00:00:00Z")
    done = reachprobe(filled.folder, "--db", str(own), "compare", filled.hub.url + "/", "--json")
    assert done.returncode == 0, done.stderr
    assert len([json.loads(row) for row in done.stdout.splitlines()]) == 5


def test_without_a_token_the_error_names_the_option(filled: Filled) -> None:
    done = reachprobe(filled.folder, "compare", filled.hub.url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--token-file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_url_of_no_hub_is_a_readable_error(filled: Filled, tmp_path: Path) -> None:
    for url in ("http://hub.example.org", "ftp://127.0.0.1/", "https://a:b@127.0.0.1"):
        done = reachprobe(tmp_path, "compare", url)
        assert done.returncode == 2
        assert "https://" in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 3


def test_compare_reads_a_hub_with_its_password(tmp_path: Path) -> None:
    from results.hub.credentials import hash_password

    hub = RunningHub(tmp_path, f'[hub]\nreading = "password"\nreading_password = "{hash_password(PASSWORD)}"\n')
    hub.start()
    try:
        file = tmp_path / "password"
        file.write_text(PASSWORD + "\n")
        right = reachprobe(tmp_path, "compare", hub.url, "--token-file", str(file))
        file.write_text("something else")
        wrong = reachprobe(tmp_path, "compare", hub.url, "--token-file", str(file))
    finally:
        hub.kill()
    assert (right.returncode, wrong.returncode) == (0, 2), right.stderr
