"""Measurements from one database to another: our own JSONL and OONI's format, in and out.

A line of our JSONL is the documented row, and under `record` the whole of it. Importing is idempotent by the
measurement's id, and what is imported is judged by our own rules, whatever the file says. Where an id is taken by
another measurement, both are kept: one under an id made from what it says. Which one depends on what they say alone, so
that whatever the order in which files come, the same is there in the end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from probe.model import Measurement
from results.db import read as loading
from results.db import write as saving
from results.db.json_codec import from_plain, row, to_plain
from results.db.jsonl import BadRecord, decode, records
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.ooni.vocabulary import identifier

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.db.store import Judge, Store

Read = Callable[[bytes], tuple[JudgedMeasurement, RoundRecord | None]]
Write = Callable[[JudgedMeasurement, RoundRecord | None], bytes]
Repeats = list[tuple[str, str]]
"""Ids: of a measurement, and of the one that it repeats."""
RECORD, HEADER = "record", "header"


class ImportedRecord(msgspec.Struct, frozen=True):
    """One record that was read, as now stored, and whether it is new."""

    finished: JudgedMeasurement
    new: bool
    conflict: str | None = None
    """The id that it came with, where another measurement has that, or had it until now."""
    moved: str | None = None
    """The id that the other one has by now, where it is the other one that gave way."""


class SkippedLine(msgspec.Struct, frozen=True):
    """One line that was not read, and why."""

    path: Path
    line: int
    why: str


def read_line(line: bytes) -> tuple[JudgedMeasurement, RoundRecord | None]:
    """One line of our own. BadRecord says why it is none."""
    value = decode(line)
    if not isinstance(value, dict) or RECORD not in value:
        raise BadRecord(f"not a line of `results export --format jsonl`: no {RECORD!r} in it")
    return from_plain(value[RECORD], line)


def write_line(finished: JudgedMeasurement, round_: RoundRecord | None) -> bytes:
    """The documented row, and with it the whole record."""
    line: dict[str, Any] = row(finished) | {RECORD: to_plain(finished, round_)}
    return msgspec.json.encode(line)


class Header(msgspec.Struct, kw_only=True):
    """The first line of a file that says under which licence its data are."""

    kind: str
    licence: str | None = None
    measurements: int | None = None


def write_header(licence: str, measurements: int | None) -> bytes:
    """The line before all others."""
    return msgspec.json.encode(Header(kind=HEADER, licence=licence, measurements=measurements))


def is_header(line: bytes) -> bool:
    """Whether a line is a header and no record."""
    return line[:40].replace(b" ", b"").startswith(b'{"kind":"header"')


def export(store: Store, write: Write) -> Iterator[bytes]:
    """Every measurement, oldest first, each a line without its line feed."""
    for measurement_id in ids(store.db):
        yield line(store.db, measurement_id, write)


def ids(db: Database) -> list[str]:
    """Of every measurement, oldest first."""
    found = db.execute("SELECT id FROM measurements WHERE control_of IS NULL ORDER BY started_at, id")
    return [row[0] for row in found.fetchall()]


def line(db: Database, measurement_id: str, write: Write) -> bytes:
    """One measurement, without its line feed."""
    finished = loading.finished(db, measurement_id)
    return write(finished, loading.round_of(db, finished.round_id))


def import_files(
    store: Store, paths: Iterable[Path], read: Read, judge: Judge
) -> Iterator[ImportedRecord | SkippedLine]:
    """Keep what the files hold; each record is committed before it is handed on. Raises BadFile."""
    lines = ((path, number, line) for path in paths for number, line in records(path))
    yield from import_lines(store, lines, read, judge)


def import_lines(
    store: Store, lines: Iterable[tuple[Path, int, bytes | BadRecord]], read: Read, judge: Judge
) -> Iterator[ImportedRecord | SkippedLine]:
    """Keep what these lines hold, each with where it stands; each record is committed before it is handed on."""
    repeats: Repeats = []
    for path, number, line in lines:
        try:
            if isinstance(line, BadRecord):
                raise line
            if is_header(line):
                continue
            taken = _import_record(store, *read(line), judge, repeats)
        except BadRecord as error:
            yield SkippedLine(path, number, str(error))
            continue
        if (first := taken.finished.measurement.repeats) is not None:
            repeats.append((taken.finished.measurement.id, first))
        yield taken
    # What a measurement repeats may have come after it.
    _link(store, repeats)


def _import_record(
    store: Store, finished: JudgedMeasurement, round_: RoundRecord | None, judge: Judge, repeats: Repeats
) -> ImportedRecord:
    conflict = moved = None
    found = _stored(store.db, finished.measurement.id)
    if _is_taken(store.db, finished.measurement.id) and (found is None or not same(found, finished)):
        conflict = finished.measurement.id
        if found is not None and _observed_text(finished) < _observed_text(found):
            moved, found = _rename_stored(store, found, repeats), None
        else:
            finished = _renamed(finished)
            found = _stored(store.db, finished.measurement.id)
    if found is not None:
        again = msgspec.structs.replace(found.measurement, repeats=finished.measurement.repeats)
        return ImportedRecord(msgspec.structs.replace(found, measurement=again), new=False, conflict=conflict)
    for control in _made(finished):
        if _is_taken(store.db, control.id):
            raise BadRecord(f"its control's id {control.id} is another measurement's")
    judged = with_expectation_of(finished, judge(finished))
    try:
        if round_ is not None and loading.round_of(store.db, round_.id) is None:
            store.save_round(round_)
        store.save([_without_link(judged)])
    except sqlite3.IntegrityError as error:
        raise BadRecord(f"it contradicts what is stored already ({error})") from error
    return ImportedRecord(judged, new=True, conflict=conflict, moved=moved)


def _rename_stored(store: Store, found: JudgedMeasurement, repeats: Repeats) -> str:
    """Give a stored measurement another id, in one transaction; its ties to others are made again by `repeats`."""
    name, db = found.measurement.id, store.db
    renamed = _renamed(found)
    later = db.execute(
        "SELECT id FROM measurements WHERE repeats = (SELECT number FROM measurements WHERE id = ?)", [name]
    )
    # What was noted of this id was of the record that now moves, not of the one that takes its place.
    repeats[:] = [(renamed.measurement.id if one == name else one, first) for one, first in repeats]
    repeats.extend((row[0], name) for row in later.fetchall())
    if found.measurement.repeats is not None:
        repeats.append((renamed.measurement.id, found.measurement.repeats))
    with store.writing():
        db.execute("DELETE FROM measurements WHERE id = ?", [name])
        if not _is_taken(db, renamed.measurement.id):
            saving.save(db, saving.Ids(), [_without_link(renamed)])
    return renamed.measurement.id


def _without_link(finished: JudgedMeasurement) -> JudgedMeasurement:
    """Without the link to what it repeats, which is made once that is there, and only where the two belong together."""
    return msgspec.structs.replace(finished, measurement=msgspec.structs.replace(finished.measurement, repeats=None))


def _link(store: Store, repeats: Iterable[tuple[str, str]]) -> None:
    """Tie each measurement to the one it repeats: of the same target and vantage, else it repeats nothing."""
    with store.db.atomic():
        for later, first in repeats:
            store.db.execute(
                "UPDATE measurements AS l SET repeats = f.number FROM measurements f WHERE l.id = ? AND f.id = ?"
                " AND f.number <> l.number AND f.target_id = l.target_id AND f.vantage_id = l.vantage_id",
                [later, first],
            )


def with_expectation_of(finished: JudgedMeasurement, judged: JudgedMeasurement) -> JudgedMeasurement:
    """Our registers' word where they have one, else what the file says that those of its origin said."""
    if judged.expectation is not None or finished.expectation is None:
        return judged
    from results.judge.judged import agreement

    said = finished.expectation
    agreed = agreement(said, judged.verdict.outcome, judged.verdict.trigger)
    return msgspec.structs.replace(judged, expectation=said, agreement=agreed)


