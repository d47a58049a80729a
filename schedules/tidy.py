"""What a round does on its way out: let go of what is too old, or too much."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from results import prune
from results.opening import drop_old_backups

if TYPE_CHECKING:
    from results.store import Store
    from schedules.config import Config


def tidy(config: Config, store: Store, now: float) -> str | None:
    """Prune this vantage's own measurements, and the copies from before an upgrade of the database; a sentence where
    some were deleted. The caller holds the lock, and has just measured into the database."""
    said = [f"{copy} was deleted, a month after the upgrade" for copy in drop_old_backups(store.path, now)]
    done = prune.tidy(
        store,
        keep_days=config.store.keep_days,
        max_bytes=config.store.max_bytes,
        now=datetime.fromtimestamp(now, UTC),
        vantage=config.vantage.name,
    )
    if done is not None and (gone := done.old + done.above_limit):
        said.append(f"{gone} old measurements were deleted, as [store] says")
    return "; ".join(said) or None
