"""`compare` as people and scripts use it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from results.report import codebook
from schedules import cli
from tests.results.compare.rows import row, write

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))

    def invoke(*arguments: str | Path) -> tuple[int, str, str]:
        code = cli.call(["compare", *map(str, arguments)])
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return invoke


@pytest.fixture
def file(tmp_path: Path) -> Path:
    line = {"target": "https://line.example/", "service": "line"}
    office = {"name": "office", "asn": 8402}
    return write(tmp_path / "a.jsonl", [row("blocked"), row(**office), row(**line), row(**office, **line)])


def test_a_person_reads_the_table_and_the_difference_in_words(call: Call, file: Path) -> None:
    code, out, err = call(file)
    assert (code, err) == (0, "4 measurements\n")
    assert "✗ blocked" in out
    assert "wechat: this network only: blocked on AS12389; reachable on AS8402" in out
    assert "no difference: line" in out
    assert "44" not in out
    assert "few" in out, "one day is few"


@pytest.mark.parametrize("by", ["vantage", "network", "country", "path", "day"])
def test_on_a_terminal_no_line_is_longer_than_80(three_weeks: list[Path], tmp_path: Path, by: str) -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", "from schedules.cli import main; main()", "compare", "--by", by]
    environ = os.environ | {"COLUMNS": "80", "TERM": "dumb", "STATE_DIRECTORY": str(tmp_path)}
    program = subprocess.Popen([*words, *map(str, three_weeks)], stdout=theirs, stderr=subprocess.DEVNULL, env=environ)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # that is how a terminal says that nobody is there any more
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert program.wait() == 0
    lines = shown.decode().splitlines()
    assert len(lines) > 8
    assert max(map(len, lines)) <= 80


def test_json_is_one_line_a_row(call: Call, file: Path) -> None:
    code, out, _ = call("--json", "--rows", "target", "--by", "country", file)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(one["row"], one["difference"]) for one in rows] == [
        ("https://line.example/", "none"),
        ("https://www.wechat.com/", "network"),
    ]
    assert [cell["by"] for cell in rows[1]["cells"]] == ["RU"]


def test_csv_is_one_line_a_cell_and_runs_nothing(call: Call, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [row("blocked", name="=1+1"), row(name="office", asn=8402)])
    rows = list(csv.DictReader(io.StringIO(call("--csv", file)[1])))
    assert tuple(rows[0]) == tuple(codebook.codebook_text().tables["compare --csv"])
    assert [(one["by"], one["outcome"], one["low"]) for one in rows] == [
        ("'=1+1", "blocked", "0.2065"),
        ("office", "reachable", "0.0"),
    ]


def test_markdown_is_a_table_that_no_name_breaks(call: Call, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [row("blocked", name="a|b<script>"), row(name="office", asn=8402)])
    lines = call("--markdown", file)[1].splitlines()
    assert lines[0] == r"|  | a\|b\<script\> | office | difference |"
    assert len(lines) == 3


def test_nothing_from_a_file_reaches_the_terminal_raw(call: Call, tmp_path: Path) -> None:
    bad = row("blocked", name="\x1b[2Jx", target="https://x\u202e.example/", service="\x1b]0;x\x07")
    file = write(tmp_path / "a.jsonl", [bad, row(name="office", asn=8402)])
    for form in ((), ("--csv",), ("--markdown",), ("--by", "day")):
        code, out, err = call(*form, file)
        assert code == 0
        assert not {"\x1b", "\x07", "\u202e"} & set(out + err)


def test_a_difference_may_be_an_exit_code(call: Call, file: Path) -> None:
    assert call("--fail-on-difference", "--json", file)[0] == 1
    assert call("--fail-on-difference", "--json", "--until", "2026-11-01", file)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "Missing argument"),
        (("nothing.db",), "no such file"),
        (("--within", "soon", "."), "use a number and s, m, h or d"),
        (("--within", "0h", "."), "use a number and s, m, h or d"),
        (("--since", "tomorrow", "."), "use a UTC date or time"),
    ],
)
def test_mistakes_name_the_thing_and_the_way_out(call: Call, arguments: tuple[str, ...], why: str) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert why in err
    assert err.count("\n") == 1


def test_what_was_left_out_is_said(call: Call, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [row(), row(hours=24 * 365 * 50)])
    with file.open("a") as out:
        out.write("rubbish\n")
    _, _, err = call(file, file, "--json")
    assert "a.jsonl:3:" in err
    assert "1 measurement; duplicates counted once: 1; dated in the future, ignored: 2; skipped: 2" in err
