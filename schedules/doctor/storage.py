"""Whether the database is whole and has room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from results.db.retention import NEEDED_BYTES, used_bytes
from schedules.doctor.check_result import BAD_SETUP, Finding

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.cli.app import App
    from schedules.config.schema import Config

SOON_FULL_BYTES = 16 * NEEDED_BYTES


def state_folder(app: App) -> Finding:
    folder = app.database.parent
    if folder.exists() and not os.access(folder, os.W_OK):
        return Finding("state folder", "wrong", f"{folder} cannot be written; set STATE_DIRECTORY or --db", BAD_SETUP)
    return Finding("state folder", "fine", str(folder))


def database(store: Store) -> Finding:
    """Its integrity (quick_check), and what it holds."""
    broken = store.db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if broken != "ok":
        return Finding("database", "wrong", f"{store.path} is damaged ({broken}); restore a backup", BAD_SETUP)
    count, newest = store.db.execute("SELECT count(*), max(started_at) FROM findings").fetchone()
    size = store.path.stat().st_size / 1e6
    newest = f", the newest of {newest}" if newest else ""
    return Finding("database", "fine", f"{store.path}, {size:.1f} MB, {count} measurements{newest}")


def disk(store: Store, config: Config | None) -> Iterator[Finding]:
    """What is free, and what the database holds of what it may."""
    free = shutil.disk_usage(store.path.parent).free
    says = f"{free / 1e9:.1f} GB free" if free >= 1e9 else f"{free / 1e6:.0f} MB free"
    if free < NEEDED_BYTES:
        says += ", so nothing is measured; make room, or set STATE_DIRECTORY or --db"
        yield Finding("disk", "wrong", says, BAD_SETUP)
    elif free < SOON_FULL_BYTES:
        yield Finding("disk", "worth knowing", f"{says}; make room, or let less be kept: [store] max_mb, keep_days")
    else:
        yield Finding("disk", "fine", says)
    if config is None or config.store.max_bytes is None:
        return
    used = used_bytes(store.db)
    says = f"{used / 1e6:.1f} of {config.store.max_mb} MB that [store] max_mb allows"
    if used > config.store.max_bytes:
        says += "; what is left is the last week, and registers: allow more, or measure less often"
        yield Finding("size", "worth knowing", says)
    else:
        yield Finding("size", "fine", says)
