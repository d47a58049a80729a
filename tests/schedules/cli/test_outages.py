"""`results outages` as people and scripts read it, and the same in a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schedules import cli
from tests.results.outage_rounds import DAYS, build


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return build(tmp_path / "x.db", DAYS)


def test_a_script_reads_one_line_for_each_outage_and_each_time_without_data(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.call(["--db", str(database), "results", "outages", "--json"]) == 0
    outage, gap = map(json.loads, capsys.readouterr().out.splitlines())
    assert outage == {
        "vantage": "home-fibre",
        "country": "RU",
        "asn": 12389,
        "network_name": None,
        "state": "offline",
        "kind": "all",
        "reason": None,
        "begin": {"earliest": "2026-06-10T12:00:00Z", "latest": "2026-06-10T18:00:00Z"},
        "end": {"earliest": "2026-06-11T00:00:00Z", "latest": None},
        "hours": [6.0, None],
        "rounds": 2,
        "ongoing": False,
    }
    assert (gap["state"], gap["reason"], gap["hours"]) == ("no-data", "not-measured", [48.0, 48.0])


def test_a_person_reads_a_table(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["--db", str(database), "results", "outages"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "AS12389" in shown
    assert "offline" in shown
    assert "no round ran" in shown
    assert cli.call(["--db", str(database), "--language", "ru", "results", "outages"]) == 0
    assert "измерений не было" in " ".join(capsys.readouterr().out.split())


def test_a_period_selects_the_rounds(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["--db", str(database), "results", "outages", "--since", "2026-06-13"]) == 0
    said = capsys.readouterr()
    assert (said.out, "rounds: 6" in said.err) == ("", True)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_report_names_outages_and_the_gaps_of_a_timeline(
    database: Path, language: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert cli.call(["--db", str(database), "report", "--format", "md", "--language", language]) == 0
    report = capfdbinary.readouterr().out.decode()
    heading, outage, reason = {
        "en": ("## Outages", "1 outage of a network.", "no round ran"),
        "ru": ("## Отключения", "1 отключение сети.", "измерений не было"),
    }[language]
    timeline, outages = report.split(heading)[0].rsplit("\n## ", 1)[1], report.split(heading)[1].split("\n## ")[0]
    assert outage in report
    assert reason in timeline
    assert outages.count("| AS12389 |") == 2


def test_a_report_of_an_export_tells_the_same(database: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    file = database.with_name("x.jsonl")
    assert cli.call(["--db", str(database), "results", "export", "--format", "jsonl", "-o", str(file)]) == 0
    capfdbinary.readouterr()
    assert cli.call(["report", str(file), "--format", "md", "--language", "en"]) == 0
    outages = capfdbinary.readouterr().out.decode().split("## Outages")[1].split("\n## ")[0]
    assert outages.count("| AS12389 |") == 2


def test_a_report_without_outages_has_no_such_section(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    quiet = build(tmp_path / "quiet.db", "ooooxoooo")
    assert cli.call(["--db", str(quiet), "report", "--format", "html"]) == 0
    assert b'id="outages"' not in capfdbinary.readouterr().out
