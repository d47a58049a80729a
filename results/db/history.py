"""Earlier measurements of a target: the last ones, their outcomes, and those recorded by other vantages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from probe.model import Measurement, Target, Vantage
from probe.timestamps import parse_time, rfc3339
from results.db import read
from results.sql import statements

if TYPE_CHECKING:
    from sqlite_utils import Database

SQL = statements(__file__)
GOT_THROUGH = ("reachable", "denied")
MAX_CONTROLS = 2


class LastMeasurement(msgspec.Struct, frozen=True):
    """The last measurement of a target: its time (UTC, RFC 3339) and outcome."""

    started_at: str
    outcome: str | None


def last_runs(db: Database, targets: Iterable[Target], vantage: Vantage, until: str) -> dict[Target, LastMeasurement]:
    """The last measurement of each target from `vantage`, not after `until` (UTC, RFC 3339)."""
    texts = msgspec.json.encode(sorted({target.text for target in targets})).decode()
    found: dict[Target, LastMeasurement] = {}
    for row in db.execute(SQL["LAST_RUNS"], [texts, *msgspec.structs.astuple(vantage), until]):
        found[read.target_of(row[:7])] = LastMeasurement(*row[7:])
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
    db: Database, measurement: Measurement, *, vantages: Collection[str], within_s: float
) -> tuple[Measurement, ...]:
    """The newest measurements of the target from another country, or from one of `vantages`, within `within_s` seconds.

    Only the latest of each vantage counts. Another country may block the target too, so a failure there is no control,
    unless its vantage is one of `vantages`, which are known to be free.
    """
    vantage = measurement.vantage
    since = rfc3339(parse_time(measurement.started_at) - timedelta(seconds=within_s))
    values: dict[str, str | None] = {"text": measurement.target.text, "since": since, "until": measurement.started_at}
    values |= {"name": vantage.name, "path": vantage.path, "country": vantage.country}
    values |= {"vantages": msgspec.json.encode(list(vantages)).decode()}
    rows = db.execute(SQL["RECORDED_ELSEWHERE"], values).fetchall()
    ids = [row[0] for row in rows if row[1] in vantages or row[2] in GOT_THROUGH]
    return tuple(read.measurement(db, measurement_id) for measurement_id in ids[:MAX_CONTROLS])
