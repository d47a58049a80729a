"""Runs worlds side by side, each share of them in a process and a lab of its own: `python -m tests.lab.worlds NAME...`.

A world is mostly spent waiting, so that few of them keep a machine busy. Prints one line of JSON for each. A name that
ends in `, IPv6` is that world with IPv6 targets only.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lab.judging import Run, measured, run
from tests.lab.kernel import LabError
from tests.lab.situations import WORLDS
from tests.lab.standing import ROOT, Ran, lab
from tests.lab.world import World, in_ipv6

LABS = 5


def run_all(worlds: Sequence[World] = WORLDS) -> Iterator[Run]:
    """Every world once. Raises LabError where a share of them was not run to its end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        begun = []
        for number in range(min(LABS, len(worlds))):
            share, written = worlds[number::LABS], folder / f"{number}.jsonl"
            begun.append((share, written, _begin(share, written, stack)))
        for share, written, process in begun:
            if process.wait():
                raise LabError(f"the worlds {', '.join(world.name for world in share)}: exit {process.returncode}")
            for world, line in zip(share, written.read_text().splitlines(), strict=True):
                yield measured(world, Ran(**json.loads(line)))


def _begin(share: Sequence[World], written: Path, stack: ExitStack) -> subprocess.Popen[bytes]:
    """A process that runs these worlds; left early, it is told to take its lab down."""
    command = (sys.executable, "-m", "tests.lab.worlds", *(world.name for world in share))
    with written.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, cwd=ROOT)
    stack.callback(process.wait)
    stack.callback(process.send_signal, signal.SIGINT)
    return process


def main(names: Sequence[str]) -> int:
    by_name = {world.name: world for one in WORLDS for world in (in_ipv6(one), one)}
    with TemporaryDirectory() as folder, lab(Path(folder)) as standing:
        for name in names:
            print(json.dumps(asdict(run(by_name[name], standing).ran)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
