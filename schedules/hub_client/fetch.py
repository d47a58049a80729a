"""Downloads for registers, lists and fingerprints: from anybody as `fetch` does, from the own hub as a member.

What a hub gives is a file like any other's: it is read by the same readers, and what it names is held to the same
consent, the same categories left out, and the same bar on private addresses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from probe.http.api_client import NotAnswered, get
from probe.http.exchange import Download, FetchFailed, fetch
from probe.net.path import BadPath, usable
from schedules.hub_client import client
from schedules.hub_client.client import HubRefused
from schedules.hub_client.source import token_for

if TYPE_CHECKING:
    from schedules.config.schema import Config

NOT_MODIFIED = 304
LONGEST_S = 900.0
MAX_BYTES = 128 * 1024 * 1024
"""Of a file from a hub, which is held in memory meanwhile; a register of a million entries has a third of that."""


def fetcher(config: Config, database: Path, **always: Any) -> Callable[..., Any]:
    """`probe.http.exchange.fetch`, that asks the own hub with its token, by its path, and to its pins."""
    plain: Callable[..., Any] = partial(fetch, ca_file=config.network.ca_file, **always)
    url = (config.hub.url or "").rstrip("/")

    async def either(place: str, into: Path, **how: Any) -> Download:
        if url and place.startswith(f"{url}/"):
            return await _from_hub(config, database, url, place.removeprefix(url), into, **how)
        return cast(Download, await plain(place, into, **how))

    return either


async def _from_hub(
    config: Config,
    database: Path,
    url: str,
    path: str,
    into: Path,
    *,
    etag: str | None = None,
    modified: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> Download:
    """FetchFailed, as `fetch` raises it."""
    conditions = (("If-None-Match", etag), ("If-Modified-Since", modified))
    headers = tuple((name, value) for name, value in conditions if value is not None)
    try:
        usable(config.path_named(config.hub.path))
        got = await get(
            url,
            path,
            (*headers, *client.always(token_for(database, url))),
            client.way_of(config, LONGEST_S),
            max_bytes=min(max_bytes, MAX_BYTES),
        )
        if got.status != NOT_MODIFIED:
            client.good(url, got)
            into.write_bytes(got.body)  # noqa: ASYNC240 nothing else waits for this
    except (NotAnswered, HubRefused, BadPath) as error:
        raise FetchFailed(f"{url}{path}: {error}") from error
    return Download(
        status=got.status,
        etag=got.header("etag"),
        modified=got.header("last-modified"),
        length=len(got.body),
    )
