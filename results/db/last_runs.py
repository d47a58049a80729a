"""When each target was measured last and what was said of it, for the schedule."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from probe.model import Target, Vantage
from probe.timestamps import rfc3339
from results.aggregate.counting import COUNTED

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


class LastRun(msgspec.Struct, frozen=True):
    """The last measurement of a target: when (UTC, RFC 3339), and what was said of it."""

    started_at: str
    outcome: str | None


def last_runs(db: Database, targets: Iterable[Target], vantage: Vantage, until: str) -> dict[Target, LastRun]:
    """The last measurement of each target from `vantage`, not after `until` (UTC, RFC 3339)."""
    texts = msgspec.json.encode(sorted({target.text for target in targets})).decode()
    found: dict[Target, LastRun] = {}
    for row in db.execute(LAST_RUNS, [texts, *msgspec.structs.astuple(vantage), until]):
        *fields, required, started_at, outcome = row
        names = Target.__struct_fields__[: len(fields)]
        found[Target(**dict(zip(names, fields, strict=True)), required=bool(required))] = LastRun(started_at, outcome)
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
