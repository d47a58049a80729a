"""The README is short, and agrees with the code: its commands exist, its links work, its words are the code's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from results.judge.judged import Agreement
from results.judge.verdict import METHODS, Outcome
from schedules.cli import group

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ACCURACY = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
MAX_WORDS = 900
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_first_two_lines_in_code_blocks_set_up_and_run_the_demo_and_the_tests() -> None:
    first, second = "".join(BLOCKS).splitlines()[:2]
    assert first.startswith("python3 -m venv")
    assert first.endswith("reachprobe demo")
    assert second.startswith("python3 -m venv")
    assert second.endswith("pytest -n auto")


def test_ci_takes_its_two_commands_from_the_readme() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'bash -c "$(readme_command 1)"' in ci
    assert 'bash -c "$(readme_command 2)"' in ci


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\breachprobe ([a-z][a-z-]*)", "".join(BLOCKS)))))
def test_every_command_shown_exists(name: str) -> None:
    assert group.get_command(None, name) is not None  # type: ignore[arg-type]


def test_people_finish_it() -> None:
    assert len(README.split()) <= MAX_WORDS


@pytest.mark.parametrize("link", re.findall(r"(?:\]\(|src=\"|srcset=\")(?!http)([^)#\"]+)", README))
def test_every_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).is_file()


def test_every_outcome_and_agreement_is_explained() -> None:
    for word in (*get_args(Outcome), *get_args(Agreement)):
        assert f"`{word}`" in README


def test_methods_named_are_methods() -> None:
    named = set(re.findall(r"`((?:dns|tcp|tls|http|quic)\.[a-z]+)`", README))
    assert named
    assert named <= set(METHODS)


def test_its_count_of_situations_is_that_of_the_table() -> None:
    situations, _, wrong, missed = re.findall(r"\d+", re.findall(r"^\| all (.*)", ACCURACY, re.MULTILINE)[0])
    assert f"[{situations} test situations]" in README
    assert (wrong, missed) == ("0", "0")
