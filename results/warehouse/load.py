"""Loads databases, record files, Parquet and folders of these into a warehouse.

Each batch is stored with the position reached, so an interrupted load resumes; rows read twice are stored once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

import msgspec

from probe.text import printable
from results import ooni
from results.compare.sources import COMPRESSED_ENDINGS, ENDINGS, is_database, no_results
from results.db.jsonl import BadFile, BadRecord, decode, reason, records
from results.export import exchange
from results.fingerprints.library import Library, builtin_library
from results.judge.classify import classify
from results.judge.judged import JudgedMeasurement, agreement, cause_of
from results.warehouse import from_database, parquet
from results.warehouse.errors import WarehouseError
from results.warehouse.parquet import FilePath, filesystem_errors, open_path
from results.warehouse.rows import Batch, LoadSource, RecordRows, add_rows, source_key, to_arrow
from results.warehouse.schema import BLOBS, LOADS, VERDICTS, observations, sql_literal

if TYPE_CHECKING:
    from results.db.store import Judge
    from results.warehouse.engine import Engine

RECORDS_PER_BATCH = 500
DATABASE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
RECORD_SUFFIXES = tuple(end for end in ENDINGS if end not in DATABASE_SUFFIXES)
OONI_ARCHIVE_PATH = re.compile(r"(?:^|/)(?:raw/)?[0-9]{8}/[0-9]{2}/[A-Z]{2}/(?P<test>[a-z_]+)/[^/]+\.jsonl\.gz$")
"""Paths of https://github.com/ooni/data, such as raw/20261124/07/RU/webconnectivity/….jsonl.gz."""
READABLE_TEST = "webconnectivity"


class LoadedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of a load after one batch."""

    source: str
    position: int
    total: int | None
    measurements: int
    """Measurements in this batch."""
    skipped: int = 0
    why: str | None = None


class SourcePosition(msgspec.Struct, frozen=True):
    """How far a source was read; `number` counts its batches."""

    number: int = 0
    position: int = 0
    mark: str = ""


def load_source(engine: Engine, source: LoadSource, clock: Callable[[], datetime]) -> Iterator[LoadedBatch]:
    """Load what is new in a source; each batch is durable before it is yielded."""
    position = stored_position(engine, source.key)
    for batch in source.read(position.position, position.mark):
        position = SourcePosition(position.number + 1, batch.position, batch.mark)
        with engine.transaction():
            for table, rows in batch.tables:
                engine.insert(table, rows)
            # Last: without transactions, a stored position must imply stored rows.
            engine.insert(LOADS, to_arrow(LOADS, [_row(source.key, position, batch, clock())])[0])
        yield LoadedBatch(
            source=source.name,
            position=batch.position,
            total=batch.total,
            measurements=batch.measurements,
            skipped=batch.skipped,
            why=batch.why,
        )


def stored_position(engine: Engine, key: str) -> SourcePosition:
    """How far the source with this key was read."""
    where = f"source = {sql_literal(key, engine.dialect)}"
    query = f"SELECT number, position, mark FROM {LOADS.name} WHERE {where} ORDER BY number DESC LIMIT 1"  # noqa: S608
    found = engine.query(query).to_pylist()
    return SourcePosition(**found[0]) if found else SourcePosition()


def _row(key: str, position: SourcePosition, batch: Batch, at: datetime) -> tuple[Any, ...]:
    return key, position.number, batch.position, batch.mark, batch.measurements, at.replace(tzinfo=None)


class OoniLine(msgspec.Struct):
    """The field that only OONI's records have."""

    test_name: str | None = None


class ReadableFile(Protocol):
    """A local or remote file."""

    def open(self, mode: str) -> BinaryIO: ...


