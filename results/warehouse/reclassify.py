"""Judging everything again by today's rules, in parallel processes: a new version beside the old, and what changed.

Work is cut by day and target, which is how the rows lie. This process reads and writes; the others judge what they are
sent, so that it does not matter whether an engine lets several processes in.
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

from results.judge.judged import JudgedMeasurement
from results.warehouse import parquet, queries
from results.warehouse.batch import table_of
from results.warehouse.client import sql
from results.warehouse.ddl import literal, quoted
from results.warehouse.rows import finished_of
from results.warehouse.schema import LOADS, VERDICTS, observations

if TYPE_CHECKING:
    from results.db.store import Judge
    from results.warehouse.engine import Engine

AT_ONCE = 2000
"""Measurements in a piece of work, about: those of one day and target are never torn apart."""
LOOKED_BACK = timedelta(days=2)
"""How much older a recorded control may be."""
RUN = "reclassify"
DAYS = 'SELECT "day", "target", count(*) AS n FROM "verdicts" GROUP BY "day", "target" ORDER BY "day", "target"'

Change = tuple[str, str | None, str, str | None, str]
"""Outcome and method as they were, as they are now, and the rule that made them so."""


class Piece(msgspec.Struct):
    """What a judging process is sent: rows as Arrow streams."""

    version: int
    verdicts: bytes
    steps: bytes
    recorded: bytes
    blobs: bytes


class Judged(msgspec.Struct):
    """What comes back: how many were judged, the rows of those that changed, and how."""

    measurements: int
    rows: bytes
    changes: Counter[Change]


class Reclassified(msgspec.Struct):
    """How far it is: measurements judged, of how many rows, and what changed so far."""

    version: int
    measurements: int
    total: int
    changes: Counter[Change]


def reclassify(
    engine: Engine, clock: Callable[[], datetime], *, workers: int, fingerprints: Path | None = None
) -> Iterator[Reclassified]:
    """Judge all of it, each piece stored before it is told. `fingerprints`: the database beside which they lie."""
    newest = engine.ask(f'SELECT max("version") AS newest FROM {quoted(VERDICTS.name)}').to_pylist()[0]["newest"] or 0  # noqa: S608
    pieces = list(_cut(engine.ask(DAYS).to_pylist()))
    so_far = Reclassified(newest + 1, 0, sum(n for _, _, n in pieces), Counter())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(fingerprints,)) as pool:
        waiting: deque[Future[Judged]] = deque()
        for day, targets, _ in pieces:
            waiting.append(pool.submit(judge_piece, _piece(engine, newest, day, targets)))
            if len(waiting) > 2 * workers:
                _keep(engine, waiting.popleft().result(), so_far, clock)
                yield so_far
        while waiting:
            _keep(engine, waiting.popleft().result(), so_far, clock)
            yield so_far


def _cut(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[date, list[str], int]]:
    """Days and targets, together as many as are judged at once."""
    targets: list[str] = []
    day, count = None, 0
    for row in rows:
        if targets and (row["day"] != day or count + row["n"] > AT_ONCE):
            yield day, targets, count  # type: ignore[misc]
            targets, count = [], 0
        day, count = row["day"], count + row["n"]
        targets.append(row["target"])
    if targets:
        yield day, targets, count  # type: ignore[misc]


def _piece(engine: Engine, newest: int, day: date, targets: Sequence[str]) -> Piece:
    current = queries.judged(newest)
    rows = current.filter(current.day == day, current.target.isin(targets))
    verdicts = parquet.fitted(engine.ask(sql(rows, engine.dialect)), VERDICTS)
    named = ", ".join(literal(target, engine.dialect) for target in targets)
    steps = _steps(engine, f'"day" = \'{day.isoformat()}\' AND "target" IN ({named})')
    recorded = {
        one for text in verdicts["context"].to_pylist() if text and '"recorded"' in text for one in _recorded(text)
    }
    others = _recorded_rows(engine, sorted(recorded), day)
    ids = [literal(one, engine.dialect) for one in others["id"].to_pylist()]
    if ids:
        more = f"\"day\" BETWEEN '{(day - LOOKED_BACK).isoformat()}' AND '{day.isoformat()}'"
        steps = pa.concat_tables([steps, _steps(engine, f'{more} AND "measurement" IN ({", ".join(ids)})')])
    hashes = sorted(parquet.named(steps))
    months = {day.replace(day=1), (day - LOOKED_BACK).replace(day=1)}
    blobs = [parquet.blobs(engine, hashes[n : n + 500], month) for month in months for n in range(0, len(hashes), 500)]
    content = pa.concat_tables(blobs) if blobs else parquet.blobs(engine, ["none"], day)
    return Piece(newest + 1, _bytes(verdicts), _bytes(steps), _bytes(others), _bytes(content))


def _steps(engine: Engine, where: str) -> pa.Table:
    table = observations()
    columns = ", ".join(map(quoted, table.names))
    query = f'SELECT {columns} FROM {quoted(table.name)} WHERE {where} ORDER BY "measurement", "place"'  # noqa: S608
    return parquet.fitted(engine.ask(query), table)


def _recorded_rows(engine: Engine, ids: Sequence[str], day: date) -> pa.Table:
    """The measurements of other vantages that served as controls, as far as they are there."""
    named = ", ".join(literal(one, engine.dialect) for one in ids) or "''"
    when = f"\"day\" BETWEEN '{(day - LOOKED_BACK).isoformat()}' AND '{day.isoformat()}'"
    query = f'SELECT * FROM {quoted(VERDICTS.name)} WHERE {when} AND "version" = 0 AND "id" IN ({named})'  # noqa: S608
    return parquet.fitted(engine.ask(query), VERDICTS)


def _recorded(context: str) -> Sequence[str]:
    return msgspec.json.decode(context, type=_Context).recorded


class _Context(msgspec.Struct):
    recorded: tuple[str, ...] = ()


def _keep(engine: Engine, judged: Judged, so_far: Reclassified, clock: Callable[[], datetime]) -> None:
    so_far.measurements += judged.measurements
    so_far.changes += judged.changes
    mark = (RUN, so_far.version, so_far.measurements, _rules(), so_far.changes.total(), clock().replace(tzinfo=None))
    with engine.together():
        engine.insert(VERDICTS, _table(judged.rows))
        engine.insert(LOADS, table_of(LOADS, [mark])[0])


def _rules() -> str:
    from results.judge.rules import rules_version

    return rules_version()


_judge: Judge | None = None


def _begin(fingerprints: Path | None) -> None:
    """In a judging process, once."""
    global _judge
    from results.fingerprints.collection import library_of
    from results.warehouse.classify import judge_by

    _judge = judge_by(library_of(fingerprints) if fingerprints is not None else None)


def judge_piece(piece: Piece) -> Judged:
    """In a judging process: the rows of what is now judged otherwise, under the new version."""
    assert _judge is not None
    rows, recorded = _table(piece.verdicts).to_pylist(), {row["id"]: row for row in _table(piece.recorded).to_pylist()}
    steps: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for step in _table(piece.steps).to_pylist():
        steps[step["measurement"]].append(step)
    blobs = {row["sha256"]: row["content"] for row in _table(piece.blobs).to_pylist()}
    made: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["control_of"] is not None:
            made[row["control_of"]].append(row)
    changes: Counter[Change] = Counter()
    changed, judged = [], 0
    for row in rows:
        if row["control_of"] is None and row["outcome"] is not None:
            named = _recorded(row["context"] or "{}")
            controls = [*made[row["id"]], *(recorded[one] for one in named if one in recorded)]
            old = finished_of(row, steps, controls, blobs)
            new = _judge(old)
            judged += 1
            if _concluded(new) != _concluded(old):
                changed.append(_new(row, new, piece.version))
                was, now = old.verdict, new.verdict
                changes[was.outcome, was.method, now.outcome, now.method, " ".join(now.rules)] += 1
    made_of = [tuple(row[name] for name in VERDICTS.names) for row in changed]
    return Judged(judged, _bytes(table_of(VERDICTS, made_of)[0]), changes)


def _concluded(finished: JudgedMeasurement) -> tuple[Any, ...]:
    """What a verdict says, by whatever version of the rules."""
    return msgspec.structs.replace(finished.verdict, rules_version=""), finished.agreement


def _new(row: dict[str, Any], new: JudgedMeasurement, version: int) -> dict[str, Any]:
    from results.db.write import sparse, to_json

    verdict = new.verdict
    return row | {
        "version": version,
        "context": sparse(new.context),
        "outcome": verdict.outcome,
        "method": verdict.method,
        "trigger": verdict.trigger,
        "confidence": verdict.confidence,
        "rules": to_json(verdict.rules),
        "evidence": to_json(verdict.evidence),
        "control": verdict.control,
        "rules_version": verdict.rules_version,
        "agreement": new.agreement,
    }


def _bytes(table: pa.Table) -> bytes:
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return bytes(out.getvalue())


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
