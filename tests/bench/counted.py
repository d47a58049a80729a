"""What one more target costs in function calls, held to a number that is committed: seconds differ, calls do not.

    python -m tests.bench.counted [--write]

`reachprobe check` measures 20 and then 80 HTTPS targets, one after the other, with every function call counted that
Python makes outside the event loop itself, whose turns depend on the machine. The difference, by target, may be
TOLERANCE above `counted.json`. `--write` takes what is counted now as the number to be held to.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

from tests.bench import servers
from tests.bench.programs import Job, Task, configuration

FEW, MANY = 20, 80
TOLERANCE = 0.10
HELD_TO = Path(__file__).with_name("counted.json")
UNCOUNTED = (str(Path(asyncio.__file__).parent), "selectors.py", "uvloop")
"""Where the event loop's own code lies."""
TOLD = 12
SAY = """
One more target costs {now:.0f} calls, {share:.0%} more than the {held:.0f} in {file}.
The functions that make most of them are above. If the calls buy something that is worth it, say what in the commit
message and commit the new number: python -m tests.bench.counted --write
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="keep what is counted now as the number to be held to")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return _counted(Path(options.child[0]), options.child[1:])
    with tempfile.TemporaryDirectory() as text, servers.serving(Path(text)) as ca_file:
        few, many = (_calls(Path(text), ca_file, count) for count in (FEW, MANY))
    added = Counter({where: (count - few[where]) / (MANY - FEW) for where, count in many.items()})
    now = sum(added.values())
    held = float(json.loads(HELD_TO.read_text())["calls_per_added_target"]) if HELD_TO.exists() else now
    for where, count in added.most_common(TOLD):
        print(f"{count:7.1f}  {where}")
    print(f"{now:.0f} calls for one more target; held to {held:.0f} and {TOLERANCE:.0%}")
    if options.write:
        HELD_TO.write_text(json.dumps({"calls_per_added_target": round(now)}) + "\n")
        return 0
    if now > held * (1 + TOLERANCE):
        print(SAY.format(now=now, share=now / held - 1, held=held, file=HELD_TO.name), file=sys.stderr)
        return 1
    if now < held * (1 - TOLERANCE):
        print("that is a good deal less: commit the new number, so that it stays (--write)")
    return 0


def _calls(folder: Path, ca_file: Path, count: int) -> Counter[str]:
    """By function, of a whole process that measures so many targets."""
    jobs = [
        Job(f"https://{servers.name(n)}:{servers.PORT}/", servers.name(n), servers.address(n)) for n in range(count)
    ]
    words = configuration(Task(jobs, 1, 10.0, folder, ca_file))
    found = folder / "calls.json"
    environment = os.environ | {
        "REACHPROBE_CONSENT": "yes",
        "STATE_DIRECTORY": str(folder),
        "HOME": str(folder),
        "PYTHONHASHSEED": "0",
    }
    command = [sys.executable, "-m", "tests.bench.counted", "--child", str(found), *words]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return Counter(json.loads(found.read_text()))


def _counted(found: Path, words: list[str]) -> int:
    from schedules import cli

    calls: Counter[CodeType] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_call"):
            calls[frame.f_code] += 1

    threading.setprofile(count)
    sys.setprofile(count)
    try:
        code = cli.call(words)
    finally:
        sys.setprofile(None)
    by_function: Counter[str] = Counter()
    for one, times in calls.items():
        if not any(place in one.co_filename for place in UNCOUNTED):
            by_function[f"{'/'.join(Path(one.co_filename).parts[-2:])}:{one.co_qualname}"] += times
    found.write_text(json.dumps(by_function))
    return code


if __name__ == "__main__":
    sys.exit(main())
