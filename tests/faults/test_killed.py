"""A round that is killed at any moment: what it said is kept, and the next round goes on."""

from __future__ import annotations

import asyncio
import json
import random
import time

import pytest

from tests.faults.whole import LONG, kept
from tests.schedules.lab import Lab

pytestmark = pytest.mark.slow

KILLS = 200 if LONG else 15


async def test_what_a_round_said_before_it_was_killed_is_kept_and_the_next_round_goes_on(lab: Lab) -> None:
    urls = [f"{lab.good.url}{number}" for number in range(150)] + [f"{lab.reset.url}{number}" for number in range(10)]
    told: set[str] = set()
    for _ in range(2):  # the first is slower than those that follow
        took, whole, _ = await _check(lab, urls, None)
        assert len(whole) == len(urls)
        told |= whole
    dice, cut = random.Random(7), 0
    for number in range(KILLS):
        after_s = 0.9 * took * (number + dice.random()) / KILLS  # in every part of a round, at no moment in particular
        _, said, code = await _check(lab, urls, after_s)
        cut += code == -9
        told |= said
        assert told <= kept(lab.db)
    assert cut > KILLS / 3
    _, last, code = await _check(lab, urls, None)
    assert (len(last), code) == (len(urls), 0)
    assert told | last <= kept(lab.db)


async def _check(lab: Lab, urls: list[str], after_s: float | None) -> tuple[float, set[str], int | None]:
    """Check these, killed after so many seconds: how long it took, the ids it told, how it ended."""
    begun = time.monotonic()
    process = await lab.start("check", *urls, "--json")
    if after_s is not None:
        killing = asyncio.get_running_loop().call_later(after_s, _kill, process)
    out, said = await process.communicate()
    if after_s is not None:
        killing.cancel()
    assert process.returncode in (0, -9), said
    lines = out.decode().splitlines(keepends=True)
    return time.monotonic() - begun, {_identifier(line) for line in lines if line.endswith("\n")}, process.returncode


def _identifier(line: str) -> str:
    return str(json.loads(line)["measurement_id"])


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
