"""`report` at the command line: where it reads, where it writes, and what is said when it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.results.compare.rows import row, write


def report(*arguments: str, folder: Path) -> tuple[int, bytes, str]:
    done = subprocess.run(
        [sys.executable, "-c", "from schedules.cli import main; main()", *arguments],
        capture_output=True,
        env={"STATE_DIRECTORY": str(folder), "HOME": str(folder)},
    )
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.jsonl", [row("blocked", hours=hours) for hours in (0, 6, 12)])


def test_one_file_that_needs_nothing_else(rows: Path, tmp_path: Path) -> None:
    made = tmp_path / "report.html"
    assert report("report", str(rows), "-o", str(made), "--language", "ru", folder=tmp_path) == (
        0, b"", f"3 measurements\nwritten to {made}\n"
    )  # fmt: skip
    page = made.read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert '<html lang="ru">' in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "rows.jsonl"]


@pytest.mark.parametrize(
    ("form", "first"), [("md", b"# What is blocked"), ("csv", b"section,row,place,what,value\n")]
)  # fmt: skip
def test_to_a_pipe_in_other_forms(rows: Path, tmp_path: Path, form: str, first: bytes) -> None:
    code, out, err = report("-q", "report", str(rows), "--format", form, folder=tmp_path)
    assert (code, err) == (0, "")
    assert out.startswith(first)


def test_without_a_source_it_is_of_this_machine(three_weeks: list[Path], tmp_path: Path) -> None:
    (tmp_path / "reachprobe.db").write_bytes(three_weeks[0].read_bytes())
    code, out, err = report("report", "--format", "md", folder=tmp_path)
    assert (code, err) == (0, "504 measurements\n")
    assert "since 5 May 2017" in out.decode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no database yet"),
        (("nothing.db",), "nothing.db: no such file or folder"),
        (("--since", "tomorrow"), "'--since': 'tomorrow' is not a time; use a UTC date or time"),
        (("--language", "fr"), "'fr' is not one of 'en', 'ru'"),
        (("ROWS", "-o", "nowhere/report.html"), "nowhere/report.html: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    rows: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    given = [str(rows) if one == "ROWS" else one for one in arguments]
    code, out, err = report("-q", "report", "--format", "md", *given, folder=tmp_path)
    assert (code, out, err.count("\n")) == (2, b"", 1)
    assert said in err
