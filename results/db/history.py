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


class LastMeasurement(msgspec.Struct, frozen=True):
    """The last measurement of a target: when (UTC, RFC 3339), and what was said of it."""

    started_at: str
    outcome: str | None


def last_runs(db: Database, targets: Iterable[Target], vantage: Vantage, until: str) -> dict[Target, LastMeasurement]:
    """The last measurement of each target from `vantage`, not after `until` (UTC, RFC 3339)."""
    texts = msgspec.json.encode(sorted({target.text for target in targets})).decode()
    found: dict[Target, LastMeasurement] = {}
    for row in db.execute(LAST_RUNS, [texts, *msgspec.structs.astuple(vantage), until]):
        *fields, required, started_at, outcome = row
        names = Target.__struct_fields__[: len(fields)]
        found[Target(**dict(zip(names, fields, strict=True)), required=bool(required))] = LastMeasurement(
            started_at, outcome
        )
    return found


def recent_outcomes(
    db: Database, target: str, vantage: Vantage, until: datetime, limit: int, *, network: str | None = None
) -> list[str]:
    """What was last said of a target from `vantage` on one `network`, not after `until`, newest first; what was
    repeated at once counts once."""
    at = rfc3339(until)
    values = [*msgspec.structs.astuple(vantage), target, network, at, limit]
    return [row[0] for row in db.execute(RECENT_OUTCOMES, values)]


def made_at(db: Database) -> str:
    """When this database was made, to the microsecond: what no other database shares with it."""
    return str(db.execute("SELECT min(applied_at) FROM _sqlite_migrations").fetchone()[0])


def last_network(db: Database) -> str | None:
    """Which of this machine's networks it was last known to be on."""
    row = db.execute("SELECT network_key FROM rounds WHERE network_key IS NOT NULL ORDER BY started_at DESC LIMIT 1")
    found = row.fetchone()
    return str(found[0]) if found is not None else None


def last_round(db: Database) -> str | None:
    """When the newest round began (UTC, RFC 3339)."""
    found = db.execute("SELECT max(started_at) FROM rounds").fetchone()[0]
    return str(found) if found is not None else None


if TYPE_CHECKING:
    from sqlite_utils import Database

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


class NewestMeasurement(msgspec.Struct, frozen=True, kw_only=True):
    """What was said last, the longest that each kind of step took (seconds), and what the target presented."""

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
        yield NewestMeasurement(
            target=target,
            service=service,
            at=at,
            runtime_s=runtime_s,
            outcome=outcome,
            method=method,
            steps_s=steps_s,
            status=status,
            certificate=certificate,
        )


if TYPE_CHECKING:
    from sqlite_utils import Database

GOT_THROUGH = ("reachable", "denied")
MAX_CONTROLS = 2
RECORDED_ELSEWHERE = """
SELECT m.id, w.name, v.outcome, max(m.started_at) AS at
FROM targets t JOIN measurements m ON m.target_id = t.id JOIN vantages w ON w.id = m.vantage_id
JOIN verdicts v ON v.measurement = m.number
WHERE t.text = :text AND m.control_of IS NULL AND m.started_at BETWEEN :since AND :until
    AND NOT (w.name = :name AND w.path = :path)
    AND (w.country <> :country OR w.name IN (SELECT value FROM json_each(:vantages)))
GROUP BY w.id ORDER BY at DESC
"""


def recorded_elsewhere(
    db: Database, measurement: Measurement, *, vantages: Collection[str], within_s: float
) -> tuple[Measurement, ...]:
    """The newest measurements of the target from another country, or from one of `vantages`, within `within_s` seconds.

    Of each vantage the latest alone counts. Another country may block the target too, so what failed there is no
    control, unless its vantage is one of `vantages`, which are known to be free.
    """
    from results.db.write import to_json

    vantage, now = measurement.vantage, parse_time(measurement.started_at)
    since = rfc3339(now - timedelta(seconds=within_s))
    values = {
        "text": measurement.target.text,
        "since": since,
        "until": measurement.started_at,
        "name": vantage.name,
        "path": vantage.path,
        "country": vantage.country,
        "vantages": to_json(list(vantages)),
    }
    found = db.execute(RECORDED_ELSEWHERE, values).fetchall()
    believed = [row[0] for row in found if row[1] in vantages or row[2] in GOT_THROUGH]
    return tuple(read.measurement(db, one) for one in believed[:MAX_CONTROLS])
