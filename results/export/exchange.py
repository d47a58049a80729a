"""Measurements in files: our own JSONL and OONI's format, in and out; flat tables as CSV and Parquet, out only.

A JSONL line is the documented row with the whole record under `record`. Importing is idempotent by measurement id, and
imports are judged by our own rules. Where an id is taken by another measurement, both are kept: one gets an id made
from its content, chosen so that the result does not depend on the order of imports.
"""

from __future__ import annotations

import csv
import io
import sqlite3
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from gettext import gettext as _
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from probe.model import Measurement, Vantage
from probe.temporary_files import unfinished
from results.db import json_codec
from results.db import read as loading
from results.db import write as saving
from results.db.json_codec import from_plain, to_plain
from results.db.jsonl import BadFile, BadRecord, decode, records
from results.judge.judged import JudgedMeasurement, RoundRecord, agreement, cause_of
from results.ooni.format import identifier

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.db.store import Judge, Store

Read = Callable[[bytes], tuple[JudgedMeasurement, RoundRecord | None]]
Split = Callable[[bytes], Iterable[bytes]]
"""The records that one line holds, each as a line."""
Write = Callable[[JudgedMeasurement, RoundRecord | None], bytes]
Repeats = list[tuple[str, str]]
"""Ids: of a measurement, and of the one that it repeats."""
RECORD, HEADER = "record", "header"
COLUMNS: dict[str, str] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["columns"]
"""Columns of the flat table, with DuckDB's types."""
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


class ImportedRecord(msgspec.Struct, frozen=True):
    """A record as now stored, and whether it is new."""

    finished: JudgedMeasurement
    new: bool
    conflict: str | None = None
    """The id in the file, where another measurement has that, or had it until now."""
    moved: str | None = None
    """The new id of the other measurement, where that one was renamed."""
    path: Path | None = None
    """The file that it was read from."""


class SkippedLine(msgspec.Struct, frozen=True):
    """A line that was not read, and why; line 0 where the file as a whole could not be."""

    path: Path
    line: int
    why: str
    test: str | None = None
    """The test of OONI's that it is a record of, where only that is why."""


def read_line(line: bytes) -> tuple[JudgedMeasurement, RoundRecord | None]:
    """The record of one JSONL line. Raises BadRecord."""
    value = decode(line)
    if not isinstance(value, dict) or RECORD not in value:
        raise BadRecord("not a line of `results export --format jsonl`: no field {name}", name=RECORD)
    return from_plain(value[RECORD], line)


def write_line(finished: JudgedMeasurement, round_: RoundRecord | None) -> bytes:
    """One JSONL line: the documented row with the whole record."""
    return msgspec.json.encode(json_codec.row(finished) | {RECORD: to_plain(finished, round_)})


def write_header(licence: str, measurements: int | None) -> bytes:
    """The first line of a file whose data have a licence."""
    return msgspec.json.encode({"kind": HEADER, "licence": licence, "measurements": measurements})


def is_header(line: bytes) -> bool:
    """Whether a line is a header, not a record."""
    return line[:40].replace(b" ", b"").startswith(b'{"kind":"header"')


def export(store: Store, write: Write) -> Iterator[bytes]:
    """Every measurement, oldest first, each a line without its line feed."""
    for measurement_id in ids(store.db):
        yield line(store.db, measurement_id, write)


def ids(db: Database) -> list[str]:
    """The ids of all measurements, oldest first."""
    rows = db.execute("SELECT id FROM measurements WHERE control_of IS NULL ORDER BY started_at, id").fetchall()
    return [row[0] for row in rows]


def line(db: Database, measurement_id: str, write: Write) -> bytes:
    """One measurement, without its line feed."""
    finished = loading.finished(db, measurement_id)
    return write(finished, loading.round_of(db, finished.round_id))


def import_files(
    store: Store, paths: Iterable[Path], read: Read, judge: Judge, split: Split | None = None
) -> Iterator[ImportedRecord | SkippedLine]:
    """Store the records of files; each is committed before it is yielded."""
    yield from import_lines(store, _lines_of(paths, split), read, judge)


def _lines_of(paths: Iterable[Path], split: Split | None) -> Iterator[tuple[Path, int, bytes | BadRecord]]:
    for path in paths:
        try:
            for number, line in records(path):
                yield from ((path, number, part) for part in _parts(line, split))
        except BadFile as error:
            yield path, 0, BadRecord(str(error))


def _parts(line: bytes | BadRecord, split: Split | None) -> Iterator[bytes | BadRecord]:
    try:
        yield from [line] if isinstance(line, BadRecord) or split is None else split(line)
    except BadRecord as error:
        yield error


