"""What a round does on its way out: let go of what is too old, or too much."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from results.db import retention
from results.db.connect import drop_old_backups

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config


def tidy(config: Config, store: Store, now: float) -> str | None:
    """Prune this vantage's own measurements, and the copies from before an upgrade of the database; a sentence where
    some were deleted. The caller holds the lock, and has just measured into the database."""
    said = [f"{copy} was deleted, a month after the upgrade" for copy in drop_old_backups(store.path, now)]
    done = retention.tidy(
        store,
        keep_days=config.store.keep_days,
        max_bytes=config.store.max_bytes,
        now=datetime.fromtimestamp(now, UTC),
        vantage=config.vantage.name,
    )
    if done is not None and (gone := done.old + done.above_limit):
        said.append(f"{gone} old measurements were deleted, as [store] says")
    return "; ".join(said) or None
