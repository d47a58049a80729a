"""Evidence, listing and steps of each measurement of a source. `gather` reports what cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from probe.model import Measurement, Vantage
from probe.text import bounded, printable
from probe.timestamps import epoch, rfc3339_of_epoch
from results import ooni
from results.aggregate.enforcement import ListingEntry
from results.aggregate.outages import RoundFacts, rounds_of
from results.compare import sources
from results.compare.record import DIRECT, MAX_TARGET_LENGTH, VANTAGE_FIELDS, ResultRecord, is_valid, record_of
from results.db.connect import BadDatabase, open_read_only
from results.db.jsonl import BadFile, BadRecord, decode, records
from results.export import exchange
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Evidence, evidence_from
from results.sql import NOT_REPEATED

MAX_SENTENCES, MAX_SENTENCE_LENGTH = 20, 400
MAX_RULES, MAX_ENTRIES, MAX_STEPS = 10, 50, 200
MAX_VERSIONS = 10_000
DETAILS = """
SELECT m.number, m.id, m.started_at, t.text, t.service, w.name, w.country, w.asn, w.network_name, w.path,
    v.outcome, v.method, v.agreement, v."trigger", v.confidence, v.rules, v.evidence, v.rules_version, v.expectation
FROM measurements m JOIN targets t ON t.id = m.target_id JOIN vantages w ON w.id = m.vantage_id
JOIN verdicts v ON v.measurement = m.number
WHERE m.control_of IS NULL {later}
"""
STEPS = """
SELECT step, duration_s FROM observations WHERE measurement = ? AND role = 'main' AND failure IS NULL
ORDER BY place LIMIT ?
"""
VERSIONS = """
SELECT r.name, v.at FROM registers r JOIN register_versions v ON v.register_id = r.id ORDER BY v.at DESC LIMIT ?
"""


class DetailListing(msgspec.Struct, frozen=True, kw_only=True):
    """The register's answer at the time of the measurement."""

    register: str | None = None
    listed: bool | None = None
    as_of: str | None = None
    basis: str | None = None
    entries: tuple[ListingEntry, ...] = ()


class MeasurementDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement, as far as a report needs it."""

    id: str
    at: float
    target: str
    service: str | None
    vantage: Vantage
    outcome: str
    method: str | None
    trigger: str | None
    confidence: str | None
    rules: tuple[str, ...]
    evidence: tuple[Evidence | str, ...]
    rules_version: str
    listing: DetailListing
    steps: tuple[tuple[str, float], ...]
    """Successful steps of role `main`, each with its seconds."""
    round: tuple[str, RoundFacts] | None = None
    """Its round, where a file of records has it."""


def read(source: Path, *, since: float | None = None, until: float | None = None) -> Iterator[MeasurementDetail]:
    """Every counted measurement of a source; of databases only those near the period."""
    for file in sources.files_of(source):
        with suppress(BadFile, BadDatabase, sqlite3.Error):
            yield from _database(file, since, until) if sources.is_database(file) else _lines(file)


def versions(source: Path) -> Iterator[tuple[str, float]]:
    """The register versions of a source: name and seconds since 1970."""
    for file in sources.files_of(source):
        if sources.is_database(file):
            with suppress(BadDatabase, sqlite3.Error), closing(open_read_only(file)) as connection:
                for name, at in connection.execute(VERSIONS, [MAX_VERSIONS]):
                    if isinstance(name, str) and isinstance(at, (int, float)):
                        yield bounded(name), float(at)


def rounds(source: Path, *, since: float | None = None, until: float | None = None) -> Iterator[tuple[str, RoundFacts]]:
    """The direct rounds of a source's databases: id and facts."""
    ends = [rfc3339_of_epoch(at, "seconds") if at is not None else None for at in (since, until)]
    for file in sources.files_of(source):
        if sources.is_database(file):
            with (
                suppress(BadDatabase, sqlite3.Error, ValueError, TypeError, OverflowError, RecursionError),
                closing(open_read_only(file)) as connection,
            ):
                yield from rounds_of(connection, ends[0] or "", ends[1] or "~").items()


def _database(file: Path, since: float | None, until: float | None) -> Iterator[MeasurementDetail]:
    with closing(open_read_only(file)) as connection:
        later = f"AND {NOT_REPEATED}" if NOT_REPEATED in sources.results_query(connection, file) else ""
        ends = sources.period_bounds(since, until)
        query = DETAILS.format(later=later) + (sources.IN_PERIOD if ends else "")
        for row in connection.execute(query, ends):
            with suppress(ValueError, TypeError, OverflowError, RecursionError):
                yield _of_row(connection, row)


def _of_row(connection: sqlite3.Connection, row: tuple[Any, ...]) -> MeasurementDetail:
    number, id_, at, target, service, *place = row[:10]
    outcome, method, agreement, trigger, confidence, rules, evidence, rules_version, expectation = row[10:]
    steps = connection.execute(STEPS, [number, MAX_STEPS]).fetchall()
    return _checked(
        ResultRecord(
            id=bounded(id_),
            at=epoch(at, needs_zone=True),
            target=bounded(target, MAX_TARGET_LENGTH),
            service=bounded(service) if service else None,
            vantage=msgspec.convert(dict(zip(VANTAGE_FIELDS, place, strict=True)), Vantage),
            outcome=outcome,
            method=method,
            agreement=agreement,
            confidence=confidence,
            rules_version=bounded(rules_version),
        ),
        trigger=trigger,
        rules=msgspec.json.decode(rules, type=tuple[str, ...]),
        evidence=evidence_from(evidence),
        listing=msgspec.json.decode(expectation, type=DetailListing) if expectation else DetailListing(),
        steps=tuple((step, seconds) for step, seconds in steps),
    )


