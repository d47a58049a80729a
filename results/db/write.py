"""Writes records into the database's tables. The caller holds the transaction."""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from probe.model import Target, Vantage
from results.db.columns import BlobWriter, step_columns, to_values
from results.judge.failure_point import ending
from results.judge.judged import JudgedMeasurement, RoundRecord, Spent
from results.judge.verdict import Context, Verdict

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.registers.expectation import Expectation

CORRECTION = (
    "measurement, at, was_outcome, was_method, was_confidence, was_agreement, was_rules_version, "
    "outcome, method, confidence, agreement, rules_version"
)


class Ids:
    """Row ids of the vantages, targets and certificates met so far, so that each is looked up once."""

    def __init__(self) -> None:
        self._known: dict[Vantage | Target | bytes, int] = {}

    def of(self, db: Database, record: Vantage | Target) -> int:
        if record not in self._known:
            self._known[record] = _row_id(db, record)
        return self._known[record]

    def of_certificate(self, db: Database, der: bytes) -> int:
        key = hashlib.sha256(der).digest()
        if key not in self._known:
            self._known[key] = _certificate_id(db, key.hex(), der)
        return self._known[key]

    def forget(self) -> None:
        """After a transaction that was rolled back, for its rows are gone."""
        self._known.clear()


def save_round(db: Database, round_: RoundRecord, network_key: str | None = None) -> None:
    """Store a round; `network_key` identifies its network and stays in this database."""
    db.execute(
        "INSERT INTO rounds (id, started_at, network, evidence, network_key, asn_source) VALUES (?, ?, ?, ?, ?, ?)",
        [round_.id, round_.started_at, round_.network, to_json(round_.evidence), network_key, round_.asn_source],
    )


def spend(db: Database, spent: Spent | None) -> None:
    """Add to what a month has cost."""
    if spent is not None:
        db.execute(
            "INSERT INTO traffic VALUES (?, ?) ON CONFLICT (month) DO UPDATE SET bytes = bytes + excluded.bytes", spent
        )


def save(db: Database, ids: Ids, records: Sequence[JudgedMeasurement]) -> None:
    """Measurements with their controls, observations, certificates, bodies where something was odd, and verdicts."""
    number: int = db.execute("SELECT ifnull(max(number), 0) + 1 FROM measurements").fetchone()[0]
    measurements: list[tuple[Any, ...]] = []
    observations: defaultdict[str, list[list[Any]]] = defaultdict(list)
    bodies: dict[str, bytes] = {}
    for record in records:
        body = partial(_body_key, bodies) if keeps_bodies(record) else _discard_body
        keep = BlobWriter(partial(ids.of_certificate, db), body)
        main = number
        # A recorded measurement that served as a control is there already.
        made = [control for control in record.controls if control.control_of == record.measurement.id]
        for measurement in (record.measurement, *made):
            control_of, context = (main, None) if number > main else (None, sparse(record.context))
            of = (ids.of(db, measurement.target), ids.of(db, measurement.vantage), record.round_id)
            when = (measurement.started_at, measurement.runtime_s)
            repeats = _number(db, measurement.repeats)
            row = (number, measurement.id, *of, *when, control_of, context, repeats, measurement.internal_error)
            measurements.append(row)
            for place, observation in enumerate(measurement.observations):
                values = to_values(observation, keep)
                # The measurement's id, with which its own begins, need not be in every row.
                values["id"] = observation.id.removeprefix(measurement.id)
                observations[observation.step].append([number, place, *values.values()])
            number += 1
    connection = db.conn
    connection.executemany("INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", measurements)
    for step, rows in observations.items():
        names = ("measurement", "place", *step_columns(step))
        marks = ", ".join("?" * len(names))
        connection.executemany(f"INSERT INTO observations ({', '.join(names)}) VALUES ({marks})", rows)  # noqa: S608 our own names
    connection.executemany(
        "INSERT OR IGNORE INTO bodies VALUES (?, ?)", ((key, zlib.compress(body)) for key, body in bodies.items())
    )
    save_verdicts(db, records)


def save_context(db: Database, record: JudgedMeasurement) -> None:
    """Replace the context of a stored measurement."""
    db.execute("UPDATE measurements SET context = ? WHERE id = ?", [sparse(record.context), record.measurement.id])


