"""A register of the real one's shape and size: import, the next version, look-ups; beside what one would use instead.

    python -m tests.bench.bench_registers [--entries 600000] [--folder DIR] [--pandas PYTHON]

Each step runs in a process of its own, so that its peak memory is its own. CPU is user and system time of that process.
Beside it, another process writes into the same database as a round does, and tells how long it had to wait at most.
`--pandas` is an interpreter that has pandas, which is no dependency of ours.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.large_register import counted, targets, write_dump

HEADS = ("2024-03-01 10:00:00", "2024-03-01 11:00:00")
AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
LOOKUPS = 10_000
CHANGES = 500


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


def make_dumps(folder: Path, entries: int) -> object:
    """Both versions as files, and how large the first is."""
    write_dump(folder / "dump1.csv", HEADS[0], range(entries))
    write_dump(folder / "dump2.csv", HEADS[1], range(CHANGES // 2, entries + CHANGES // 2))
    size = counted(folder / "dump1.csv")
    return (
        f"{size.rows} rows, {size.size >> 20} MiB of CSV; {size.names} different names and {size.addresses} different"
        f" addresses, {size.names + size.addresses} together, which stand there {size.standing} times"
    )


def import_dump(folder: Path, which: str) -> object:
    """Import one version into the database."""
    import sqlite_utils

    from results.registers import create_tables
    from results.registers.importing import ImportOptions, import_register

    db = sqlite_utils.Database(folder / "registers.db")
    db.enable_wal()
    create_tables(db)
    report = import_register(db, [folder / f"dump{which}.csv"], ImportOptions(name="rkn", country="RU"))
    db.close()
    return f"{report.rows} rows, +{report.added} -{report.removed}"


def look_up(folder: Path, entries: int) -> object:
    """LOOKUPS expectations at a date."""
    import sqlite_utils

    from results.registers.expectation import RegisterLookup

    wanted = targets(int(entries), LOOKUPS)
    db = sqlite_utils.Database(folder / "registers.db")
    cpu = time.process_time()
    lookup = RegisterLookup(db, country="RU", at=AT)
    listed = sum(bool(lookup.expect(target).listed) for target in wanted)
    each = (time.process_time() - cpu) / len(wanted)
    db.close()
    return f"{each * 1e6:.0f} µs CPU each, {listed} of {len(wanted)} listed"


def with_grep(folder: Path, entries: int) -> object:
    """A grep of the host in the dump, a few times."""
    hosts = [target.split("/")[2] if "//" in target else target for target in targets(int(entries), 20)]
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
    hosts = [target.split("/")[2] if "//" in target else target for target in targets(int(entries), LOOKUPS)]
    cpu = time.process_time()
    listed = sum(host in by_name for host in hosts)
    each = (time.process_time() - cpu) / len(hosts)
    return f"{each * 1e6:.1f} µs CPU each once loaded, {listed} listed; exact names only, no dates"


def with_like(folder: Path, entries: int) -> object:
    """The rows as text in SQLite, and LIKE."""
    import sqlite3

    hosts = [target.split("/")[2] if "//" in target else target for target in targets(int(entries), 20)]
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
    "(made up)": make_dumps,
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
        print("| step | CPU s | wall s | peak MB | others wait s | what |\n|---|---|---|---|---|---|")
        database = folder / "registers.db"
        for step in STEPS:
            python = options.pandas if step == "pandas" else sys.executable
            command = [python, "-m", "tests.bench.bench_registers", "--step", step]
            command += ["--folder", str(folder), "--entries", str(options.entries)]
            said, waited = beside_a_writer(command, database)
            found = json.loads(said)
            numbers = f"{found['cpu_s']} | {found['wall_s']} | {found['peak_mb']} | {waited:.2f}"
            print(f"| {step} | {numbers} | {found['answer']} |", flush=True)
        print(f"\nthe database: {database.stat().st_size >> 20} MiB")


if __name__ == "__main__":
    main()