def import_lines(
    store: Store, lines: Iterable[tuple[Path, int, bytes | BadRecord]], read: Read, judge: Judge
) -> Iterator[ImportedRecord | SkippedLine]:
    """Store the records of lines, given with path and number; each is committed before it is yielded."""
    repeats: Repeats = []
    recorded: dict[tuple[str, Vantage], str] = {}
    for path, number, line in lines:
        try:
            if isinstance(line, BadRecord):
                raise line
            if is_header(line):
                continue
            taken = _import_record(store, *read(line), judge, repeats)
        except BadRecord as error:
            yield SkippedLine(path, number, error.shown(), getattr(error, "test", None))
            continue
        if (first := taken.finished.measurement.repeats) is not None:
            repeats.append((taken.finished.measurement.id, first))
        if taken.new and taken.finished.context.recording is not None:
            measurement = taken.finished.measurement
            series = measurement.target.text, measurement.vantage
            recorded[series] = min(recorded.get(series, measurement.started_at), measurement.started_at)
        yield msgspec.structs.replace(taken, path=path)
    for (target, vantage), since in recorded.items():  # what came in later may be from before
        store.judge_series(target, vantage, since, judge)
    _link(store, repeats)  # at the end: what a measurement repeats may come after it


def _import_record(
    store: Store, finished: JudgedMeasurement, round_: RoundRecord | None, judge: Judge, repeats: Repeats
) -> ImportedRecord:
    conflict = moved = None
    found = _stored(store.db, finished.measurement.id)
    if _is_taken(store.db, finished.measurement.id) and (found is None or not same(found, finished)):
        conflict = finished.measurement.id
        if found is not None and observed_json(finished) < observed_json(found):
            moved, found = _rename_stored(store, found, repeats), None
        else:
            finished = _renamed(finished)
            found = _stored(store.db, finished.measurement.id)
    if found is not None:
        again = msgspec.structs.replace(found.measurement, repeats=finished.measurement.repeats)
        return ImportedRecord(msgspec.structs.replace(found, measurement=again), new=False, conflict=conflict)
    for control in _made(finished):
        if _is_taken(store.db, control.id):
            raise BadRecord("another measurement has the id {id} already", id=control.id)
    judged = with_expectation_of(finished, judge(finished))
    if finished.context.recording is not None and judged.verdict.outcome == "blocked":
        judged = with_expectation_of(finished, judge(store.in_series(finished)))
    try:
        if round_ is not None and loading.round_of(store.db, round_.id) is None:
            store.save_round(round_)
        store.save([_without_link(judged)])
    except sqlite3.IntegrityError as error:
        raise BadRecord("contradicts stored data ({error})", error=error) from error
    return ImportedRecord(judged, new=True, conflict=conflict, moved=moved)


def _rename_stored(store: Store, found: JudgedMeasurement, repeats: Repeats) -> str:
    """Give a stored measurement another id, in one transaction; `repeats` restores its links."""
    name, db = found.measurement.id, store.db
    renamed = _renamed(found)
    later = db.execute(
        "SELECT id FROM measurements WHERE repeats = (SELECT number FROM measurements WHERE id = ?)", [name]
    )
    # Earlier notes under this id are about the renamed record, not about the one that takes its place.
    repeats[:] = [(renamed.measurement.id if later_id == name else later_id, first) for later_id, first in repeats]
    repeats.extend((row[0], name) for row in later.fetchall())
    if found.measurement.repeats is not None:
        repeats.append((renamed.measurement.id, found.measurement.repeats))
    with store.writing():
        db.execute("DELETE FROM measurements WHERE id = ?", [name])
        if not _is_taken(db, renamed.measurement.id):
            saving.save(db, saving.Ids(), [_without_link(renamed)])
    return renamed.measurement.id


def _without_link(finished: JudgedMeasurement) -> JudgedMeasurement:
    """Without the link to what it repeats: `_link` makes that once both are stored."""
    return msgspec.structs.replace(finished, measurement=msgspec.structs.replace(finished.measurement, repeats=None))


def _link(store: Store, repeats: Iterable[tuple[str, str]]) -> None:
    """Link each measurement to the one it repeats, if that has the same target and vantage."""
    with store.db.atomic():
        for later, first in repeats:
            store.db.execute(
                "UPDATE measurements AS l SET repeats = f.number FROM measurements f WHERE l.id = ? AND f.id = ?"
                " AND f.number <> l.number AND f.target_id = l.target_id AND f.vantage_id = l.vantage_id",
                [later, first],
            )


def with_expectation_of(finished: JudgedMeasurement, judged: JudgedMeasurement) -> JudgedMeasurement:
    """`judged` with the expectation of our own registers, else with that of the file."""
    expectation = finished.expectation
    if judged.expectation is not None or expectation is None:
        return judged
    agreed = agreement(expectation, judged.verdict.outcome, cause_of(judged.verdict))
    return msgspec.structs.replace(judged, expectation=expectation, agreement=agreed)


def same(stored: JudgedMeasurement, read: JudgedMeasurement) -> bool:
    """Whether two records have the same observations; context and verdict may differ."""
    return _observed(stored) == _observed(read)


