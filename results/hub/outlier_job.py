"""Holds what was received against what others found, some hours later, and marks what stands alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from probe.timestamps import parse_time, rfc3339
from results.hub.outliers import Alone, Held, Thresholds, alone, flags

if TYPE_CHECKING:
    from results.db.store import Store

WAITS = timedelta(hours=6)
"""So long after a finding was received it is looked at: by then others have measured again."""
BESIDE = timedelta(hours=12)
"""Others' findings of a target count from so long before a finding to so long after it. Whoever found the same once in
that time does not contradict it: a block begins at some hour, and ends at one."""
AT_ONCE = 1000
MOST_OTHERS = 60
"""Vantages of a country that a finding is held against, those of the same network before the others."""
NEXT = """
SELECT x.measurement, x.member, m.target_id, m.started_at, v.outcome, w.name, w.country, w.asn, w.path
FROM received x CROSS JOIN measurements m ON m.number = x.measurement CROSS JOIN verdicts v ON v.measurement = m.number
CROSS JOIN vantages w ON w.id = m.vantage_id
WHERE x.measurement > ? AND x.at <= ? ORDER BY x.measurement LIMIT ?
"""
OTHERS = """
SELECT id, name, asn FROM vantages WHERE country = ? AND path = 'direct' AND name <> ?
ORDER BY asn IS NOT ?, id DESC LIMIT ?
"""
FOUND = """
SELECT max(v.outcome = ?) FROM targets t CROSS JOIN measurements m ON m.target_id = t.id CROSS JOIN verdicts v
    ON v.measurement = m.number
WHERE t.text = (SELECT text FROM targets WHERE id = ?) AND m.vantage_id = ? AND m.control_of IS NULL
    AND m.started_at >= ? AND m.started_at < ? AND v.outcome IN ('blocked', 'reachable')
"""


class Examiner:
    """Remembers how each member's last findings stood; what it has looked at is in the database."""

    def __init__(self, limits: Thresholds | None = None) -> None:
        self._limits = limits or Thresholds()
        self._before: dict[int, list[Alone]] = defaultdict(list)

    def step(self, store: Store, now: datetime) -> int:
        """Look at what was received WAITS ago and not looked at before; how much that was, at most AT_ONCE."""
        db = store.db
        row = db.execute("SELECT measurement FROM examined").fetchone()
        rows = db.execute(NEXT, [row[0] if row else 0, rfc3339(now - WAITS, "seconds"), AT_ONCE]).fetchall()
        if not rows:
            return 0
        new: dict[int, list[Alone]] = defaultdict(list)
        for number, member, *finding in rows:
            held = _held(store, number, finding)
            if held is not None and (stands := alone(held, self._limits)) is not None:
                new[member].append(stands)
        marked: dict[int, str] = {}
        for member, found in new.items():
            these, self._before[member] = flags(self._before[member], found, self._limits)
            marked |= these
        with store.writing():
            db.conn.executemany(
                "UPDATE received SET flag = ? WHERE measurement = ?", [(w, n) for n, w in marked.items()]
            )
            db.execute("INSERT OR REPLACE INTO examined VALUES (1, ?)", [rows[-1][0]])
        return len(rows)


def _held(store: Store, number: int, finding: Sequence[Any]) -> Held | None:
    """None for what nobody else's finding can contradict: no finding, by another path, of an unknown country."""
    target, at, outcome, name, country, asn, path = finding
    if outcome not in ("blocked", "reachable") or path != "direct" or country is None:
        return None
    moment = parse_time(at)
    ends = rfc3339(moment - BESIDE), rfc3339(moment + BESIDE)
    opposite = "reachable" if outcome == "blocked" else "blocked"
    found: dict[str, tuple[bool, str]] = {}
    for vantage, other, network in store.db.execute(OTHERS, [country, name, asn, MOST_OTHERS]).fetchall():
        (same,) = store.db.execute(FOUND, [outcome, target, vantage, *ends]).fetchone()
        if same is not None and other not in found:
            found[other] = asn is not None and network == asn, outcome if same else opposite
    return Held(
        number=number,
        outcome=outcome,
        network=f"on AS{asn}",
        country=f"in {country}",
        on_network=tuple(said for near, said in found.values() if near),
        in_country=tuple(said for _, said in found.values()),
    )
