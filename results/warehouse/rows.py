"""Converts finished measurements to rows of the warehouse's tables and back, and rows to Arrow batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from probe import timestamps
from probe.model import Measurement, Observation, Target, Vantage
from results.db.columns import BlobReader, BlobWriter, all_columns, chain_columns, from_values, to_values
from results.db.read import verdict_of
from results.db.write import keeps_bodies, sparse, to_json, verdict_fields
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Context, Verdict
from results.registers.expectation import Expectation
from results.warehouse.schema import WarehouseTable, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

Row = Sequence[Any]
MIN_TIME, MAX_TIME = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""The range that every engine can store."""


class Batch(msgspec.Struct):
    """Rows of each table, with the number of measurements and the position reached in their source."""

    tables: list[tuple[WarehouseTable, pa.Table]]
    measurements: int
    position: int
    mark: str
    skipped: int = 0
    why: str | None = None
    """Why the first skipped record was skipped."""
    total: int | None = None
    """The last position of this source, if known."""


class LoadSource(msgspec.Struct, frozen=True):
    """One file or database with a reader that takes a position and a mark."""

    name: str
    """Shown to the user."""
    key: str
    """Stored in the table `loads`."""
    read: Callable[[int, str], Iterator[Batch]]


def source_key(place: str, name: str | None = None) -> str:
    """The stored key of a source: its file name and a hash of its location, which stays private."""
    name = name or place.rstrip("/").rpartition("/")[2]
    return f"{name[:100]}#{hashlib.sha256(place.encode('utf-8', 'replace')).hexdigest()[:12]}"


def parse_time(text: str) -> datetime:
    """A record's time, to the millisecond. Raises ValueError if it is invalid or out of range."""
    at = timestamps.parse_time(text)
    if not MIN_TIME <= at < MAX_TIME:
        raise ValueError(f"the time {text[:40]!r}")
    at = at.replace(tzinfo=None)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def parse_day(text: str) -> date:
    return parse_time(text).date()


def vantage_key(vantage: Vantage) -> int:
    """A hash of the vantage point, the same on every machine."""
    identity = msgspec.json.encode(msgspec.structs.astuple(vantage))
    return int.from_bytes(hashlib.blake2b(identity, digest_size=8).digest(), "big", signed=True)


def to_arrow(table: WarehouseTable, rows: Sequence[Row]) -> tuple[pa.Table, list[str]]:
    """The rows as an Arrow table, without those that do not fit the schema, and an error for each of these."""
    import pyarrow as pa

    schema = arrow_schema(table)
    try:
        return _columns(schema, rows), []
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError):
        pass
    valid_rows, errors = [], []
    for row in rows:
        try:
            _columns(schema, [row])
            valid_rows.append(row)
        except (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError) as error:
            errors.append(str(error).partition("\n")[0])
    return _columns(schema, valid_rows), errors


def _columns(schema: pa.Schema, rows: Sequence[Row]) -> pa.Table:
    import pyarrow as pa

    values: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else [()] * len(schema)
    table = pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)], schema=schema
    )
    for name, column in zip(schema.names, table.columns, strict=True):
        if column.null_count and not schema.field(name).nullable:
            raise ValueError(f"no {name}")
    return table


class RecordRows(msgspec.Struct):
    """Rows of each table, with values in column order."""

    blobs: list[Row] = []
    observations: list[Row] = []
    verdicts: list[Row] = []


def add_rows(rows: RecordRows, finished: JudgedMeasurement, round_: RoundRecord | None, version: int = 0) -> None:
    """Add a measurement and its own controls. Raises ValueError for an invalid time, then nothing is added."""
    main = finished.measurement
    controls = [control for control in finished.controls if control.control_of == main.id]
    day = parse_day(main.started_at)
    new = RecordRows([], [], [])
    blobs: dict[str, bytes] = {}
    keep_bodies = keeps_bodies(finished)
    network = round_.network if round_ else finished.context.network
    for measurement in (main, *controls):
        origin = _origin_values(measurement)
        judgement = _judgement_values(finished) if measurement is main else (None,) * 15
        head = (measurement.id, version, day, parse_time(measurement.started_at), *origin)
        links = (measurement.control_of, measurement.repeats, finished.round_id, network)
        new.verdicts.append((*head, *links, *_target_values(measurement), *judgement))
        for number, observation in enumerate(measurement.observations):
            values, certificates, page = _step_values(observation)
            blobs |= certificates | (page if keep_bodies else {})
            new.observations.append((measurement.id, number, day, *origin, *values))
    rows.blobs.extend((sha256, day.replace(day=1), content) for sha256, content in blobs.items())
    rows.observations.extend(new.observations)
    rows.verdicts.extend(new.verdicts)


