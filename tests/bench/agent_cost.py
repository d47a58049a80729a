"""What the agent costs while nothing is due, and a look whether something is, with a register of the real one's size.

    python -m tests.bench.agent_cost [--entries 600000] [--minutes 5] [--watched 50] [--folder DIR]

A register in two versions is imported, of which the second newly lists the watched targets; the agent measures them on
a censored network on loopback, and is then left alone. CPU, wake-ups (voluntary context switches of every thread) and
memory are those of its own process, as Linux counts them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from schedules.config.load import load
from tests.bench.large_register import row
from tests.lab.network import LabNetwork

AGENT = (sys.executable, "-c", "from schedules.cli import main; main()")


class Spent(NamedTuple):
    """Of a process so far: CPU seconds, wake-ups, resident memory in MB, and how much of that is its own."""

    cpu_s: float
    wakes: int
    rss_mb: float
    own_mb: float


def spent(pid: int) -> Spent:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    wakes = sum(_status(task, "voluntary_ctxt_switches") for task in Path(f"/proc/{pid}/task").iterdir())
    process = Path(f"/proc/{pid}")
    return Spent(ticks, wakes, _status(process, "VmRSS") / 1024, _status(process, "RssAnon") / 1024)


def _status(folder: Path, name: str) -> int:
    lines = (folder / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def register(database: Path, folder: Path, entries: int, new: list[str]) -> None:
    """Two versions, a day apart; the second lists `new` as well."""
    from results.db.store import Store
    from results.registers.importing import ImportOptions, import_register

    now = datetime.now(UTC)
    rows = [f"{row(number)}\n" for number in range(entries)]
    added = [f"127.0.0.1;{name};;ФНС;1/2020;2020-01-01\n" for name in new]
    with closing(Store.open(database)) as store:
        for days_ago, lines in ((1, rows), (0, rows + added)):
            at = now - timedelta(days=days_ago, minutes=1)
            file = folder / "dump.csv"
            with file.open("w", encoding="cp1251", newline="") as text:
                text.write(f"Updated: {at:%Y-%m-%d %H:%M:%S} +0000\n")
                text.writelines(lines)
            import_register(store.db, [file], ImportOptions(name="rkn", country="RU", now=at))


def look(database: Path, config: Path) -> tuple[float, int]:
    """CPU milliseconds of one look at what is due, the best of five, and how many targets are wanted."""
    from results.db.store import Store
    from schedules.plan.due import due_now
    from schedules.plan.selection import planned_targets

    read = load(config, {}, {})
    with closing(Store.open(database)) as store:
        took = []
        for _ in range(5):
            begun = time.process_time()
            due_now(read, store, time.time())
            took.append(time.process_time() - begun)
        return min(took) * 1000, len(planned_targets(read, store))


async def main() -> None:
    options = _options()
    async with LabNetwork(timeout_s=5.0) as net:
        sites = [net.add_site(f"watched{number}.x.test") for number in range(options.watched)]
        with tempfile.TemporaryDirectory(dir=options.folder) as made:
            folder = Path(made)
            database, config = folder / "x.db", folder / "c.toml"
            await asyncio.to_thread(register, database, folder, options.entries, [site.name for site in sites])
            for targets in ([sites[0].url], [site.url for site in sites]):
                campaign = f'\n[[campaign]]\nname = "all"\nevery = "1d"\ntargets = {json.dumps(targets)}\n'
                config.write_text(net.config_toml() + campaign)
                await _agent(database, config, folder, options.minutes)


async def _agent(database: Path, config: Path, folder: Path, minutes: float) -> None:
    words = ("--config", str(config), "--db", str(database), "agent")
    environment = {**os.environ, "REACHPROBE_CONSENT": "yes", "STATE_DIRECTORY": str(folder)}
    agent = await asyncio.create_subprocess_exec(*AGENT, *words, stderr=asyncio.subprocess.PIPE, env=environment)
    try:
        assert agent.stderr is not None
        print((await agent.stderr.readline()).decode().rstrip())
        await asyncio.sleep(5)
        before = spent(agent.pid)
        await asyncio.sleep(60 * minutes)
        after = spent(agent.pid)
    finally:
        agent.terminate()
        await agent.wait()
    took, planned_targets = await asyncio.to_thread(look, database, config)
    an_hour = 60 / minutes
    print(
        f"{planned_targets} targets: start and round {before.cpu_s:.2f} s CPU; left alone "
        f"{(after.cpu_s - before.cpu_s) * an_hour:.2f} s CPU and {(after.wakes - before.wakes) * an_hour:.0f} wake-ups "
        f"an hour, {after.rss_mb:.1f} MB of which {after.own_mb:.1f} its own; a look {took:.2f} ms CPU"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=600_000)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--watched", type=int, default=50)
    parser.add_argument("--folder", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
