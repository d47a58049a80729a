"""Our own load on a line that bears little of it: five hundred sites behind a megabit.

No site is censored, so that whatever is not reachable is a false finding. A page here is 8 KB and its certificate
small, so that all five hundred take some 42 s of the line: with pages of 20 KB it would be two minutes, and the same.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import censorship, kernel
from tests.lab.crowd import config_toml, crowd, name, silent_name
from tests.lab.standing import Lab, Ran

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
TIMED_OUT = "SELECT COUNT(*) FROM observations o WHERE failure = 'generic_timeout_error'"
"""Of everything, also of what was measured again at the end of the round: that mends it, and hides it."""
TOLD = " AND NOT EXISTS (SELECT 1 FROM measurements m WHERE m.repeats = o.measurement)"
"""Of these, what was not measured again: what people are told."""
FEW = 5
"""What a machine whose cores are busy may time out by itself, and measures again; at a fixed 64 at once it was 55."""


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if reason := kernel.why_not():
        pytest.skip(f"no lab: {reason}")
    with crowd(tmp_path_factory.mktemp("lab")) as built:
        yield built


@pytest.fixture
def free(standing: Lab) -> Lab:
    censorship.forgives()
    for left in standing.folder.glob("*.db*"):
        left.unlink()
    return standing


def check(lab: Lab, targets: list[str], *, timeout_s: float, concurrency: int = 64) -> Ran:
    config = config_toml(lab.ca_file, timeout_s=timeout_s, concurrency=concurrency)
    ran = lab.reachprobe("-q", "check", "--json", *targets, config=config, within_s=200)
    assert ran.code == 0, ran.err
    return ran


def outcomes(ran: Ran, sign: str = "n") -> Counter[str]:
    return Counter(row["outcome"] for row in ran.rows if row["target"].startswith(f"https://{sign}"))


def time_outs(folder: Path, of: str = "") -> int:
    database = sqlite3.connect(next(folder.glob("*.db")))
    try:
        (count,) = database.execute(TIMED_OUT + of).fetchone()
        return int(count)
    finally:
        database.close()


def some_silent(count: int) -> list[str]:
    return [f"https://{silent_name(n) if n % 10 < 3 else name(n)}/" for n in range(count)]


def test_five_hundred_targets_on_a_megabit_give_no_time_out(free: Lab) -> None:
    censorship.is_thin(1000, queue_ms=200)
    ran = check(free, [f"https://{name(n)}/" for n in range(500)], timeout_s=10)
    assert outcomes(ran) == {"reachable": 500}
    assert time_outs(free.folder, TOLD) == 0
    assert time_outs(free.folder) <= FEW


def test_silent_targets_beside_them_are_no_reason_to_give_up_one_that_answers(free: Lab) -> None:
    censorship.is_thin(1000, queue_ms=200)
    ran = check(free, some_silent(150), timeout_s=3)
    assert outcomes(ran) == {"reachable": 105}
    assert outcomes(ran, "s") == {"inconclusive": 45}
