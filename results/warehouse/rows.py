"""A finished measurement as rows of the warehouse's tables, and rows as the measurement they were made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from probe.model import Measurement, Observation, Target, Vantage
from probe.timestamps import rfc3339
from results.db.columns import Find, Keep, all_columns, chain_columns, from_values, to_values
from results.db.write import is_worth_its_bodies, sparse, to_json
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Context, Verdict
from results.registers.expectation import Expectation
from results.warehouse.batch import Row, day_of, time_of, vantage_key


class Rows(msgspec.Struct):
    """Rows of each table, in the order of their columns."""

    blobs: list[Row] = []
    observations: list[Row] = []
    verdicts: list[Row] = []


def add(rows: Rows, finished: JudgedMeasurement, round_: RoundRecord | None, version: int = 0) -> None:
    """A measurement with its own controls. ValueError where a time cannot be kept; then nothing is added."""
    main = finished.measurement
    made = [control for control in finished.controls if control.control_of == main.id]
    day = day_of(main.started_at)
    new = Rows([], [], [])
    blobs: dict[str, bytes] = {}
    worth = is_worth_its_bodies(finished)
    for measurement in (main, *made):
        place = _place(measurement)
        said = _said(finished, round_) if measurement is main else (None,) * 15
        network = round_.network if round_ else finished.context.network
        new.verdicts.append(_verdict(measurement, day, version, place, finished.round_id, network, said))
        for number, observation in enumerate(measurement.observations):
            own, certificates, page = _own(observation)
            blobs |= certificates | (page if worth else {})
            new.observations.append((measurement.id, number, day, *place, *own))
    rows.blobs.extend((sha256, day.replace(day=1), content) for sha256, content in blobs.items())
    rows.observations.extend(new.observations)
    rows.verdicts.extend(new.verdicts)


def _place(measurement: Measurement) -> tuple[Any, ...]:
    target, vantage = measurement.target, measurement.vantage
    named = (target.text, target.service, vantage.name, vantage.country, vantage.asn, vantage.network_name)
    return (*named, vantage.path, vantage_key(vantage))


def _verdict(
    measurement: Measurement,
    day: date,
    version: int,
    place: tuple[Any, ...],
    round_id: str | None,
    network: str,
    said: Sequence[Any],
) -> Row:
    target, context = measurement.target, said[0]
    head = (measurement.id, version, day, time_of(measurement.started_at), *place)
    links = (measurement.control_of, measurement.repeats, round_id, network)
    goal = (target.scheme, target.host, target.port, target.request_path, int(target.required))
    return (*head, *links, *goal, measurement.runtime_s, context, *said[1:])


def _said(finished: JudgedMeasurement, round_: RoundRecord | None) -> tuple[Any, ...]:
    """The context, and what was concluded in it, as the columns from `context` on."""
    verdict, expected = finished.verdict, finished.expectation
    concluded = (verdict.outcome, verdict.method, verdict.trigger, verdict.confidence)
    why = (to_json(verdict.rules), to_json(verdict.evidence), verdict.control, verdict.rules_version)
    return (sparse(finished.context), *concluded, *why, *_expected(expected), finished.agreement)


def _expected(expected: Expectation | None) -> tuple[Any, ...]:
    if expected is None:
        return (None,) * 5
    listed = None if expected.listed is None else int(expected.listed)
    plain = {key: value for key, value in msgspec.to_builtins(expected).items() if value is not None}
    return expected.register, listed, expected.listed_at or expected.since, expected.as_of, to_json(plain)


def _own(observation: Observation) -> tuple[list[Any], dict[str, bytes], dict[str, bytes]]:
    """The step's own columns; the certificates, and the page that it names, by their SHA-256."""
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

    values = to_values(observation, Keep(certificate, body))
    for name in chain_columns():
        if values.get(name) is not None:
            hashes = [_sha256(chain[place]) for place in msgspec.json.decode(values[name], type=list[int])]
            certificates |= dict(zip(hashes, chain, strict=True))
            values[name] = to_json(hashes)
    values["started_at"] = time_of(observation.started_at)
    return [values.get(name) for name in all_columns()], certificates, page


def _sha256(content: bytes) -> str:
    from hashlib import sha256

    return sha256(content).hexdigest()


def finished_of(
    row: Mapping[str, Any],
    steps: Mapping[str, Sequence[Mapping[str, Any]]],
    controls: Sequence[Mapping[str, Any]],
    blobs: Mapping[str, bytes],
) -> JudgedMeasurement:
    """The measurement of a row of `verdicts`: `steps` are rows of observations by measurement, in order, `controls`
    the rows of its controls, `blobs` contents by SHA-256."""
    expected = msgspec.json.decode(row["expectation"], type=Expectation) if row["expectation"] else None
    return JudgedMeasurement(
        measurement=measurement_of(row, steps, blobs),
        controls=tuple(measurement_of(control, steps, blobs) for control in controls),
        context=msgspec.json.decode(row["context"] or "{}", type=Context),
        verdict=Verdict(
            outcome=row["outcome"],
            method=row["method"],
            trigger=row["trigger"],
            confidence=row["confidence"],
            rules=msgspec.json.decode(row["rules"], type=tuple[str, ...]),
            evidence=msgspec.json.decode(row["evidence"], type=tuple[str, ...]),
            control=row["control"],
            rules_version=row["rules_version"],
        ),
        expectation=expected,
        agreement=row["agreement"],
        round_id=row["round_id"],
    )


def measurement_of(
    row: Mapping[str, Any], steps: Mapping[str, Sequence[Mapping[str, Any]]], blobs: Mapping[str, bytes]
) -> Measurement:
    """The measurement itself."""
    text = {"text": row["target"], "service": row["service"], "required": bool(row["required"])}
    goal = {name: row[name] for name in ("scheme", "host", "port", "request_path")}
    place = {name: row[name] for name in ("country", "asn", "network_name", "path")}
    return Measurement(
        id=row["id"],
        target=Target(**text, **goal),
        vantage=Vantage(name=row["vantage"], **place),
        started_at=text_of(row["started_at"]),
        runtime_s=row["runtime_s"],
        observations=tuple(_observation(one, blobs) for one in steps.get(row["id"], ())),
        control_of=row["control_of"],
        repeats=row["repeats"],
    )


def _observation(row: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Observation:
    chain: list[bytes] = []
    values = {name: row[name] for name in all_columns()}
    for name in chain_columns():
        if values.get(name) is not None:
            known = list(_known(msgspec.json.decode(values[name], type=list[str | None]), blobs))
            values[name] = to_json(list(range(len(chain), len(chain) + len(known))))
            chain += known
    values["started_at"] = text_of(values["started_at"])
    return from_values(values, Find(chain.__getitem__, blobs.get))


def _known(hashes: Sequence[str | None], blobs: Mapping[str, bytes]) -> Iterator[bytes]:
    for sha256 in hashes:
        if sha256 is not None and sha256 in blobs:
            yield blobs[sha256]


def text_of(at: datetime) -> str:
    """A time as records write it."""
    return rfc3339(at.replace(tzinfo=UTC))
