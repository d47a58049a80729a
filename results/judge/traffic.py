"""Traffic in bytes, estimated from the records: 2% too high for large pages, up to twice too high for small ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from probe.model import Measurement
from probe.steps import specs

if TYPE_CHECKING:
    from sqlite_utils import Database


def bytes_of(measurement: Measurement) -> int:
    """About how many bytes a measurement sent and received, packet headers included."""
    return sum([specs()[step.step].traffic_bytes(step.detail) for step in measurement.observations])


def month_of(moment: datetime) -> str:
    """`2026-11`, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def next_month(moment: datetime) -> datetime:
    """When the next month begins, in UTC."""
    now = moment.astimezone(UTC)
    year, month = (now.year, now.month + 1) if now.month < 12 else (now.year + 1, 1)
    return datetime(year, month, 1, tzinfo=UTC)


def spent_in(db: Database, month: str) -> int:
    """How many bytes a month has cost so far."""
    row = db.execute("SELECT bytes FROM traffic WHERE month = ?", [month]).fetchone()
    return int(row[0]) if row else 0
