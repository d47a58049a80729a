"""What other vantages found of the same target not long before: controls that cost nothing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from probe.model import Measurement
from probe.timestamps import parse_time, rfc3339
from results.db import read

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
