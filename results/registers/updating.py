"""The next version of a register from where it is published: conditional, bounded, all or nothing.

The old register serves until the new one is whole: the download goes to a file of its own, and the import is one
transaction. Mirrors are tried in their order. A download that broke off goes on the next time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from results.registers.importing import import_register
from results.registers.records import ImportReport, RegisterError
from results.registers.source import Progress

if TYPE_CHECKING:
    from sqlite_utils import Database

MAX_DOWNLOAD = 512 << 20
MAX_SHRINK = 0.2
NOT_MODIFIED = 304


class Fetched(Protocol):
    """What a download tells: the HTTP status (304: nothing newer) and what to ask with the next time."""

    @property
    def status(self) -> int: ...
    @property
    def etag(self) -> str | None: ...
    @property
    def modified(self) -> str | None: ...


Fetch = Callable[..., Awaitable[Fetched]]
"""`probe.http.exchange.fetch`: url, file, etag=, modified=, max_bytes=; raises OSError."""


async def update_register(
    db: Database,
    source: Sequence[str],
    fetch: Fetch,
    *,
    name: str,
    country: str | None = None,
    format: str | None = None,
    force: bool = False,
    now: datetime,
    folder: Path,
    progress: Progress | None = None,
) -> ImportReport | None:
    """Bring a register up to date from the first of its sources (URLs or files) that works; None: nothing is newer.

    `folder` holds downloads under way, and what came of one that broke off. A version that lacks more than a fifth of
    the entries of the one before is refused unless `force`. Raises RegisterError with what each source said, the
    register being as it was.
    """
    how: dict[str, Any] = {
        "name": name, "country": country, "format": format, "now": now, "progress": progress,
        "max_shrink": None if force else MAX_SHRINK,
    }  # fmt: skip
    said = []
    for place in source:
        try:
            if "://" in place:
                return await _from_url(db, place, fetch, folder, force, how)
            return import_register(db, [_path(place)], **how)
        except (RegisterError, OSError) as error:
            said.append(str(error))
    raise RegisterError(f"register {name} stays as it was: " + ("; ".join(said) or "it has no source"))


async def _from_url(
    db: Database, url: str, fetch: Fetch, folder: Path, force: bool, how: dict[str, Any]
) -> ImportReport | None:
    known = (None, None)
    if not force and _has_versions(db, how["name"]):
        query = "SELECT etag, modified FROM register_sources WHERE register = ? AND url = ?"
        known = db.conn.execute(query, (how["name"], url)).fetchone() or known
    with _place_for(url, folder) as into:
        got = await fetch(url, into, etag=known[0], modified=known[1], max_bytes=MAX_DOWNLOAD)
        if got.status == NOT_MODIFIED:
            return None
        report = import_register(db, [into], **how)
    db.execute(
        "INSERT OR REPLACE INTO register_sources VALUES (?, ?, ?, ?, ?)",
        (how["name"], url, got.etag, got.modified, int(how["now"].timestamp())),
    )
    return report


@contextmanager
def _place_for(url: str, folder: Path) -> Iterator[Path]:
    """The file that a URL is downloaded to: always the same, in a folder of its own, and gone afterwards."""
    own = folder / hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    last = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    into = own / (re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip(".")[-100:] or "register")
    try:
        yield into
    finally:
        into.unlink(missing_ok=True)
        if not any(own.iterdir()):  # what came of a download that broke off stays
            own.rmdir()


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _has_versions(db: Database, name: str) -> bool:
    query = "SELECT 1 FROM register_versions v JOIN registers r ON r.id = v.register_id WHERE r.name = ? LIMIT 1"
    return db.conn.execute(query, (name,)).fetchone() is not None
