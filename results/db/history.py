"""Earlier measurements of a target: the last ones, their outcomes, and those recorded by other vantages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from probe.model import Measurement, Target, Vantage
from probe.timestamps import parse_time, rfc3339
from results.aggregate.counting import COUNTED
from results.db import read

if TYPE_CHECKING:
    from sqlite_utils import Database

GOT_THROUGH = ("reachable", "denied")
MAX_CONTROLS = 2
LAST_RUNS = """
SELECT t.text, t.scheme, t.host, t.port, t.request_path, t.service, t.required, m.started_at, v.outcome
FROM json_each(?) wanted
CROSS JOIN targets t ON t.text = wanted.value
CROSS JOIN vantages w ON w.name = ? AND w.country IS ? AND w.asn IS ? AND w.network_name IS ? AND w.path = ?
JOIN measurements m ON m.number = (
    SELECT number FROM measurements
    WHERE target_id = t.id AND vantage_id = w.id AND control_of IS NULL AND started_at <= ?
    ORDER BY started_at DESC LIMIT 1
)
LEFT JOIN verdicts v ON v.measurement = m.number
"""
RECENT_OUTCOMES = f"""
SELECT v.outcome
FROM targets t
CROSS JOIN vantages w ON w.name = ? AND w.country IS ? AND w.asn IS ? AND w.network_name IS ? AND w.path = ?
CROSS JOIN measurements m ON m.target_id = t.id AND m.vantage_id = w.id
JOIN verdicts v ON v.measurement = m.number
LEFT JOIN rounds r ON r.id = m.round_id
WHERE t.text = ? AND r.network_key IS ? AND {COUNTED} AND m.started_at <= ?
ORDER BY m.started_at DESC LIMIT ?
"""  # noqa: S608 constants only
NEWEST_QUERY = """
SELECT t.text, t.service, m.number, m.started_at, m.runtime_s, v.outcome, v.method, max(m.started_at)
FROM json_each(?) wanted
CROSS JOIN targets t ON t.text = wanted.value
CROSS JOIN vantages w ON w.name = ? AND w.path = ?
JOIN measurements m ON m.number = (
    SELECT number FROM measurements WHERE target_id = t.id AND vantage_id = w.id AND control_of IS NULL
    ORDER BY started_at DESC LIMIT 1
)
JOIN verdicts v ON v.measurement = m.number
GROUP BY wanted.key, t.text, t.service
ORDER BY wanted.key, t.id
"""
STEPS = """
SELECT o.step, o.duration_s, o.failure, o.http_status, c.der
FROM observations o LEFT JOIN certificates c ON c.id = json_extract(o.tls_chain, '$[0]')
WHERE o.measurement = ? AND o.role = 'main' AND o.hop = 0
"""
RECORDED_ELSEWHERE = """
SELECT m.id, w.name, v.outcome, max(m.started_at) AS at
FROM targets t JOIN measurements m ON m.target_id = t.id JOIN vantages w ON w.id = m.vantage_id
JOIN verdicts v ON v.measurement = m.number
WHERE t.text = :text AND m.control_of IS NULL AND m.started_at BETWEEN :since AND :until
    AND NOT (w.name = :name AND w.path = :path)
    AND (w.country <> :country OR w.name IN (SELECT value FROM json_each(:vantages)))
GROUP BY w.id ORDER BY at DESC
"""


class LastMeasurement(msgspec.Struct, frozen=True):
    """The last measurement of a target: its time (UTC, RFC 3339) and outcome."""

    started_at: str
    outcome: str | None


def last_runs(db: Database, targets: Iterable[Target], vantage: Vantage, until: str) -> dict[Target, LastMeasurement]:
    """The last measurement of each target from `vantage`, not after `until` (UTC, RFC 3339)."""
    texts = msgspec.json.encode(sorted({target.text for target in targets})).decode()
    found: dict[Target, LastMeasurement] = {}
    for row in db.execute(LAST_RUNS, [texts, *msgspec.structs.astuple(vantage), until]):
        found[read.target_of(row[:7])] = LastMeasurement(*row[7:])
    return found


def recent_outcomes(
    db: Database, target: str, vantage: Vantage, until: datetime, limit: int, *, network: str | None = None
) -> list[str]:
    """The last outcomes of a target from `vantage` on one `network`, not after `until`, newest first; a measurement and
    its immediate repeat count once."""
    values = [*msgspec.structs.astuple(vantage), target, network, rfc3339(until), limit]
    return [row[0] for row in db.execute(RECENT_OUTCOMES, values)]


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
    for row in db.execute(NEWEST_QUERY, [texts, vantage, path]).fetchall():
        target, service, number, at, runtime_s, outcome, method, _ = row
        steps_s: dict[str, float] = {}
        status, certificate = None, None
        for step, took, failure, code, der in db.execute(STEPS, [number]):
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
    rows = db.execute(RECORDED_ELSEWHERE, values).fetchall()
    ids = [row[0] for row in rows if row[1] in vantages or row[2] in GOT_THROUGH]
    return tuple(read.measurement(db, measurement_id) for measurement_id in ids[:MAX_CONTROLS])
