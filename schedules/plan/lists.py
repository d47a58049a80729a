"""Target lists that are published: a copy beside the database, fetched anew about once a day.

A list that cannot be fetched is told, and its old copy serves on. A line that cannot be read is passed over: what
others publish must not stop a volunteer's round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schedules.config.schema import Config

FOLDER = "lists"
MAX_BYTES = 32 * 1024 * 1024
FRESH_S, RETRY_S = 86400, 3600


def is_published(list_: str) -> bool:
    return list_.startswith("https://")


def copy_of(url: str, database: Path) -> Path:
    """Where the copy of a published list is kept, fetched or not."""
    return database.parent / FOLDER / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.csv"


async def refresh(config: Config, database: Path, now: float, fetch: Callable[..., Awaitable[object]]) -> list[str]:
    """Fetch each published list of the campaigns whose copy is a day old; a sentence for each that could not be had.

    `fetch` downloads one as `probe.http.exchange.fetch` does.
    """
    from probe.http.exchange import FetchFailed

    said = []
    for url in dict.fromkeys(campaign.list for campaign in config.campaign if campaign.list is not None):
        copy = copy_of(url, database)
        failed = copy.with_suffix(".failed")
        if not is_published(url) or _younger(copy, FRESH_S, now) or _younger(failed, RETRY_S, now):
            continue
        try:
            copy.parent.mkdir(mode=0o700, exist_ok=True)
            await fetch(url, copy, max_bytes=MAX_BYTES)
            failed.unlink(missing_ok=True)
        except FetchFailed as error:
            failed.touch()
            said.append(f"{error}; {'the copy from before serves' if copy.exists() else 'the campaign waits for it'}")
    return said


def _younger(path: Path, seconds: float, now: float) -> bool:
    """One that lies in the future is not, for a clock was wrong."""
    return path.exists() and 0 <= now - path.stat().st_mtime < seconds
