"""`python -m tests.bench.warehouse [--rounds 120] [--folder DIR]`: a month of a fleet in DuckDB and chDB.

Beside this program's own SQLite, and pandas. The same rows (tests.bench.warehouse_rows) go into each, from the same
Parquet files, each in a process of its own; then each is asked everything three times, and the answers are held
against each other. Prints a table for docs/scale.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import pyarrow.parquet as pq

from results.aggregate.questions import Aggregates, Period

QUESTIONS = (
    "matrix", "agreement_over_time", "enforcement_delay", "unlisted_blocks", "collateral", "methods_by_network",
    "changes",
)  # fmt: skip
STORES = ("duckdb", "chdb", "sqlite", "pandas")
TIMES = 3
WEEK = Period(since="2026-10-20T00:00:00.000Z", until="2026-10-27T00:00:00.000Z")


def make(folder: Path, rounds: int) -> None:
    """The rows of every round as two Parquet files."""
    from tests.bench.warehouse_rows import Fleet
    from tests.three_weeks import make as three_weeks

    weeks = folder / "weeks"
    weeks.mkdir(parents=True)
    fleet = Fleet(three_weeks(weeks, together=True)[0])
    for number, (verdicts, steps) in enumerate(fleet.batches(rounds)):
        pq.write_table(verdicts, folder / f"verdicts-{number:03d}.parquet", compression="zstd")
        pq.write_table(steps, folder / f"steps-{number:03d}.parquet", compression="zstd")


def one(store: str, folder: Path) -> dict[str, Any]:
    """Load one of the stores and ask it; what was measured."""
    told = {"duckdb": _warehouse, "chdb": _warehouse, "sqlite": _sqlite, "pandas": _pandas}[store](store, folder)
    own = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"store": store, **told, "peak_mb": own // 1024}


def _batches(folder: Path) -> Any:
    for verdicts in sorted(folder.glob("verdicts-*.parquet")):
        steps = verdicts.with_name(verdicts.name.replace("verdicts", "steps"))
        yield pq.read_table(verdicts), pq.read_table(steps)


def _warehouse(store: str, folder: Path) -> dict[str, Any]:
    from results.warehouse.engine import open_engine
    from results.warehouse.queries import WarehouseAnswers
    from results.warehouse.rows import to_arrow
    from results.warehouse.schema import LOADS, VERDICTS, observations

    engine = open_engine(f"{store}://{folder}/{store}.warehouse")
    spent, rows = 0.0, 0
    for number, (verdicts, steps) in enumerate(_batches(folder), 1):
        began = time.perf_counter()
        position = ("bench", number, number, "", verdicts.num_rows, datetime.now(UTC).replace(tzinfo=None))
        with engine.transaction():
            engine.insert(observations(), steps.cast(_schema(observations())))
            engine.insert(VERDICTS, verdicts.cast(_schema(VERDICTS)))
            engine.insert(LOADS, to_arrow(LOADS, [position])[0])
        spent, rows = spent + time.perf_counter() - began, rows + steps.num_rows
    told = {"load_s": spent, "observations": rows, **_asked(WarehouseAnswers(engine))}
    told["bytes"] = engine.stored_bytes()
    engine.close()
    return told


def _schema(table: Any) -> Any:
    from results.warehouse.schema import arrow_schema

    return arrow_schema(table)


def _sqlite(store: str, folder: Path) -> dict[str, Any]:
    from results.aggregate.questions import SqliteAggregates
    from tests.bench.warehouse_others import Sqlite

    path = folder / "sqlite.db"
    sqlite, spent, rows = Sqlite(path), 0.0, 0
    for verdicts, steps in _batches(folder):
        began = time.perf_counter()
        sqlite.insert(verdicts, steps)
        spent, rows = spent + time.perf_counter() - began, rows + steps.num_rows
    began = time.perf_counter()
    connection = sqlite.close()
    spent += time.perf_counter() - began
    told = {"load_s": spent, "observations": rows, **_asked(SqliteAggregates(connection))}
    connection.close()
    return told | {"bytes": {"all": path.stat().st_size}}


def _pandas(store: str, folder: Path) -> dict[str, Any]:
    from tests.bench.warehouse_others import Pandas

    began = time.perf_counter()
    frame = Pandas(sorted(folder.glob("verdicts-*.parquet")))
    spent = time.perf_counter() - began
    files = {kind: sum(f.stat().st_size for f in folder.glob(f"{kind}-*.parquet")) for kind in ("verdicts", "steps")}
    return {"load_s": spent, "observations": 0, **_asked(frame, week=False), "bytes": files}


def _asked(answers: Aggregates, *, week: bool = True) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    digests: dict[str, str] = {}
    for name in QUESTIONS:
        ask: Callable[[Period], list[Any]] = getattr(answers, name)
        for shown, period in ((name, Period()), *(((f"{name}, a week", WEEK),) if week else ())):
            took = []
            for _ in range(TIMES):
                began = time.perf_counter()
                rows = ask(period)
                took.append(time.perf_counter() - began)
                if took[-1] > 60:
                    break
            seconds[shown] = median(took)
            digests[shown] = f"{len(rows)} {hashlib.sha256(msgspec.json.encode(rows)).hexdigest()[:16]}"
            print(f"  {shown}: {seconds[shown]:.2f} s, {digests[shown]}", file=sys.stderr, flush=True)
    return {"seconds": seconds, "rows": digests}


def table(found: dict[str, dict[str, Any]]) -> str:
    """What is shown in docs/scale.md."""
    lines = ["| | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]

    def row(what: str, told: Callable[[dict[str, Any]], str]) -> None:
        lines.append(f"| {what} | " + " | ".join(told(one) for one in found.values()) + " |")

    row(
        "loading, observations a second",
        lambda one: (
            f"{one['observations'] / one['load_s']:,.0f}" if one["observations"] else f"({one['load_s']:.0f} s)"
        ),
    )
    total = max(one["observations"] for one in found.values())
    row("bytes per observation, its verdict with it", lambda one: f"{sum(one['bytes'].values()) / total:.1f}")
    row("most memory, MB", lambda one: f"{one['peak_mb']:,}")
    for name in next(iter(found.values()))["seconds"]:
        row(name, lambda one, name=name: f"{one['seconds'][name]:.2f} s" if name in one["seconds"] else "")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=120)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=STORES, action="append")
    parser.add_argument("--one", choices=STORES)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one, given.folder)))
        return
    folder = given.folder or Path(tempfile.mkdtemp(prefix="warehouse-bench-"))
    if not list(folder.glob("verdicts-*.parquet")):
        make(folder, given.rounds)
    found: dict[str, dict[str, Any]] = {}
    for store in given.only or STORES:
        print(store, file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "tests.bench.warehouse", "--one", store, "--folder", str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        found[store] = json.loads(done.stdout)
        print(json.dumps(found[store]), file=sys.stderr, flush=True)
    print(table(found))
    first = next(iter(found.values()))["rows"]
    for store, told in found.items():
        other = [name for name, digest in told["rows"].items() if digest != first[name]]
        print(f"{store}: {'the same answers' if not other else 'OTHER answers: ' + ', '.join(other)}")


if __name__ == "__main__":
    main()