def _observed(finished: JudgedMeasurement) -> tuple[Measurement, ...]:
    """A measurement and the controls made for it, without bodies: their hashes are always kept."""
    controls = sorted(_made(finished), key=lambda control: control.id)
    return tuple(map(_without_bodies, (finished.measurement, *controls)))


def _made(finished: JudgedMeasurement) -> tuple[Measurement, ...]:
    """The controls made for it, not those recorded by other vantage points."""
    return tuple(control for control in finished.controls if control.control_of == finished.measurement.id)


def _without_bodies(measurement: Measurement) -> Measurement:
    observations = tuple(
        msgspec.structs.replace(o, detail=msgspec.structs.replace(o.detail, body=None)) if o.step == "http" else o
        for o in measurement.observations
    )
    return msgspec.structs.replace(measurement, observations=observations, repeats=None)


def observed_json(finished: JudgedMeasurement) -> bytes:
    """The observations and those of its own controls, without bodies: the same bytes in every database."""
    return msgspec.json.encode(_observed(finished))


def _renamed(finished: JudgedMeasurement) -> JudgedMeasurement:
    """Under ids made from its content: the same record always gets the same ones."""
    content = observed_json(finished).decode()
    name = identifier("conflict", content)
    new = {control.id: identifier("conflict", content, control.id) for control in _made(finished)}
    countries = {new.get(key, key): country for key, country in finished.context.control_countries.items()}
    return msgspec.structs.replace(
        finished,
        measurement=msgspec.structs.replace(finished.measurement, id=name),
        controls=tuple(
            msgspec.structs.replace(control, id=new[control.id], control_of=name) if control.id in new else control
            for control in finished.controls
        ),
        context=msgspec.structs.replace(finished.context, control_countries=countries),
    )


def _stored(db: Database, measurement_id: str) -> JudgedMeasurement | None:
    """The measurement with exactly that id; None if missing or a control."""
    known = db.execute("SELECT 1 FROM measurements WHERE id = ? AND control_of IS NULL", [measurement_id]).fetchone()
    return loading.finished(db, measurement_id) if known else None


def _is_taken(db: Database, measurement_id: str) -> bool:
    return db.execute("SELECT 1 FROM measurements WHERE id = ?", [measurement_id]).fetchone() is not None


class NoParquet(ValueError):
    """Parquet cannot be written here; the message says what to install."""


def flat(row: Mapping[str, Any], licence: str | None = None) -> dict[str, Any]:
    """The documented row of a measurement with one value per column, absent ones None."""
    vantage, expectation = row["vantage"], row["expectation"] or {}
    named = {"vantage": vantage["name"], "licence": licence}
    named |= {"rules": " ".join(row["rules"]), "evidence": " | ".join(row["evidence"])}
    named |= {key: vantage[key] for key in ("country", "asn", "path")}
    return {name: named[name] if name in named else row.get(name, expectation.get(name)) for name in COLUMNS}


def csv_lines(rows: Iterable[Mapping[str, Any]], licence: str | None = None) -> Iterator[bytes]:
    """Header and rows, RFC 4180 with plain line feeds; an absent value is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for values in chain([COLUMNS], (map(without_formula, flat(row, licence).values()) for row in rows)):
        writer.writerow(values)
        yield out.getvalue().encode("utf-8", "replace")
        out.seek(0)
        out.truncate()


def without_formula(value: Any) -> Any:
    """A value, quoted where it is a text that a spreadsheet would run."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_PREFIXES) else value


def write_parquet(rows: Iterable[Mapping[str, Any]], path: Path, licence: str | None = None) -> int:
    """Write one Parquet file, the licence in its metadata too; returns the number of rows. Raises NoParquet, OSError.

    The rows pass through a temporary file, so memory use does not grow with their number.
    """
    try:
        import duckdb
    except ImportError as error:
        says = _("Parquet needs DuckDB: pip install 'reachprobe[parquet]'; --format csv and jsonl work without it")
        raise NoParquet(says) from error
    lines = unfinished(path, ".jsonl")
    count = 0
    try:
        with lines.open("xb") as out:
            for row in rows:
                out.write(msgspec.json.encode(flat(row, licence)) + b"\n")
                count += 1
        with duckdb.connect(config={"autoinstall_known_extensions": False}) as engine:
            columns = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in COLUMNS.items())
            about = f", KV_METADATA {{licence: {_quoted(licence)}}}" if licence else ""
            engine.execute(
                f"COPY (SELECT * FROM read_json({_quoted(str(lines))}, format = 'newline_delimited', "  # noqa: S608
                f"columns = {{{columns}}})) TO {_quoted(str(path))} (FORMAT parquet, COMPRESSION zstd{about})"
            )
    finally:
        lines.unlink(missing_ok=True)
    return count


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