def record_batches(file: ReadableFile | Path, judge: Judge, position: int = 0, mark: str = "") -> Iterator[Batch]:
    """Batches after line `position` if the first line's SHA-256 is still `mark`, else from the start. Raises
    WarehouseError for an unreadable file. Each record is judged again by today's rules."""
    errors: list[str] = []
    rows, count, number, first = RecordRows([], [], []), 0, 0, ""
    try:
        for number, line in records(cast(Path, file)):
            if not first:
                first = hashlib.sha256(line[:4096]).hexdigest() if isinstance(line, bytes) else "none"
                position = position if first == mark else 0
            if number <= position:
                continue
            count += _add_line(line, judge, rows, errors)
            if count + len(errors) >= RECORDS_PER_BATCH:
                yield _record_batch(rows, errors, number, first)
                rows, errors, count, position = RecordRows([], [], []), [], 0, number
        if number > position:
            yield _record_batch(rows, errors, number, first)
    except BadFile as error:
        raise WarehouseError(str(error)) from error


def _add_line(line: bytes | BadRecord, judge: Judge, rows: RecordRows, errors: list[str]) -> int:
    """Add the rows of one line; return the number of measurements added."""
    try:
        if isinstance(line, BadRecord):
            raise line
        if exchange.is_header(line):
            return 0
        is_ooni = decode(line, OoniLine).test_name is not None
        finished, round_ = ooni.read_line(line) if is_ooni else exchange.read_line(line)
        add_rows(rows, judge(finished), round_)
    except (BadRecord, ValueError) as error:
        errors.append(printable(reason(error)))
        return 0
    return 1


def _record_batch(rows: RecordRows, errors: list[str], position: int, mark: str) -> Batch:
    tables = []
    for table, table_rows in ((BLOBS, rows.blobs), (observations(), rows.observations), (VERDICTS, rows.verdicts)):
        arrow_table, row_errors = to_arrow(table, table_rows)
        tables.append((table, arrow_table))
        errors = errors + row_errors
    return Batch(
        tables=tables,
        measurements=len(rows.verdicts),
        position=position,
        mark=mark,
        skipped=len(errors),
        why=errors[0] if errors else None,
    )


def find_sources(where: str, judge: Judge) -> Iterator[LoadSource]:
    """Every source at a path or URL; `judge` judges records. Raises WarehouseError if there is none."""
    at = open_path(where)
    with filesystem_errors(at):
        if not at.is_folder():
            if not at.exists():
                raise WarehouseError(_("{path}: no such file or folder").format(path=where))
            yield _source(at, judge)
            return
        found = False
        for file in at.files():
            if _is_read(file.path):
                found = True
                yield _source(file, judge)
        if not found:
            raise WarehouseError(no_results(where, ".parquet"))


def _is_read(path: str) -> bool:
    """Whether the name is one we read; from OONI's archive only the supported test."""
    archived = OONI_ARCHIVE_PATH.search(path)
    if archived is not None:
        return archived["test"] == READABLE_TEST
    plain = next((path.removesuffix(end) for end in COMPRESSED_ENDINGS if path.endswith(end)), path)
    return plain.endswith((*RECORD_SUFFIXES, *DATABASE_SUFFIXES)) or path.endswith(".parquet")


def _source(file: FilePath, judge: Judge) -> LoadSource:
    if file.path.endswith(".parquet"):
        return LoadSource(str(file), source_key(str(file)), partial(parquet.parquet_batches, file))
    local = Path(file.path) if "file" in file.system.protocol else None
    if local is not None and is_database(local):
        return from_database.database_source(local)
    return LoadSource(str(local or file), source_key(str(file)), partial(record_batches, file, judge))


def make_judge(library: Library | None = None) -> Judge:
    """A judge with these fingerprints, by default the built-in ones. The expectation is the one stored with each
    measurement, because a warehouse holds no registers."""
    library = library or builtin_library()

    def judge(finished: JudgedMeasurement) -> JudgedMeasurement:
        verdict = classify(finished.measurement, finished.controls, finished.context, library)
        return msgspec.structs.replace(
            finished,
            context=msgspec.structs.replace(finished.context, fingerprints=library.digest),
            verdict=verdict,
            agreement=agreement(finished.expectation, verdict.outcome, cause_of(verdict)),
        )

    return judge