def save_verdicts(db: Database, records: Iterable[JudgedMeasurement]) -> None:
    """Store the current verdict of each, replacing any before."""
    db.conn.executemany(
        "INSERT OR REPLACE INTO verdicts SELECT number, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, started_at FROM measurements "
        "WHERE id = ?",
        [_verdict_row(record) for record in records],
    )


def keeps_bodies(record: JudgedMeasurement) -> bool:
    """Bodies are kept where something is abnormal, and where they came without TLS, to be judged again."""
    return record.verdict.outcome not in ("reachable", "offline") or any(
        observation.step == "http" and observation.detail.url.startswith("http://") and not observation.detail.location
        for observation in record.measurement.observations
    )


def to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def sparse(context: Context) -> str:
    """The context as JSON, without what is as it is by default."""
    values, defaults = msgspec.structs.asdict(context), msgspec.structs.asdict(_NO_CONTEXT)
    return to_json({name: value for name, value in values.items() if value != defaults[name]})


_NO_CONTEXT = Context()


def _number(db: Database, measurement_id: str | None) -> int | None:
    if measurement_id is None:
        return None
    row = db.execute("SELECT number FROM measurements WHERE id = ?", [measurement_id]).fetchone()
    return int(row[0]) if row else None


def _verdict_row(record: JudgedMeasurement) -> tuple[Any, ...]:
    expectation, failed_by = _without_empty_values(record.expectation), _failed_by(record)
    return *verdict_fields(record.verdict).values(), expectation, record.agreement, failed_by, record.measurement.id


def verdict_fields(verdict: Verdict) -> dict[str, Any]:
    """The fields of a verdict as they are stored, in their order."""
    return msgspec.structs.asdict(verdict) | {"rules": to_json(verdict.rules), "evidence": to_json(verdict.evidence)}


def save_correction(db: Database, was: JudgedMeasurement, now: JudgedMeasurement, at: str) -> None:
    """Record that a verdict has changed; nothing if only the rules' version did."""
    before, after = _verdict_summary(was), _verdict_summary(now)
    if before[:-1] == after[:-1]:
        return
    marks = ", ".join("?" * 10)
    db.execute(
        f"INSERT INTO corrections ({CORRECTION}) SELECT number, ?, {marks} FROM measurements WHERE id = ?",  # noqa: S608
        [at, *before, *after, now.measurement.id],
    )


def _verdict_summary(record: JudgedMeasurement) -> tuple[str | None, ...]:
    verdict = record.verdict
    return verdict.outcome, verdict.method, verdict.confidence, record.agreement, verdict.rules_version


def _failed_by(record: JudgedMeasurement) -> str | None:
    """How it failed, whatever the verdict: later failures are compared with this."""
    if record.verdict.outcome == "reachable":
        return None
    return ending(record.measurement.target, record.measurement.observations).method


def _without_empty_values(expectation: Expectation | None) -> str | None:
    if expectation is None:
        return None
    plain = msgspec.to_builtins(expectation)
    return to_json({key: value for key, value in plain.items() if value is not None and value != []})


def _body_key(met: dict[str, bytes], body: bytes) -> str:
    key = hashlib.sha256(body).hexdigest()
    met[key] = body
    return key


def _discard_body(_: bytes) -> None:
    """The record has the hash itself."""


def _certificate_id(db: Database, sha256: str, der: bytes) -> int:
    found = db.execute("SELECT id FROM certificates WHERE sha256 = ?", [sha256]).fetchone()
    if found is None:
        found = db.execute(
            "INSERT INTO certificates (sha256, der) VALUES (?, ?) RETURNING id", [sha256, der]
        ).fetchone()
    return int(found[0])


def _row_id(db: Database, record: Vantage | Target) -> int:
    table = "vantages" if isinstance(record, Vantage) else "targets"
    fields = record.__struct_fields__
    values = [getattr(record, field) for field in fields]
    matches = " AND ".join(f"{field} IS ?" for field in fields)
    found = db.execute(f"SELECT id FROM {table} WHERE {matches}", values).fetchone()  # noqa: S608 as above
    if found is not None:
        return int(found[0])
    marks = ", ".join("?" * len(fields))
    inserted = db.execute(f"INSERT INTO {table} ({', '.join(fields)}) VALUES ({marks}) RETURNING id", values)  # noqa: S608
    return int(inserted.fetchone()[0])