def _lines(file: Path) -> Iterator[MeasurementDetail]:
    for _, line in records(file):
        with suppress(BadRecord, ValueError, TypeError, OverflowError):
            if isinstance(line, bytes) and (record := sources.parse_line(line)) is not None:
                yield _of_line(line, record)


class LineDetail(msgspec.Struct):
    """What a report needs of a row and comparing does not."""

    test_name: str | None = None
    trigger: str | None = None
    rules: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    signals: tuple[Evidence, ...] = ()
    expectation: Any = None
    record: Any = None


def _of_line(line: bytes, record: ResultRecord) -> MeasurementDetail:
    row: LineDetail = decode(line, LineDetail)
    if row.test_name is not None:
        return _of_finished(ooni.read_line(line)[0])
    if row.record is not None:
        finished, round_ = exchange.read_line(line)
        return msgspec.structs.replace(_of_finished(finished), round=_round_of(finished, round_))
    listing = row.expectation if isinstance(row.expectation, dict) else {}
    known = {key: listing.get(key) for key in ("register", "listed", "as_of", "basis")}
    return _checked(
        record,
        trigger=row.trigger,
        rules=row.rules,
        evidence=row.signals or row.evidence,
        listing=msgspec.convert(known | {"entries": _entries(listing)}, DetailListing),
        steps=(),
    )


def _entries(listing: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry with the dates that a row gives."""
    since = listing.get("since")
    if not listing.get("listed") or not isinstance(since, str):
        return []
    dated = {"inclusion": "listed_on", "decision": "decision_date"}.get(str(listing.get("since_source")))
    entry = {"first_seen": since, "listed_at": listing.get("listed_at")}
    return [entry | ({dated: since} if dated else {})]


def _of_finished(finished: JudgedMeasurement) -> MeasurementDetail:
    verdict, expectation = finished.verdict, finished.expectation
    plain = msgspec.to_builtins(expectation) if expectation is not None else {}
    return _checked(
        msgspec.structs.replace(record_of(finished), vantage=finished.measurement.vantage),
        trigger=verdict.trigger,
        rules=verdict.rules,
        evidence=verdict.evidence,
        listing=msgspec.convert(plain, DetailListing),
        steps=_steps(finished.measurement),
    )


def _round_of(finished: JudgedMeasurement, round_: RoundRecord | None) -> tuple[str, RoundFacts] | None:
    vantage = finished.measurement.vantage
    if round_ is None or vantage.path != DIRECT:
        return None
    return bounded(round_.id), RoundFacts(
        at=epoch(round_.started_at, needs_zone=True),
        vantage=bounded(vantage.name),
        country=vantage.country,
        asn=vantage.asn,
        network_name=bounded(vantage.network_name) if vantage.network_name else None,
        state=round_.network,
        evidence=tuple(bounded(sentence, MAX_SENTENCE_LENGTH) for sentence in round_.evidence[:MAX_SENTENCES]),
    )


def _steps(measurement: Measurement) -> tuple[tuple[str, float], ...]:
    return tuple((o.step, o.duration_s) for o in measurement.observations if o.role == "main" and o.failure is None)


def _checked(
    record: ResultRecord,
    *,
    trigger: str | None,
    rules: tuple[str, ...],
    evidence: tuple[Evidence | str, ...],
    listing: DetailListing,
    steps: tuple[tuple[str, float], ...],
) -> MeasurementDetail:
    """A detail with every text bounded. ValueError for words outside the closed vocabularies."""
    if not is_valid(record) or trigger not in (None, "name", "address", "allowlist"):
        raise ValueError("an outcome, a method, an agreement or a trigger that there is not")
    place = record.vantage
    return MeasurementDetail(
        id=record.id,
        at=record.at,
        target=record.target,
        service=record.service,
        vantage=msgspec.structs.replace(
            place,
            name=bounded(place.name),
            network_name=bounded(place.network_name) if place.network_name else None,
            path=bounded(place.path),
        ),
        outcome=record.outcome,
        method=record.method,
        trigger=trigger,
        confidence=record.confidence,
        rules=tuple(bounded(rule, 60) for rule in rules[:MAX_RULES]),
        evidence=tuple(map(_bounded_evidence, evidence[:MAX_SENTENCES])),
        rules_version=record.rules_version,
        listing=_bounded(listing),
        steps=tuple((bounded(step, 20), s) for step, s in steps[:MAX_STEPS] if _is_duration(s)),
    )


def _bounded_evidence(found: Evidence | str) -> Evidence | str:
    if isinstance(found, str):
        return printable(found, MAX_SENTENCE_LENGTH)
    if not found.is_bounded():
        raise ValueError("evidence with too much in it")
    return found


def _bounded(listing: DetailListing) -> DetailListing:
    """The listing with its texts bounded. ValueError for a time that is none."""
    times = (listing.as_of, *(text for entry in listing.entries for text in msgspec.structs.astuple(entry)))
    for text in times:
        if text is not None:
            epoch(text if len(text) > 10 else f"{text}T00:00:00Z")
    return DetailListing(
        register=bounded(listing.register) if listing.register else None,
        listed=listing.listed,
        as_of=listing.as_of,
        basis=bounded(listing.basis) if listing.basis else None,
        entries=listing.entries[:MAX_ENTRIES],
    )


def _is_duration(seconds: Any) -> bool:
    return isinstance(seconds, (int, float)) and 0 <= seconds < 1e6
