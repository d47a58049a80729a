"""`reachprobe fingerprints`, as people and scripts use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest

from results.fingerprints.collection import PUBLISHED, load, place
from schedules.cli import call

HEADER = (
    "name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries,source,"
    "exp_url,notes"
)
ROWS = (
    "x.1,isp,,body,contains,Closed by the Example Authority,5,RU,x,,",
    "x.2,fp,,body,contains,Welcome to nginx!,5,,x,,",
    r"x.3,isp,,body,regexp,blocked (a+)\1,5,RU,x,,",
)
LIST = "\n".join([HEADER, *ROWS, ""])


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command with a database that lasts for the test."""

    def invoke(*arguments: str | Path, config: str = "") -> Result:
        (tmp_path / "config.toml").write_text(config)
        before = ["--db", tmp_path / "reachprobe.db", "--config", tmp_path / "config.toml"]
        code = call([*map(str, before), "fingerprints", *map(str, arguments)])
        return Result(code, *capsys.readouterr())

    return invoke


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "fingerprints_http.csv"
    path.write_text(LIST, "utf-8")
    return path


@pytest.fixture
def server() -> Iterator[str]:
    """A server of lists: /list.csv is whole, /endless has no end, all else is missing."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if self.path == "/missing" else 200)
            self.end_headers()
            self.wfile.write(LIST.encode() if self.path == "/list.csv" else b"x" * 200_000)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def test_an_update_tells_its_counts_on_stdout_and_its_problems_by_line_on_stderr(run: Run, csv: Path) -> None:
    result = run("update", csv, "--json")
    assert result.exit_code == 0
    source, summary = result.lines
    assert {key: source[key] for key in ("format", "rows", "kept", "skipped", "false_positives")} == {
        "format": "ooni-csv", "rows": 3, "kept": 2, "skipped": 1, "false_positives": 1,
    }  # fmt: skip
    assert (summary["sources"], summary["prints"], summary["scopes"]) == (1, 2, {"isp": 1, "fp": 1})
    assert result.stderr == f"{csv}:4: no valid regexp: invalid escape sequence: \\1 (skipped)\n"


def test_stats_tell_what_the_last_update_brought(run: Run, csv: Path) -> None:
    before = run("stats", "--json").lines
    updated = run("update", csv, "--json").lines
    assert [line["prints"] for line in before] == [0]
    assert run("stats", "--json").lines == updated
    assert "fingerprints: 2 (isp 1, fp 1)" in run("stats").stdout


def test_without_a_collection_stats_say_how_to_get_one(run: Run) -> None:
    assert "`reachprobe fingerprints update --published` adds" in run("stats").stdout


def test_a_url_is_downloaded(run: Run, server: str) -> None:
    result = run("update", f"{server}/list.csv", "--json")
    assert (result.exit_code, result.lines[0]["source"]) == (0, f"{server}/list.csv")


@pytest.mark.parametrize("path", ["/missing", "/endless"])
def test_one_source_that_fails_leaves_the_old_collection(
    run: Run, csv: Path, server: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("update", csv)
    before = run("stats", "--json").lines
    monkeypatch.setattr("results.fingerprints.collection.MAX_SOURCE_BYTES", 100_000)
    result = run("update", f"{server}/list.csv", f"{server}{path}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"reachprobe: {server}{path}: ")
    assert result.stderr.count("\n") == 1
    assert run("stats", "--json").lines == before


def test_without_arguments_the_configured_sources_are_read(run: Run, csv: Path) -> None:
    result = run("update", "--json", config=f'[fingerprints]\nsources = ["{csv}"]\n')
    assert result.lines[0]["source"] == str(csv)


def test_without_any_source_it_is_a_mistake_with_the_way_out(run: Run) -> None:
    result = run("update")
    assert result.exit_code == 2
    assert "[fingerprints] sources" in result.stderr


def test_a_list_cannot_write_on_the_terminal(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\n".join([HEADER, ROWS[0], "x,\x1b[31modd\x07,,body,contains,long enough,5,RU,x,,", ""]), "utf-8")
    result = run("update", path)
    assert "\x1b" not in result.stdout + result.stderr
    assert "\x07" not in result.stdout + result.stderr


@pytest.mark.parametrize("url", ["http://lists.example/x.csv", "ftp://lists.example/x.csv", "https://[::1/x.csv"])
def test_a_list_that_could_be_rewritten_on_the_way_is_not_fetched(run: Run, url: str) -> None:
    result = run("update", url)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"reachprobe: {url}")


def test_published_lists_are_downloaded_on_request(run: Run, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("results.fingerprints.collection.PUBLISHED", (f"{server}/list.csv",))
    result = run("update", "--published", "--json")
    assert (result.exit_code, result.lines[0]["source"]) == (0, f"{server}/list.csv")


def test_the_published_lists_are_ooni_s_and_censored_planet_s_over_https() -> None:
    assert [url.rpartition("/")[2] for url in PUBLISHED] == [
        "fingerprints_http.csv",
        "fingerprints_dns.csv",
        "blockpage_signatures.json",
        "false_positive_signatures.json",
    ]
    assert all(url.startswith("https://raw.githubusercontent.com/") for url in PUBLISHED)


def init(tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> Result:
    before = ["--db", str(tmp_path / "reachprobe.db"), "--config", str(tmp_path / "new.toml")]
    code = call([*before, "init", "--yes", *options])
    return Result(code, *capsys.readouterr())


def test_init_offers_the_published_lists_and_downloads_them_only_on_request(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("results.fingerprints.collection.PUBLISHED", (f"{server}/list.csv",))
    offered = init(tmp_path, capsys)
    assert (offered.exit_code, load(place(tmp_path / "reachprobe.db"))) == (0, None)
    assert "`reachprobe fingerprints update --published`" in offered.stdout
    taken = init(tmp_path, capsys, "--fingerprints")
    assert taken.exit_code == 0
    assert "Imported block-page fingerprints: 2." in taken.stdout
    assert "--published" not in init(tmp_path, capsys).stdout


def test_lists_that_cannot_be_downloaded_leave_the_consent_and_the_configuration(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("results.fingerprints.collection.PUBLISHED", (f"{server}/missing",))
    result = init(tmp_path, capsys, "--fingerprints")
    assert result.exit_code == 2
    assert "404" in result.stderr
    assert (tmp_path / "new.toml").exists()
    assert "already exists; not changed" in init(tmp_path, capsys).stdout
