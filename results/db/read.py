"""Reads records back from the database's tables, and what was measured of a target before."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from probe.model import Measurement, Target, Vantage
from probe.timestamps import parse_time, rfc3339
from results.db import json_codec
from results.db.columns import BlobReader, all_columns, from_values
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.judge.verdict import Context, Verdict, evidence_from
from results.sql import NOT_REPEATED, statements

if TYPE_CHECKING:
    from sqlite_utils import Database

    from results.registers.expectation import Expectation

SQL = statements(__file__)
GOT_THROUGH = ("reachable", "denied")
MAX_RECORDED = 2
MAX_BODY_BYTES = 16 * 1024 * 1024
FILTERS = {
    "target": "t.text = ?",
    "service": "t.service = ?",
    "outcome": "v.outcome = ?",
    "agreement": "v.agreement = ?",
    "vantage": "w.name = ?",
    "path": "w.path = ?",
    "since": "{at}.started_at >= ?",
    "until": "{at}.started_at < ?",
}
DECIDED = " AND v.agreement <> 'undecided'"
"""The condition of the index of agreements: without a register everything is undecided."""


def measurement(db: Database, measurement_id: str) -> Measurement:
    """The measurement of exactly that id, which must be there."""
    return _measurement(db, db.execute(SQL["WHOLE"] + " WHERE m.id = ?", [measurement_id]).fetchone())


def controls_of(db: Database, measurement_id: str) -> tuple[Measurement, ...]:
    """The control measurements made for it, in order."""
    return tuple(_measurement(db, row) for row in db.execute(SQL["CONTROLS"], [measurement_id]).fetchall())


def _recorded(db: Database, ids: Iterable[str]) -> tuple[Measurement, ...]:
    """The measurements of other vantages that served as controls, as far as they are still there."""
    rows = (db.execute(SQL["WHOLE"] + " WHERE m.id = ?", [measurement_id]).fetchone() for measurement_id in ids)
    return tuple(_measurement(db, row) for row in rows if row is not None)


def context_of(db: Database, measurement_id: str) -> Context:
    """The stored context that it was judged in."""
    row = db.execute("SELECT context FROM measurements WHERE id = ?", [measurement_id]).fetchone()
    return msgspec.json.decode(row[0] or "{}", type=Context)


def finished(db: Database, measurement_id: str) -> JudgedMeasurement:
    """The measurement with its controls, context and current verdict, expectation and agreement."""
    row = db.execute(SQL["JUDGED"], [measurement_id]).fetchone()
    if row is None:
        raise LookupError(f"{measurement_id} has no verdict: it is a control")
    context = context_of(db, measurement_id)
    return JudgedMeasurement(
        measurement=measurement(db, measurement_id),
        controls=controls_of(db, measurement_id) + _recorded(db, context.recorded),
        context=context,
        verdict=verdict_of(row[:8]),
        expectation=_expectation(row[8]),
        agreement=row[9],
        round_id=row[10],
    )


def round_of(db: Database, round_id: str | None) -> RoundRecord | None:
    """The stored round of that id."""
    query = "SELECT id, started_at, network, evidence, asn_source FROM rounds WHERE id = ?"
    row = db.execute(query, [round_id]).fetchone()
    if row is None:
        return None
    evidence = msgspec.json.decode(row[3], type=tuple[str, ...])
    return RoundRecord(id=row[0], started_at=row[1], network=row[2], evidence=evidence, asn_source=row[4])


def rows(
    db: Database,
    *,
    limit: int | None = None,
    repeated: bool = True,
    oldest_first: bool = False,
    **filters: str | None,
) -> Iterator[dict[str, Any]]:
    """The documented line of each measurement, newest first unless `oldest_first`.

    Filters, all of which must hold: target, service, outcome, agreement, vantage, path, and since and until, UTC times.
    `repeated` False omits measurements that were repeated immediately.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    if not _is_vantage(db, given):
        return  # else all measurements would be searched in vain
    query = rows_query(given, repeated=repeated, oldest_first=oldest_first)
    values: list[str | int] = list(given.values())
    if limit is not None:
        query, values = query + " LIMIT ?", [*values, limit]
    for row in db.execute(query, values):
        yield line_of(row)