def same(stored: JudgedMeasurement, read: JudgedMeasurement) -> bool:
    """Whether two records tell of the same observations; what is known and concluded of them may grow."""
    return _seen(stored) == _seen(read)


def _seen(finished: JudgedMeasurement) -> tuple[Measurement, ...]:
    """A measurement and the controls made for it. A body may not have been kept, but its hash was."""
    controls = sorted(_made(finished), key=lambda control: control.id)
    return tuple(map(_without_bodies, (finished.measurement, *controls)))


def _made(finished: JudgedMeasurement) -> tuple[Measurement, ...]:
    """The controls made for it; the others are measurements in their own right."""
    return tuple(control for control in finished.controls if control.control_of == finished.measurement.id)


def _without_bodies(measurement: Measurement) -> Measurement:
    observations = tuple(
        msgspec.structs.replace(o, detail=msgspec.structs.replace(o.detail, body=None)) if o.step == "http" else o
        for o in measurement.observations
    )
    return msgspec.structs.replace(measurement, observations=observations, repeats=None)


def observed_json(finished: JudgedMeasurement) -> bytes:
    """What was seen, the controls made for it too, as JSON: the same bytes wherever the record is, whatever is by now
    concluded of it. A page's text is left out, which is not kept for ever; its hash is in it."""
    return msgspec.json.encode(_seen(finished))


def _observed_text(finished: JudgedMeasurement) -> str:
    """The same, for telling and ordering."""
    return observed_json(finished).decode()


def _renamed(finished: JudgedMeasurement) -> JudgedMeasurement:
    """Under ids made from what it says, so that the same record always gets the same ones."""
    observed_json = _observed_text(finished)
    name = identifier("conflict", observed_json)
    new = {control.id: identifier("conflict", observed_json, control.id) for control in _made(finished)}
    leaves = {new.get(key, key): country for key, country in finished.context.control_countries.items()}
    return msgspec.structs.replace(
        finished,
        measurement=msgspec.structs.replace(finished.measurement, id=name),
        controls=tuple(
            msgspec.structs.replace(control, id=new[control.id], control_of=name) if control.id in new else control
            for control in finished.controls
        ),
        context=msgspec.structs.replace(finished.context, control_countries=leaves),
    )


def _stored(db: Database, measurement_id: str) -> JudgedMeasurement | None:
    """The measurement of exactly that id; None where there is none, and for a control."""
    known = db.execute("SELECT 1 FROM measurements WHERE id = ? AND control_of IS NULL", [measurement_id]).fetchone()
    return loading.finished(db, measurement_id) if known else None


def _is_taken(db: Database, measurement_id: str) -> bool:
    return db.execute("SELECT 1 FROM measurements WHERE id = ?", [measurement_id]).fetchone() is not None
