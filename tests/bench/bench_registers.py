"""A register of the real one's shape and size: import, the next version, look-ups; beside what one would use instead.

    python tests/bench/bench_registers.py [--entries 600000] [--folder DIR] [--pandas PYTHON]

Each step runs in a process of its own, so that its peak memory is its own. CPU is user and system time of that process.
Beside it, another process writes into the same database as a round does, and tells how long it had to wait at most.
`--pandas` is an interpreter that has pandas, which is no dependency of ours.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

HEADS = ("2024-03-01 10:00:00", "2024-03-01 11:00:00")
AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
LOOKUPS = 10_000
CHANGES = 500
AUTHORITIES = ("ФНС", "Роскомнадзор", "Генпрокуратура", "суд", "Мосгорсуд", "МВД", "Роспотребнадзор")
WORDS = ("casino", "slots", "film", "kino", "torrent", "shop", "news", "mir", "bet", "play", "online", "club", "vulkan")


def row(number: int) -> str:
    """Row `number`, always the same: half URLs, a third names, a tenth masks, some addresses and subnets alone."""
    dice = random.Random(number)
    name = f"{dice.choice(WORDS)}{dice.choice(WORDS)}-{number // 2}.{dice.choice(('com', 'ru', 'net', 'xyz', 'co.uk'))}"
    if dice.random() < 0.3:
        name = f"{dice.choice(('www', 'm', 'a1', 'forum'))}.{name}"
    shared = dice.choices((1, 2, 3, 8), (70, 20, 8, 2))[0]
    ips = " | ".join(
        f"{dice.choice((104, 172, 188, 5))}.{dice.randrange(32)}.{dice.randrange(256)}.{dice.randrange(256)}"
        for _ in range(shared)
    )
    decision = f"{AUTHORITIES[number // 2 % 7]};{number // 2}/2020;20{number // 2 % 10 + 14}-0{number // 2 % 9 + 1}-11"
    kind = dice.random()
    if kind < 0.5:
        return f"{ips};{name};http{'s' if kind < 0.3 else ''}://{name}/{dice.choice(WORDS)}/{number}.html;{decision}"
    if kind < 0.85:
        return f"{ips};{name};;{decision}"
    if kind < 0.97:
        return f"{ips};*.{name};;{decision}"
    if kind < 0.995:
        return f"{ips};;;{decision}"
    net = f"{dice.randrange(1, 223)}.{dice.randrange(256)}.{dice.randrange(0, 256, 16)}.0/{dice.choice((20, 24))}"
    return f"{net};;;{decision}"


def write_dump(path: Path, head: str, numbers: Iterator[int]) -> None:
    """A dump of these rows."""
    with path.open("w", encoding="cp1251", newline="") as file:
        file.write(f"Updated: {head} +0000\n")
        file.writelines(f"{row(number)}\n" for number in numbers)


def targets(entries: int) -> list[str]:
    """Half of them listed in some way, half not, in no order: names, addresses and URLs."""
    dice = random.Random(1)
    found = []
    for number in range(LOOKUPS):
        if number % 2:
            found.append(f"https://www.site{dice.randrange(10**6)}.example.org/page/{number}")
            continue
        ips, name, url, *_ = row(dice.randrange(entries)).split(";")
        found.append(url or name.replace("*.", "deep.below.") or ips.split(" | ")[0].partition("/")[0])
    return found


def measured(work: Callable[[], object]) -> dict[str, object]:
    """What the work answers, its CPU seconds, wall seconds, and this process's peak memory."""
    start, cpu = time.perf_counter(), time.process_time()
    answer = work()
    return {
        "answer": answer,
        "cpu_s": round(time.process_time() - cpu, 2),
        "wall_s": round(time.perf_counter() - start, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def import_dump(folder: Path, which: str) -> object:
    """Import one version into the database."""
    import sqlite_utils

    from results.registers import schema
    from results.registers.importing import import_register

    db = sqlite_utils.Database(folder / "registers.db")
    db.enable_wal()
    schema.create(db)
    report = import_register(db, [folder / f"dump{which}.csv"], name="rkn", country="RU")
    db.close()
    return f"{report.rows} rows, +{report.added} -{report.removed}"


def look_up(folder: Path, entries: int) -> object:
    """LOOKUPS expectations at a date."""
    import sqlite_utils

    from results.expectation import Lookup

    wanted = targets(int(entries))
    db = sqlite_utils.Database(folder / "registers.db")
    cpu = time.process_time()
    lookup = Lookup(db, country="RU", at=AT)
    listed = sum(bool(lookup.expect(target).listed) for target in wanted)
    each = (time.process_time() - cpu) / len(wanted)
    db.close()
    return f"{each * 1e6:.0f} µs CPU each, {listed} of {len(wanted)} listed"


def with_grep(folder: Path, entries: int) -> object:
    """A grep of the host in the dump, a few times."""
    hosts = [target.split("/")[2] if "//" in target else target for target in targets(int(entries))[:20]]
    start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    for host in hosts:
        subprocess.run(["grep", "-cF", host, str(folder / "dump2.csv")], stdout=subprocess.DEVNULL, check=False)
    each = (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - start) / len(hosts)
    return f"{each * 1e6:.0f} µs CPU each; names only, no masks, no dates"


def with_pandas(folder: Path, entries: int) -> object:
    """The dump in a data frame, and a dict by name."""
    try:
        import pandas as pd
    except ImportError:
        return "pandas is not installed here"
    frame = pd.read_csv(folder / "dump2.csv", sep=";", skiprows=1, header=None, encoding="cp1251", dtype=str)
    by_name: dict[str, list[int]] = {}
    for number, name in enumerate(frame[1]):
        by_name.setdefault(name, []).append(number)
    hosts = [target.split("/")[2] if "//" in target else target for target in targets(int(entries))]
    cpu = time.process_time()
    listed = sum(host in by_name for host in hosts)
    each = (time.process_time() - cpu) / len(hosts)
    return f"{each * 1e6:.1f} µs CPU each once loaded, {listed} listed; exact names only, no dates"


def with_like(folder: Path, entries: int) -> object:
    """The rows as text in SQLite, and LIKE."""
    import sqlite3

    hosts = [target.split("/")[2] if "//" in target else target for target in targets(int(entries))[:20]]
    db = sqlite3.connect(folder / "registers.db")
    cpu = time.process_time()
    for host in hosts:
        db.execute(
            "SELECT count(*) FROM register_entries WHERE names LIKE ? OR urls LIKE ?", (f"%{host}%",) * 2
        ).fetchone()
    each = (time.process_time() - cpu) / len(hosts)
    db.close()
    return f"{each * 1e6:.0f} µs CPU each"


STEPS: dict[str, Callable[..., object]] = {
    "import": lambda folder, _: import_dump(folder, "1"),
    "next version": lambda folder, _: import_dump(folder, "2"),
    "look-ups": look_up,
    "grep": with_grep,
    "pandas": with_pandas,
    "LIKE": with_like,
}


def beside_a_writer(command: list[str], database: Path) -> tuple[str, float]:
    """What the command prints, and the longest that another writer waited while it ran, in seconds."""
    writer = sqlite3.connect(database, timeout=600, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE IF NOT EXISTS written (at REAL)")
    longest = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            begun = time.perf_counter()
            writer.execute("INSERT INTO written VALUES (?)", (begun,))
            longest = max(longest, time.perf_counter() - begun)
            time.sleep(0.05)
        assert process.stdout is not None
        said = process.stdout.read()
    writer.close()
    if process.returncode:
        raise SystemExit(f"{command}: exit {process.returncode}")
    return said, longest


def main() -> None:
    """Run every step and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=600_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--pandas", default=sys.executable)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(measured(lambda: STEPS[options.step](options.folder, options.entries))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        write_dump(folder / "dump1.csv", HEADS[0], iter(range(options.entries)))
        write_dump(folder / "dump2.csv", HEADS[1], iter(range(CHANGES // 2, options.entries + CHANGES // 2)))
        print(f"{options.entries} entries, {(folder / 'dump1.csv').stat().st_size >> 20} MiB of CSV")
        print("| step | CPU s | wall s | peak MB | others wait s | what |\n|---|---|---|---|---|---|")
        database = folder / "registers.db"
        for step in STEPS:
            python = options.pandas if step == "pandas" else sys.executable
            command = [python, __file__, "--step", step, "--folder", str(folder), "--entries", str(options.entries)]
            said, waited = beside_a_writer(command, database)
            found = json.loads(said)
            numbers = f"{found['cpu_s']} | {found['wall_s']} | {found['peak_mb']} | {waited:.2f}"
            print(f"| {step} | {numbers} | {found['answer']} |", flush=True)
        print(f"\nthe database: {database.stat().st_size >> 20} MiB")


if __name__ == "__main__":
    main()