def _is_vantage(db: Database, given: Mapping[str, str]) -> bool:
    """Whether any vantage has the given name and path; true if neither is given."""
    asked = {name: given[name] for name in ("vantage", "path") if name in given}
    if not asked:
        return True
    conditions = " AND ".join(FILTERS[name] for name in asked)
    query = f"SELECT 1 FROM vantages w WHERE {conditions} LIMIT 1"  # noqa: S608 our own conditions
    return db.execute(query, list(asked.values())).fetchone() is not None


def line_of(row: Sequence[Any]) -> dict[str, Any]:
    """The documented line from a row that begins with COLUMNS."""
    finished = JudgedMeasurement(
        measurement=_record(row),
        context=Context(network=row[26]),
        verdict=verdict_of(row[16:24]),
        expectation=_expectation(row[24]),
        agreement=row[25],
    )
    return json_codec.row(finished, repeated_by=row[27])


def rows_query(given: Mapping[str, str], *, repeated: bool, oldest_first: bool) -> str:
    """The query for these filters. It starts from the named targets, else the verdicts of one kind, else the newest, so
    that few rows are read."""
    at, begin = "m", "BY_TIME"
    decided = given.get("agreement", "undecided") != "undecided"
    if "target" in given or "service" in given:
        begin = "BY_TARGET"
    elif "outcome" in given or decided:
        at, begin = "v", "BY_VERDICT"
    conditions = "".join(f" AND {FILTERS[name].format(at=at)}" for name in given)
    conditions += (DECIDED if decided else "") + (f" AND {NOT_REPEATED}" if not repeated else "")
    number = "v.measurement" if at == "v" else "m.number"
    order = f"{at}.started_at, m.id" if oldest_first else f"{at}.started_at DESC, {number} DESC"
    return f"{SQL['COLUMNS']} {SQL[begin]}{conditions} ORDER BY {order}"


def _measurement(db: Database, row: tuple[Any, ...]) -> Measurement:
    names = tuple(all_columns())
    stored = db.execute(
        f"SELECT {', '.join(names)} FROM observations WHERE measurement = ? ORDER BY place",  # noqa: S608 our own names
        [row[16]],
    ).fetchall()
    blobs = BlobReader(partial(_certificate, db), partial(_body, db))
    observations = []
    for values in stored:
        named = dict(zip(names, values, strict=True))
        if named["id"].startswith("."):
            named["id"] = row[0] + named["id"]
        observations.append(from_values(named, blobs))
    return msgspec.structs.replace(
        _record(row), control_of=row[17], internal_error=row[18], observations=tuple(observations)
    )


def _record(row: Sequence[Any]) -> Measurement:
    """A measurement without observations from a row that begins with MEASUREMENT."""
    return Measurement(
        id=row[0],
        started_at=row[1],
        runtime_s=row[2],
        repeats=row[3],
        target=target_of(row[4:11]),
        vantage=Vantage(**dict(zip(Vantage.__struct_fields__, row[11:16], strict=True))),
        observations=(),
    )


def target_of(row: Sequence[Any]) -> Target:
    """A target from the columns of its table, without the id."""
    *fields, required = row
    return Target(**dict(zip(Target.__struct_fields__, (*fields, bool(required)), strict=True)))


def verdict_of(row: Sequence[Any]) -> Verdict:
    """A verdict from its stored fields, in their order."""
    values = dict(zip(Verdict.__struct_fields__, row, strict=True))
    rules = msgspec.json.decode(values["rules"], type=tuple[str, ...])
    return Verdict(**values | {"rules": rules, "evidence": evidence_from(values["evidence"])})


def _expectation(text: str | None) -> Expectation | None:
    if text is None:
        return None
    from results.registers.expectation import Expectation

    return msgspec.json.decode(text, type=Expectation)


def _certificate(db: Database, certificate_id: int) -> bytes:
    der: bytes = db.execute("SELECT der FROM certificates WHERE id = ?", [certificate_id]).fetchone()[0]
    return der


def _body(db: Database, sha256: str) -> bytes | None:
    row = db.execute("SELECT zlib FROM bodies WHERE sha256 = ?", [sha256]).fetchone()
    if row is None:
        return None
    unpacking = zlib.decompressobj()
    body = unpacking.decompress(row[0], MAX_BODY_BYTES)
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise ValueError(f"a body that is damaged, or above {MAX_BODY_BYTES >> 20} MiB")
    return body


