"""A load in a process of its own that the test kills: `python -m tests.results.warehouse.killing URL SOURCE`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]


def loaded_in_spite_of_kills(url: str, source: Path, *, seed: int, kills: int) -> None:
    """Load it; so many times the loader, and whatever it started, is killed somewhere on the way."""
    dice, cut = random.Random(seed), 0
    for _ in range(kills):
        with loading(url, source) as process:
            assert process.stdout is not None
            for _ in range(dice.randrange(1, 5)):
                process.stdout.readline()
            # At no step in particular.
            time.sleep(dice.random() * 0.05)
            # A load that has ended is a process that nobody has waited for yet, so the group is still its own.
            os.killpg(process.pid, signal.SIGKILL)
            cut += process.wait() == -signal.SIGKILL
    assert cut == kills
    with loading(url, source) as process:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said


def loading(url: str, source: Path) -> subprocess.Popen[bytes]:
    """A load that has begun."""
    command = [sys.executable, "-m", "tests.results.warehouse.killing", url, str(source)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def main(url: str, source: str) -> None:
    from contextlib import closing
    from datetime import UTC, datetime

    from results.warehouse import from_database, load
    from results.warehouse.engine import open_engine
    from results.warehouse.load import find_sources, load_source, make_judge

    from_database.MEASUREMENTS_PER_BATCH = load.RECORDS_PER_BATCH = 60
    with closing(open_engine(url)) as engine:
        for one in find_sources(source, make_judge()):
            for step in load_source(engine, one, lambda: datetime.now(UTC)):
                print(step.position, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
