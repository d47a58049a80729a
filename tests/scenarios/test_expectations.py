"""An expectation that is another than when it was first written says why."""

from __future__ import annotations

import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SITUATIONS = "tests/scenarios/situations"
HELD = ("outcome", "method", "trigger", "confidence")


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def versions() -> dict[str, list[str]]:
    """File -> the commits that added or changed it, the oldest first."""
    found = defaultdict(list)
    commit = ""
    for line in git("log", "--reverse", "--no-renames", "--format=%H", "--name-only", "--", SITUATIONS).splitlines():
        if line.startswith(SITUATIONS):
            found[line].append(commit)
        elif line:
            commit = line
    return {path: commits for path, commits in found.items() if len(commits) > 1 and (ROOT / path).exists()}


def expectation(text: str) -> dict[str, Any]:
    return tomllib.loads(text)["expect"]  # type: ignore[no-any-return]


def test_a_changed_expectation_says_why() -> None:
    try:
        several = versions()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no history here: this is no git checkout")
    silent = []
    for path, commits in several.items():
        now = expectation((ROOT / path).read_text("utf-8"))
        for commit in commits:
            then = expectation(git("show", f"{commit}:{path}"))
            if [then.get(key) for key in HELD] != [now.get(key) for key in HELD] and not now.get("changed"):
                silent.append(f"{path}: not what it was in {commit[:8]}; add changed = the reason to its [expect]")
                break
    assert not silent, "\n".join(silent)
