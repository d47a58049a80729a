"""`warehouse` as people and scripts use it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from schedules import cli
from tests.results.warehouse.asked import of_database


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


@pytest.fixture
def url(three_weeks: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    made = f"duckdb://{tmp_path}/w.duckdb"
    assert cli.call(["warehouse", "load", str(three_weeks[0]), "--to", made]) == 0
    assert capsys.readouterr() == ("", "588 measurements loaded; sources: 1\n")
    return made


def test_a_question_is_answered_as_lines_of_json(
    url: str, three_weeks: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rows in of_database(three_weeks[0])[0].items():
        assert cli.call(["warehouse", "query", name, "--from", url, "--json"]) == 0
        assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == rows


def test_a_period_ends_before_its_end(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["warehouse", "query", "agreement_over_time", "--from", url, "--json"]
    assert cli.call([*command, "--since", "2017-05-03", "--until", "2017-05-05"]) == 0

    days = {json.loads(line)["day"] for line in capsys.readouterr().out.splitlines()}
    assert days == {"2017-05-03", "2017-05-04"}


def test_a_question_is_answered_as_csv_and_as_a_table_of_80_columns(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.call(["warehouse", "query", "methods_by_network", "--from", url, "--csv"]) == 0
    assert capsys.readouterr().out == (
        "country,asn,network_name,method,targets,findings\nRU,12389,Rostelecom,tls.reset,3,206\n"
    )
    assert cli.call(["warehouse", "query", "methods_by_network", "--from", url]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["country", "asn", "method", "targets", "findings"]
    assert row.split() == ["RU", "AS12389", "tls.reset", "3", "206"]


def test_status_says_what_is_there(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["warehouse", "status", "--from", url, "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert (told["measurements"], told["targets"], told["vantages"]) == (504, 6, 1)
    assert told["first_at"] == "2017-05-01T00:07:00.000Z"
    assert told["sources"][0]["loaded"] == 588


def test_an_archive_is_written_and_loaded(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        cli.call(["warehouse", "archive", "--from", url, "--to", f"{tmp_path}/archive", "--until", "2017-05-03"]) == 0
    )
    assert cli.call(["warehouse", "load", f"{tmp_path}/archive", "--to", f"duckdb://{tmp_path}/b.duckdb"]) == 0

    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{tmp_path}/archive: 56 measurements, 4 partitions"
    assert said[1].startswith("56 measurements loaded")


def test_judging_again_says_what_changed(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["warehouse", "reclassify", "--from", url, "--workers", "1", "--json"]) == 0

    assert capsys.readouterr() == ("", "verdicts recomputed: 504, changed: 0; version 1\n")


@pytest.mark.parametrize("missing", ["ibis", "duckdb", "pyarrow", "fsspec"])
def test_without_the_extra_it_says_which_one_to_install(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("results.warehouse")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    (tmp_path / "x.jsonl").write_text("{}")
    url = f"duckdb://{tmp_path}/w.duckdb"

    code = cli.call(["warehouse", "load", f"{tmp_path}/x.jsonl", "--to", url])
    if code == 0:
        code = cli.call(["warehouse", "query", "matrix", "--from", url])

    assert code == 2
    assert "pip install 'reachprobe[warehouse]'" in capsys.readouterr().err


def test_a_mistake_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["warehouse", "query", "matrix", "--from", "mysql://x"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "duckdb:///" in said
    assert cli.call(["warehouse", "query", "matrix", "--from", f"duckdb://{tmp_path}/w", "--since", "soon"]) == 2
    assert "'--since': 'soon' is not a time" in capsys.readouterr().err


def test_a_hub_that_cannot_store_where_it_should_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.call(["--db", f"{tmp_path}/hub.db", "hub", "--listen", "127.0.0.1:0", "--store", "mysql://x"]) == 2

    assert "not a warehouse: mysql://x; give duckdb:///" in capsys.readouterr().err
