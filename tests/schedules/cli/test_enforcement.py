"""`results enforcement` as people and scripts read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from results.aggregate.enforcement import Enforcement
from results.db.store import Store
from results.registers.expectation import Expectation
from results.registers.lookup import EntryRef
from results.report.narrative import hours as delay_text
from schedules import cli
from schedules.render.text import words as terminal_words
from tests.results.records import finished, measurement, verdict

ROOT = Path(__file__).parents[3]
ENTRY = EntryRef(
    id="1", how="name", block_type="domain", basis=None, authority=None, decision_number=None, decision_date=None,
    listed_on="2026-06-10", listed_at="2026-06-10T12:00:00Z", first_seen="2026-06-10T13:00:00Z", last_seen=None,
)  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A target that is listed at noon, open at three and blocked at five."""
    store = Store.open(tmp_path / "x.db")
    for hour, outcome in ((15, "reachable"), (17, "blocked")):
        made = msgspec.structs.replace(measurement(f"m{hour}"), started_at=f"2026-06-10T{hour}:00:00.000Z")
        expected = Expectation(target=made.target.text, register="rkn", country="RU", listed=True, entries=(ENTRY,))
        judged = verdict(outcome, confidence="confirmed" if outcome == "blocked" else None)
        store.save([finished(made.id, outcome, measurement=made, verdict=judged, expectation=expected)])
    store.close()
    return tmp_path / "x.db"


def test_a_script_reads_one_line_for_each_target_register_and_network(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.call(["--db", str(database), "results", "enforcement", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "target": "https://www.example.com/",
        "register": "rkn",
        "network": "AS12389",
        "listed_at": "2026-06-10T12:00:00Z",
        "first_blocked": "2026-06-10T17:00:00.000Z",
        "last_open": "2026-06-10T15:00:00.000Z",
        "hours": [3.0, 5.0],
    }


def test_a_person_reads_the_networks_answer_first(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["--db", str(database), "results", "enforcement"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["AS12389", "rkn", "1", "1", "3–5", "hours"]
    assert lines[-1] == [
        "www.example.com",
        "AS12389",
        "2026-06-10",
        "12:00",
        *["3–5", "hours", "after", "the", "listing"],
    ]


def test_a_reader_that_goes_away_is_no_failure(database: Path) -> None:
    command = [sys.executable, "-c", "from schedules.cli import main; main()", "--db", str(database)]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*command, "results", "enforcement"], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_where_nothing_measured_is_listed_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store.open(tmp_path / "x.db").close()
    assert cli.call(["--db", str(tmp_path / "x.db"), "results", "enforcement"]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "register import" in shown.err


@pytest.mark.parametrize(
    ("blocked", "hours", "words"),
    [
        (True, (3.0, 5.0), "3–5 hours after the listing"),
        (True, (0.0, 5.0), "at most 5 hours after the listing"),
        (True, (90.0, 130.0), "3.75–5.42 days after the listing"),
        (True, (-9.0, -7.0), "7–9 hours before the listing"),
        (True, (None, -7.0), "at least 7 hours before the listing"),
        (True, (3.0, None), "blocked; listing date unknown"),
        (False, (240.0, None), "reachable, 10 days so far"),
        (False, (84000.0, None), "reachable, 3500 days so far"),
        (False, (0.0, None), "not measured since"),
    ],
)
def test_the_hours_in_words(blocked: bool, hours: tuple[float | None, float | None], words: str) -> None:
    one = Enforcement(
        target="x",
        register="rkn",
        network="AS1",
        listed_at="2026",
        first_blocked="2026" if blocked else None,
        last_open=None,
        hours=hours,
    )
    assert delay_text(one, terminal_words()) == words
