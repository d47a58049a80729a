"""Published lists of block pages: downloaded where they have a URL, and stored next to the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from gettext import gettext as _
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from probe.net.address_policy import literal
from probe.temporary_files import system_prefix
from results.fingerprints.collection import MAX_SOURCE_BYTES, CollectionReport, gather, place, store
from results.fingerprints.fingerprint import FingerprintError

if TYPE_CHECKING:
    from schedules.config.schema import Config

    Fetch = Callable[..., Any]


def take_in(sources: Sequence[str], config: Config, database: Path) -> CollectionReport:
    """Import the lists at these files and URLs in place of the old ones. Raises FingerprintError."""
    from schedules.hub_client.download import fetcher

    with TemporaryDirectory(prefix=system_prefix()) as folder:
        gathered = _gather(sources, Path(folder), fetcher(config, database))
    store(gathered.collection, place(database))
    return gathered


def _gather(sources: Sequence[str], folder: Path, fetch: Fetch) -> CollectionReport:
    """Each list that has a URL is downloaded first; all are read, or none."""
    lists = []
    for number, source in enumerate(sources):
        if "://" in source:
            _refuse_open(source)
            into = folder / str(number)
            asyncio.run(_download(source, into, fetch))
            lists.append((source, into))
        else:
            lists.append((source, Path(source).expanduser()))
    return gather(lists, datetime.now(UTC))


def _refuse_open(url: str) -> None:
    """Only https: a censor could rewrite a list sent in the clear."""
    try:
        parts = urlsplit(url)
        address = literal(parts.hostname or "")
    except ValueError as error:
        raise FingerprintError(_("{url} is not a URL: {error}").format(url=url, error=error)) from error
    if parts.scheme != "https" and not (address and address.is_loopback):
        sentence = _("{url}: must use https; a list sent in the clear could be rewritten on the way")
        raise FingerprintError(sentence.format(url=url))


async def _download(url: str, into: Path, fetch: Fetch) -> None:
    try:
        await fetch(url, into, max_bytes=MAX_SOURCE_BYTES)
    except OSError as error:
        raise FingerprintError(_("{error}; keeping the old lists").format(error=error)) from error
