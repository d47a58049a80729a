"""reachprobe beside what a user would take instead, on the same targets: one table a case, and all figures as JSON.

    python -m tests.bench [--targets 600] [--concurrency 64] [--runs 3] [--timeout 10] [--case NAME]
        [--without-uvloop] [--json FILE]

Real servers on loopback (nginx; a resolver that answers from memory) on one core, the program on another. CPU is user
plus system of the whole program; what a target adds is the slope from a sixth of the list to all of it. Ratios are
those of pairs that ran one after the other, and the median of the runs. reachprobe does more than the others in each
case: it asks for A and AAAA, judges, stores, and tries what fails again, with other names, to tell why.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench import servers
from tests.bench.programs import PROGRAMS, SERVERS_CORE, Job, Spent, Task


class Case(NamedTuple):
    said: str
    job: Callable[[int], Job]


def _page(n: int, port: int = servers.PORT, scheme: str = "https") -> Job:
    return Job(f"{scheme}://{servers.name(n)}:{port}/", servers.name(n), servers.address(n))


def _some_silent(n: int) -> Job:
    if n % 10 >= 3:
        return _page(n)
    name = servers.silent_name(n)
    return Job(f"https://{name}:{servers.PORT}/", name, servers.SILENT[n % len(servers.SILENT)])


CASES = {
    "fine": Case("HTTPS, all fine, a page of 20 KB", _page),
    "silent": Case("HTTPS, 30% answer no SYN", _some_silent),
    "slow": Case("HTTPS, a page of 20 KB in two seconds", lambda n: _page(n, servers.SLOW_PORT)),
    "blocked": Case("HTTP, a provider's block page", lambda n: _page(n, servers.BLOCK_PORT, "http")),
    "dns": Case(
        "DNS only; reachprobe: A, AAAA and a connect, blackbox_exporter: A alone",
        lambda n: Job(f"tcp://{servers.name(n)}:{servers.PORT}", servers.name(n), servers.address(n)),
    ),
}
Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--targets", type=int, default=600)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds that a step may be silent")
    parser.add_argument("--case", choices=CASES, action="append", help="only this one; may be given again")
    parser.add_argument("--without-uvloop", action="store_true", help="reachprobe as without the extra `fast`")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.sched_setaffinity(0, {SERVERS_CORE})
    found = {}
    with tempfile.TemporaryDirectory() as text, servers.serving(Path(text)) as ca_file, servers.silent():
        for name in options.case or CASES:
            jobs = [CASES[name].job(n) for n in range(options.targets)]
            task = Task(jobs, options.concurrency, options.timeout, Path(text), ca_file, not options.without_uvloop)
            runs = [_run(task) for _ in range(options.runs)]
            found[name] = _medians(runs)
            print(_table(CASES[name].said, found[name]), flush=True)
    if options.json:
        said = {"targets": options.targets, "concurrency": options.concurrency, "runs": options.runs}
        options.json.write_text(json.dumps(said | {"timeout_s": options.timeout, "cases": found}, indent=1))


def _run(task: Task) -> dict[str, Figures]:
    """Each program once, on a sixth of the list and on all of it."""
    figures = {}
    for name, program in PROGRAMS.items():
        few = task.jobs[: max(1, len(task.jobs) // 6)]
        small, whole = program(task._replace(jobs=few)), program(task)
        if small is not None and whole is not None:
            figures[name] = _figures(small, whole, len(few), len(task.jobs))
    return figures


def _figures(small: Spent, whole: Spent, few: int, count: int) -> Figures:
    return {
        "cpu_ms_per_target": 1000 * whole.cpu_s / count,
        "cpu_ms_per_added_target": 1000 * (whole.cpu_s - small.cpu_s) / max(1, count - few),
        "wall_s": whole.wall_s,
        "memory_mb": whole.memory_mb,
    }


def _medians(runs: list[dict[str, Figures]]) -> dict[str, Figures]:
    """The median of each figure, and of reachprobe's ratio to this program in the same run."""
    names = runs[0]["reachprobe"]
    found = {}
    for program in runs[0]:
        found[program] = {name: statistics.median(run[program][name] for run in runs) for name in names}
        ratios = [
            run["reachprobe"]["cpu_ms_per_added_target"] / max(run[program]["cpu_ms_per_added_target"], 1e-3)
            for run in runs
        ]
        found[program]["reachprobe_to_this"] = statistics.median(ratios)
    return found


def _table(said: str, found: dict[str, Figures]) -> str:
    head = [
        f"\n{said}\n",
        "| program | CPU ms per target | CPU ms per added target | wall s | peak memory MB | reachprobe : this |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    rows = [
        f"| {name} | {one['cpu_ms_per_target']:.2f} | {one['cpu_ms_per_added_target']:.2f} | {one['wall_s']:.1f} "
        f"| {one['memory_mb']:.0f} | {one['reachprobe_to_this']:.2f} |"
        for name, one in found.items()
    ]
    missing = [f"{name}: cannot do this, or is not installed" for name in PROGRAMS if name not in found]
    return "\n".join([*head, *rows, *missing])


if __name__ == "__main__":
    main()
