"""Rows as other machines print them, and what comparing makes of files of these."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from results.compare import ComparedRow, compare, gather

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
WECHAT = "https://www.wechat.com/"
AGREEMENT = {"blocked": "enforced", "reachable": "unenforced"}
_numbers = count(1)


def row(outcome: str = "reachable", *, hours: float = 0, **changes: Any) -> dict[str, Any]:
    """One line of `--json`, so many hours after noon, by default from home-fibre in AS12389."""
    place = {"name": "home-fibre", "country": "RU", "asn": 12389, "path": "direct"}
    place |= {key: changes.pop(key) for key in list(changes) if key in place}
    at = (NOON + timedelta(hours=hours)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "kind": "target",
        "measurement_id": f"m{next(_numbers):09}",
        "target": WECHAT,
        "service": "wechat",
        "vantage": place,
        "started_at": at,
        "outcome": outcome,
        "method": "tls.reset" if outcome == "blocked" else None,
        "agreement": AGREEMENT.get(outcome, "undecided"),
        "evidence": [],
        "rules_version": "7",
        **changes,
    }


def write(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def compared(*sources: Path, rows: Any = "service", by: Any = "vantage", **how: Any) -> dict[str, ComparedRow]:
    """Each row by its name."""
    within = {"within_s": how.pop("within_s")} if "within_s" in how else {}
    with gather(sources, **how) as gathered:
        return {one.row: one for one in compare(gathered, by=by, rows=rows, **within)}


def only(*sources: Path, **how: Any) -> ComparedRow:
    """The one row that there is."""
    (found,) = compared(*sources, **how).values()
    return found


def outcomes(found: ComparedRow) -> dict[str, str | None]:
    """What each cell says."""
    return {cell.by: cell.outcome for cell in found.cells}
