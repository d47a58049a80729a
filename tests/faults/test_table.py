"""docs/reliability.md is held to the tests: each that it names exists, and each fault met here stands in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TABLE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+)`", TABLE)))


def defined(folder: Path) -> set[str]:
    files = (path.read_text(encoding="utf-8") for path in folder.rglob("test_*.py"))
    return {name for text in files for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}


@pytest.fixture(scope="module")
def everywhere() -> set[str]:
    return defined(TESTS)


@pytest.mark.parametrize("name", NAMED)
def test_each_test_in_the_table_exists(name: str, everywhere: set[str]) -> None:
    assert name in everywhere


def test_each_row_of_each_table_names_a_test() -> None:
    rows = [line for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith("| what was tried |")]
    assert len(rows) > 20
    assert [row for row in rows if "`test_" not in row] == []


@pytest.mark.parametrize("file", ["test_killed.py", "test_machine.py", "test_hostile.py", "test_many.py"])
def test_each_fault_met_here_stands_in_the_table(file: str) -> None:
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)) <= set(NAMED)
