"""The newest measurement of each target, as far as a monitoring system wants it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

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
