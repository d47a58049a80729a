"""Flags findings that contradict those of other vantage points, of vantage points that do so again and again.

A flag is for people, never a verdict: an outlier may be the first of many, a fault of one machine, or made up. So a
finding is compared some hours later, when a block that has just begun is seen by others too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from probe.timestamps import parse_time, rfc3339
from results.sql import statements

if TYPE_CHECKING:
    from results.db.store import Store

SQL = statements(__file__)

DELAY = timedelta(hours=6)
"""From receiving a finding to comparing it: by then others have measured again."""
WINDOW = timedelta(hours=12)
"""Others' findings count from this long before to this long after; one that agrees within it does not contradict."""
MAX_PER_STEP = 1000
MAX_OTHERS = 60
"""Vantage points of a country to compare with, those of the same network first."""
MIN_OTHERS = 3
"""Other vantage points with a finding on the network, or else in the country."""
MIN_OPPOSITE_SHARE = 0.9
"""Of them, those that found the opposite of an outlier."""
LAST_FINDINGS = 40
"""Of a vantage point: the comparable ones that count."""
MIN_OUTLIERS, MIN_OUTLIER_SHARE = 5, 0.5
"""Among these, from which they are flagged."""


class ComparableFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, `blocked` or `reachable`, and the outcomes of others; `in_country` includes `on_network`."""

    number: int
    outcome: str
    network: str
    country: str
    on_network: tuple[str, ...] = ()
    in_country: tuple[str, ...] = ()


class Comparison(msgspec.Struct, frozen=True):
    """Why the finding is an outlier; None where it is not."""

    number: int
    why: str | None


def compare_finding(finding: ComparableFinding) -> Comparison | None:
    """None where too few others have a finding. The same network decides where it has enough of them."""
    for where, others in ((finding.network, finding.on_network), (finding.country, finding.in_country)):
        if len(others) < MIN_OTHERS:
            continue
        against = sum(outcome != finding.outcome for outcome in others)
        if against < MIN_OPPOSITE_SHARE * len(others):
            return Comparison(finding.number, None)
        opposite = "reachable" if finding.outcome == "blocked" else "blocked"
        why = f"{finding.outcome}, while {against} of {len(others)} others {where} found it {opposite}"
        return Comparison(finding.number, why)
    return None


def flags(before: Sequence[Comparison], new: Sequence[Comparison]) -> tuple[dict[int, str], list[Comparison]]:
    """The flags for one vantage point by finding, and its last comparisons, which are `before` in the next call.

    Comparisons are in the order of receipt. Once the minimum is reached, the outliers that led there are flagged too.
    """
    flagged: dict[int, str] = {}
    last = list(before)
    for one in new:
        last = [*last, one][-LAST_FINDINGS:]
        outliers = [other for other in last if other.why is not None]
        if one.why is not None and len(outliers) >= max(MIN_OUTLIERS, MIN_OUTLIER_SHARE * len(last)):
            flagged |= {other.number: other.why for other in outliers if other.why is not None}
    return flagged, last


class OutlierDetector:
    """Remembers each member's last comparisons; how far it came is in the database."""

    def __init__(self) -> None:
        self._last: dict[int, list[Comparison]] = defaultdict(list)

    def step(self, store: Store, now: datetime) -> int:
        """Compare what was received before `now` - DELAY; how many findings that were, at most MAX_PER_STEP."""
        db = store.db
        row = db.execute("SELECT measurement FROM examined").fetchone()
        rows = db.execute(
            SQL["UNCHECKED"], [row[0] if row else 0, rfc3339(now - DELAY, "seconds"), MAX_PER_STEP]
        ).fetchall()
        if not rows:
            return 0
        new: dict[int, list[Comparison]] = defaultdict(list)
        for number, member, *values in rows:
            finding = _comparable(store, number, values)
            if finding is not None and (comparison := compare_finding(finding)) is not None:
                new[member].append(comparison)
        flagged: dict[int, str] = {}
        for member, comparisons in new.items():
            of_member, self._last[member] = flags(self._last[member], comparisons)
            flagged |= of_member
        with store.writing():
            db.conn.executemany(
                "UPDATE received SET flag = ? WHERE measurement = ?", [(why, number) for number, why in flagged.items()]
            )
            db.execute("INSERT OR REPLACE INTO examined VALUES (1, ?)", [rows[-1][0]])
        return len(rows)


def _comparable(store: Store, number: int, values: Sequence[Any]) -> ComparableFinding | None:
    """None for another outcome, another path or an unknown country."""
    target, at, outcome, name, country, asn, path = values
    if outcome not in ("blocked", "reachable") or path != "direct" or country is None:
        return None
    moment = parse_time(at)
    bounds = rfc3339(moment - WINDOW), rfc3339(moment + WINDOW)
    opposite = "reachable" if outcome == "blocked" else "blocked"
    found: dict[str, tuple[bool, str]] = {}
    for vantage, other, network in store.db.execute(SQL["OTHERS"], [country, name, asn, MAX_OTHERS]).fetchall():
        (agrees,) = store.db.execute(SQL["AGREES"], [outcome, target, vantage, *bounds]).fetchone()
        if agrees is not None and other not in found:
            found[other] = asn is not None and network == asn, outcome if agrees else opposite
    return ComparableFinding(
        number=number,
        outcome=outcome,
        network=f"on AS{asn}",
        country=f"in {country}",
        on_network=tuple(theirs for is_same_network, theirs in found.values() if is_same_network),
        in_country=tuple(theirs for _, theirs in found.values()),
    )
