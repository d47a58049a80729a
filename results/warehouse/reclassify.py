"""Reclassifies a warehouse by today's rules and stores changed verdicts under a new version.

Work is split by day and target, the sort order of the rows. This process reads and writes the warehouse, since an
engine may admit a single process; worker processes judge.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from results.db.write import sparse, verdict_fields
from results.fingerprints.collection import library_of
from results.judge.judged import JudgedMeasurement
from results.judge.rules import rules_version
from results.warehouse import parquet, queries
from results.warehouse.load import make_judge
from results.warehouse.queries import to_sql
from results.warehouse.rows import to_arrow, to_finished
from results.warehouse.schema import LOADS, VERDICTS, observations, quoted_name, sql_literal

if TYPE_CHECKING:
    from results.db.store import Judge
    from results.warehouse.engine import Engine

MEASUREMENTS_PER_TASK = 2000
"""Approximate: the measurements of one day and target stay together."""
CONTROL_LOOKBACK = timedelta(days=2)
"""Maximum age of a recorded control, relative to the measurement."""
LOAD_NAME = "reclassify"
TARGETS_BY_DAY = (
    'SELECT "day", "target", count(*) AS n FROM "verdicts" GROUP BY "day", "target" ORDER BY "day", "target"'
)

VerdictChange = tuple[str, str | None, str, str | None, str]
"""Outcome and method before, outcome and method now, and the deciding rules."""


class ReclassifyTask(msgspec.Struct):
    """Input of a worker process: rows as Arrow streams."""

    version: int
    verdicts: bytes
    steps: bytes
    recorded: bytes
    blobs: bytes


class TaskResult(msgspec.Struct):
    """Output of a worker process: measurements judged, rows and counts of changed verdicts."""

    measurements: int
    rows: bytes
    changes: Counter[VerdictChange]


class ReclassifyProgress(msgspec.Struct):
    """Progress: measurements judged, rows in total, and changes so far."""

    version: int
    measurements: int
    total: int
    changes: Counter[VerdictChange]


def reclassify(
    engine: Engine, clock: Callable[[], datetime], *, workers: int, fingerprints: Path | None = None
) -> Iterator[ReclassifyProgress]:
    """Reclassify everything; results are stored before they are yielded. `fingerprints`: path of the database whose
    fingerprints apply."""
    newest = engine.query(queries.NEWEST_VERSION).to_pylist()[0]["newest"] or 0
    batches = list(_split(engine.query(TARGETS_BY_DAY).to_pylist()))
    progress = ReclassifyProgress(newest + 1, 0, sum(n for _, _, n in batches), Counter())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(fingerprints,)) as pool:
        pending: deque[Future[TaskResult]] = deque()
        for day, targets, _ in batches:
            pending.append(pool.submit(judge_task, _make_task(engine, newest, day, targets)))
            if len(pending) > 2 * workers:
                _store(engine, pending.popleft().result(), progress, clock)
                yield progress
        while pending:
            _store(engine, pending.popleft().result(), progress, clock)
            yield progress


def _split(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[date, list[str], int]]:
    """Days with targets and their number of measurements, one item for each task."""
    targets: list[str] = []
    day, count = None, 0
    for row in rows:
        if targets and (row["day"] != day or count + row["n"] > MEASUREMENTS_PER_TASK):
            yield day, targets, count  # type: ignore[misc]
            targets, count = [], 0
        day, count = row["day"], count + row["n"]
        targets.append(row["target"])
    if targets:
        yield day, targets, count  # type: ignore[misc]


def _make_task(engine: Engine, newest: int, day: date, targets: Sequence[str]) -> ReclassifyTask:
    current = queries.current_verdicts(newest)
    rows = current.filter(current.day == day, current.target.isin(targets))
    verdicts = parquet.fit_to_schema(engine.query(to_sql(rows, engine.dialect)), VERDICTS)
    listed = ", ".join(sql_literal(target, engine.dialect) for target in targets)
    steps = _steps(engine, f'"day" = \'{day.isoformat()}\' AND "target" IN ({listed})')
    contexts = [text for text in verdicts["context"].to_pylist() if text and '"recorded"' in text]
    recorded = _recorded_rows(engine, sorted({control for text in contexts for control in _recorded_ids(text)}), day)
    ids = [sql_literal(control, engine.dialect) for control in recorded["id"].to_pylist()]
    if ids:
        days = f"\"day\" BETWEEN '{(day - CONTROL_LOOKBACK).isoformat()}' AND '{day.isoformat()}'"
        steps = pa.concat_tables([steps, _steps(engine, f'{days} AND "measurement" IN ({", ".join(ids)})')])
    hashes = parquet.blob_hashes(steps)
    months = {day.replace(day=1), (day - CONTROL_LOOKBACK).replace(day=1)}
    blobs = pa.concat_tables([parquet.read_blobs(engine, hashes, month) for month in months])
    return ReclassifyTask(newest + 1, _bytes(verdicts), _bytes(steps), _bytes(recorded), _bytes(blobs))


def _steps(engine: Engine, where: str) -> pa.Table:
    table = observations()
    columns = ", ".join(map(quoted_name, table.names))
    query = f'SELECT {columns} FROM {quoted_name(table.name)} WHERE {where} ORDER BY "measurement", "place"'  # noqa: S608
    return parquet.fit_to_schema(engine.query(query), table)


def _recorded_rows(engine: Engine, ids: Sequence[str], day: date) -> pa.Table:
    """Stored measurements of other vantage points that served as controls."""
    listed = ", ".join(sql_literal(control, engine.dialect) for control in ids) or "''"
    days = f"\"day\" BETWEEN '{(day - CONTROL_LOOKBACK).isoformat()}' AND '{day.isoformat()}'"
    query = f'SELECT * FROM {quoted_name(VERDICTS.name)} WHERE {days} AND "version" = 0 AND "id" IN ({listed})'  # noqa: S608
    return parquet.fit_to_schema(engine.query(query), VERDICTS)


def _recorded_ids(context: str) -> Sequence[str]:
    return msgspec.json.decode(context, type=_RecordedControls).recorded


class _RecordedControls(msgspec.Struct):
    """The part of a stored context that names recorded controls."""

    recorded: tuple[str, ...] = ()


def _store(engine: Engine, judged: TaskResult, progress: ReclassifyProgress, clock: Callable[[], datetime]) -> None:
    progress.measurements += judged.measurements
    progress.changes += judged.changes
    mark = (
        LOAD_NAME,
        progress.version,
        progress.measurements,
        rules_version(),
        progress.changes.total(),
        clock().replace(tzinfo=None),
    )
    with engine.transaction():
        engine.insert(VERDICTS, _table(judged.rows))
        engine.insert(LOADS, to_arrow(LOADS, [mark])[0])


_judge: Judge | None = None


def _start_worker(fingerprints: Path | None) -> None:
    """Set up a worker process."""
    global _judge

    _judge = make_judge(library_of(fingerprints) if fingerprints is not None else None)


def judge_task(piece: ReclassifyTask) -> TaskResult:
    """Judge a task in a worker process; return the changed rows under the new version."""
    assert _judge is not None
    rows, recorded = _table(piece.verdicts).to_pylist(), {row["id"]: row for row in _table(piece.recorded).to_pylist()}
    steps: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for step in _table(piece.steps).to_pylist():
        steps[step["measurement"]].append(step)
    blobs = {row["sha256"]: row["content"] for row in _table(piece.blobs).to_pylist()}
    controls_of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["control_of"] is not None:
            controls_of[row["control_of"]].append(row)
    changes: Counter[VerdictChange] = Counter()
    changed, judged = [], 0
    for row in rows:
        if row["control_of"] is None and row["outcome"] is not None:
            ids = _recorded_ids(row["context"] or "{}")
            controls = [*controls_of[row["id"]], *(recorded[control] for control in ids if control in recorded)]
            old = to_finished(row, steps, controls, blobs)
            new = _judge(old)
            judged += 1
            if _conclusion(new) != _conclusion(old):
                changed.append(_changed_row(row, new, piece.version))
                was, now = old.verdict, new.verdict
                changes[was.outcome, was.method, now.outcome, now.method, " ".join(now.rules)] += 1
    values = [tuple(row[name] for name in VERDICTS.names) for row in changed]
    return TaskResult(judged, _bytes(to_arrow(VERDICTS, values)[0]), changes)


def _conclusion(finished: JudgedMeasurement) -> tuple[Any, ...]:
    """The verdict without its rules version, and the agreement."""
    return msgspec.structs.replace(finished.verdict, rules_version=""), finished.agreement


def _changed_row(row: dict[str, Any], new: JudgedMeasurement, version: int) -> dict[str, Any]:
    judged = {"version": version, "context": sparse(new.context), "agreement": new.agreement}
    return row | verdict_fields(new.verdict) | judged


def _bytes(table: pa.Table) -> bytes:
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return bytes(out.getvalue())


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
