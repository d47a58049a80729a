"""What a round does on its way out: let go of what is too old, or too much."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from results import prune

if TYPE_CHECKING:
    from results.store import Store
    from schedules.config import Config


def tidy(config: Config, store: Store, now: float) -> str | None:
    """Prune this vantage's own measurements; a sentence where some were deleted. The caller holds the lock."""
    done = prune.tidy(
        store,
        keep_days=config.store.keep_days,
        max_bytes=config.store.max_bytes,
        now=datetime.fromtimestamp(now, UTC),
        vantage=config.vantage.name,
    )
    if done is None or not done.old + done.above_limit:
        return None
    return f"{done.old + done.above_limit} old measurements were deleted, as [store] says"
