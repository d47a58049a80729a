"""How cost grows with the list: time and memory of a whole round, and what a plain success takes in the database.

    python -m tests.bench.growth [--counts 100,1000,10000,100000] [--concurrency 64] [--json FILE]

One `reachprobe run` for each count, on HTTPS targets with names of their own that a local server answers from memory,
with an empty database. What one more target costs is the slope from the count before.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.bench import servers
from tests.bench.programs import SERVERS_CORE, Job, Spent, Task, campaign


class Round(NamedTuple):
    targets: int
    spent: Spent
    stored_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--counts", default="100,1000,10000")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.sched_setaffinity(0, {SERVERS_CORE})
    print("| targets | CPU s | wall s | peak memory MB | stored bytes a target | CPU ms an added target |")
    print("|---:|---:|---:|---:|---:|---:|")
    rounds = []
    with tempfile.TemporaryDirectory() as text, servers.serving(Path(text)) as ca_file:
        for one in _rounds(Path(text), ca_file, sorted(map(int, options.counts.split(","))), options.concurrency):
            print(_row(one, rounds[-1] if rounds else None), flush=True)
            rounds.append(one)
    if options.json:
        found = [{"targets": one.targets, **one.spent._asdict(), "stored_bytes": one.stored_bytes} for one in rounds]
        options.json.write_text(json.dumps(found, indent=1))


def _rounds(folder: Path, ca_file: Path, counts: list[int], concurrency: int) -> Iterator[Round]:
    for count in counts:
        names = (servers.name(n) for n in range(count))
        jobs = [Job(f"https://{name}:{servers.PORT}/", name, servers.address(n)) for n, name in enumerate(names)]
        spent = campaign(Task(jobs, concurrency, 10.0, folder, ca_file))
        with closing(sqlite3.connect(folder / "bench.db")) as database:
            pages, empty, size = (
                database.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        yield Round(count, spent, (pages - empty) * size)


def _row(one: Round, before: Round | None) -> str:
    slope = stored = "–"
    if before is not None:
        more = one.targets - before.targets
        slope = f"{1000 * (one.spent.cpu_s - before.spent.cpu_s) / more:.2f}"
        stored = f"{(one.stored_bytes - before.stored_bytes) / more:.0f}"
    figures = f"{one.spent.cpu_s:.2f} | {one.spent.wall_s:.1f} | {one.spent.memory_mb:.0f} | {stored} | {slope}"
    return f"| {one.targets} | {figures} |"


if __name__ == "__main__":
    main()