class LastMeasurement(msgspec.Struct, frozen=True):
    """The last measurement of a target: its time (UTC, RFC 3339) and outcome."""

    started_at: str
    outcome: str | None


def last_runs(db: Database, targets: Iterable[Target], vantage: Vantage, until: str) -> dict[Target, LastMeasurement]:
    """The last measurement of each target from `vantage`, not after `until` (UTC, RFC 3339)."""
    texts = msgspec.json.encode(sorted({target.text for target in targets})).decode()
    found: dict[Target, LastMeasurement] = {}
    for row in db.execute(SQL["LAST_RUNS"], [texts, *msgspec.structs.astuple(vantage), until]):
        found[target_of(row[:7])] = LastMeasurement(*row[7:])
    return found


def recent_outcomes(
    db: Database, target: str, vantage: Vantage, until: datetime, limit: int, *, network: str | None = None
) -> list[str]:
    """The last outcomes of a target from `vantage` on one `network`, not after `until`, newest first; a measurement and
    its immediate repeat count once."""
    values = [*msgspec.structs.astuple(vantage), target, network, rfc3339(until), limit]
    return [row[0] for row in db.execute(SQL["RECENT_OUTCOMES"], values)]


def made_at(db: Database) -> str:
    """When this database was made, to the microsecond: unique to it."""
    return str(db.execute("SELECT min(applied_at) FROM _sqlite_migrations").fetchone()[0])


def last_network(db: Database) -> str | None:
    """The key of the network that this machine was last known to be on."""
    query = "SELECT network_key FROM rounds WHERE network_key IS NOT NULL ORDER BY started_at DESC LIMIT 1"
    row = db.execute(query).fetchone()
    return row[0] if row else None


def last_round(db: Database) -> str | None:
    """When the newest round began (UTC, RFC 3339)."""
    newest: str | None = db.execute("SELECT max(started_at) FROM rounds").fetchone()[0]
    return newest


class NewestMeasurement(msgspec.Struct, frozen=True):
    """The last outcome, the longest duration of each kind of step (seconds), and what the target presented."""

    target: str
    service: str | None
    at: str
    runtime_s: float
    outcome: str
    method: str | None
    steps_s: dict[str, float]
    status: int | None
    certificate: bytes | None


def newest_measurements(db: Database, targets: Iterable[str], vantage: str, path: str) -> Iterator[NewestMeasurement]:
    """The newest measurement of each target by one path of a vantage, on whichever network, in the order given."""
    texts = msgspec.json.encode(list(dict.fromkeys(targets))).decode()
    for row in db.execute(SQL["NEWEST"], [texts, vantage, path]).fetchall():
        target, service, number, at, runtime_s, outcome, method, _ = row
        steps_s: dict[str, float] = {}
        status, certificate = None, None
        for step, took, failure, code, der in db.execute(SQL["STEPS"], [number]):
            if failure is None and took is not None:
                steps_s[step] = max(took, steps_s.get(step, 0.0))
            status, certificate = code or status, der or certificate
        yield NewestMeasurement(target, service, at, runtime_s, outcome, method, steps_s, status, certificate)


def recorded_elsewhere(
    db: Database, of: Measurement, *, vantages: Collection[str], within_s: float
) -> tuple[Measurement, ...]:
    """The newest measurements of the target from another country, or from one of `vantages`, within `within_s` seconds.

    Only the latest of each vantage counts. Another country may block the target too, so a failure there is no control,
    unless its vantage is one of `vantages`, which are known to be free.
    """
    vantage = of.vantage
    since = rfc3339(parse_time(of.started_at) - timedelta(seconds=within_s))
    values: dict[str, str | None] = {"text": of.target.text, "since": since, "until": of.started_at}
    values |= {"name": vantage.name, "path": vantage.path, "country": vantage.country}
    values |= {"vantages": msgspec.json.encode(list(vantages)).decode()}
    rows = db.execute(SQL["RECORDED_ELSEWHERE"], values).fetchall()
    ids = [row[0] for row in rows if row[1] in vantages or row[2] in GOT_THROUGH]
    return tuple(measurement(db, measurement_id) for measurement_id in ids[:MAX_RECORDED])