def _origin_values(measurement: Measurement) -> tuple[Any, ...]:
    target, vantage = measurement.target, measurement.vantage
    named = (target.text, target.service, vantage.name, vantage.country, vantage.asn, vantage.network_name)
    return (*named, vantage.path, vantage_key(vantage))


def _target_values(measurement: Measurement) -> tuple[Any, ...]:
    target = measurement.target
    address = (target.scheme, target.host, target.port, target.request_path)
    return (*address, int(target.required), measurement.runtime_s)


def _judgement_values(finished: JudgedMeasurement) -> tuple[Any, ...]:
    """The columns from `context` on."""
    verdict, expected = verdict_fields(finished.verdict).values(), _expectation_values(finished.expectation)
    return (sparse(finished.context), *verdict, *expected, finished.agreement)


def _expectation_values(expected: Expectation | None) -> tuple[Any, ...]:
    if expected is None:
        return (None,) * 5
    listed = None if expected.listed is None else int(expected.listed)
    plain = {key: value for key, value in msgspec.to_builtins(expected).items() if value is not None}
    return expected.register, listed, expected.listed_at or expected.since, expected.as_of, to_json(plain)


def _step_values(observation: Observation) -> tuple[list[Any], dict[str, bytes], dict[str, bytes]]:
    """Values of the step's columns; its certificates and its page by SHA-256."""
    chain: list[bytes] = []
    certificates: dict[str, bytes] = {}
    page: dict[str, bytes] = {}

    def certificate(der: bytes) -> int:
        chain.append(der)
        return len(chain) - 1

    def body(content: bytes) -> str:
        sha256 = _sha256(content)
        page[sha256] = content
        return sha256

    values = to_values(observation, BlobWriter(certificate, body))
    for name in chain_columns():
        if values.get(name) is not None:
            hashes = [_sha256(chain[index]) for index in msgspec.json.decode(values[name], type=list[int])]
            certificates |= dict(zip(hashes, chain, strict=True))
            values[name] = to_json(hashes)
    values["started_at"] = parse_time(observation.started_at)
    return [values.get(name) for name in all_columns()], certificates, page


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def to_finished(
    row: Mapping[str, Any],
    steps: Mapping[str, Sequence[Mapping[str, Any]]],
    controls: Sequence[Mapping[str, Any]],
    blobs: Mapping[str, bytes],
) -> JudgedMeasurement:
    """The measurement of a `verdicts` row. `steps`: rows of `observations` by measurement, in order; `controls`: rows
    of its control measurements; `blobs`: contents by SHA-256."""
    expected = msgspec.json.decode(row["expectation"], type=Expectation) if row["expectation"] else None
    return JudgedMeasurement(
        measurement=to_measurement(row, steps, blobs),
        controls=tuple(to_measurement(control, steps, blobs) for control in controls),
        context=msgspec.json.decode(row["context"] or "{}", type=Context),
        verdict=verdict_of([row[name] for name in Verdict.__struct_fields__]),
        expectation=expected,
        agreement=row["agreement"],
        round_id=row["round_id"],
    )


def to_measurement(
    row: Mapping[str, Any], steps: Mapping[str, Sequence[Mapping[str, Any]]], blobs: Mapping[str, bytes]
) -> Measurement:
    """The measurement of a `verdicts` row, without its verdict."""
    names = {"text": row["target"], "service": row["service"], "required": bool(row["required"])}
    address = {name: row[name] for name in ("scheme", "host", "port", "request_path")}
    network = {name: row[name] for name in ("country", "asn", "network_name", "path")}
    return Measurement(
        id=row["id"],
        target=Target(**names, **address),
        vantage=Vantage(name=row["vantage"], **network),
        started_at=time_text(row["started_at"]),
        runtime_s=row["runtime_s"],
        observations=tuple(_observation(step, blobs) for step in steps.get(row["id"], ())),
        control_of=row["control_of"],
        repeats=row["repeats"],
    )


def _observation(row: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Observation:
    chain: list[bytes] = []
    values = {name: row[name] for name in all_columns()}
    for name in chain_columns():
        if values.get(name) is not None:
            certificates = list(_stored_blobs(msgspec.json.decode(values[name], type=list[str | None]), blobs))
            values[name] = to_json(list(range(len(chain), len(chain) + len(certificates))))
            chain += certificates
    values["started_at"] = time_text(values["started_at"])
    return from_values(values, BlobReader(chain.__getitem__, blobs.get))


def _stored_blobs(hashes: Sequence[str | None], blobs: Mapping[str, bytes]) -> Iterator[bytes]:
    for sha256 in hashes:
        if sha256 is not None and sha256 in blobs:
            yield blobs[sha256]


def time_text(at: datetime) -> str:
    """A time in the form that records use."""
    return timestamps.rfc3339(at.replace(tzinfo=UTC))
