"""Downloads from a hub: measurements of a period, registers, target lists and fingerprints."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from gettext import gettext as _
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import msgspec

from probe.http.api_client import ApiResponse, NotAnswered
from probe.http.download import Download, FetchFailed, FetchPolicy, Validators, fetch
from probe.net.path import BadPath
from probe.timestamps import rfc3339_of_epoch
from results.compare.sources import MARGIN_S
from schedules.config.schema import Config
from schedules.hub_client.client import HubBusy, HubClient, HubRefused, token_for, usable_way

PAGE_SIZE, PAGE_SIZE_WITH_RECORDS = 5000, 500
MAX_PAGE_BYTES = 64 * 1024 * 1024
MAX_DOWNLOAD_BYTES = 16 * 1024**3
"""On disk, from one hub."""
MAX_FILE_BYTES = 128 * 1024 * 1024
"""In memory; a register of a million entries takes a third of it."""
MAX_TRIES = 5
MAX_WAIT_S = 60.0
FILE_TIMEOUT_S = 900.0
NOT_MODIFIED = 304
MAX_UNIX_TIME = 253402300799.0


class DownloadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A period in seconds since 1970, None for open; `whole` for the whole records."""

    since: float | None = None
    until: float | None = None
    whole: bool = False

    @property
    def query(self) -> dict[str, str]:
        """The filters, with a day more on both sides: the reader of the file filters by time again."""
        size, record = (PAGE_SIZE_WITH_RECORDS, "yes") if self.whole else (PAGE_SIZE, "no")
        query = {"limit": str(size), "record": record}
        for key, at, margin_s in (("since", self.since, -MARGIN_S), ("until", self.until, MARGIN_S)):
            if at is not None:
                query[key] = rfc3339_of_epoch(min(max(at + margin_s, 0.0), MAX_UNIX_TIME), "milliseconds")
        return query


class MeasurementDownload:
    """Downloads measurements page by page, and retries a page that failed."""

    def __init__(
        self,
        hub: HubClient,
        say: Callable[[str], None] = lambda sentence: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        max_bytes: int = MAX_DOWNLOAD_BYTES,
    ) -> None:
        self._hub, self._say, self._sleep, self._max_bytes = hub, say, sleep, max_bytes

    async def write(self, request: DownloadRequest, into: Path) -> None:
        """Write the measurements to a new file, one JSON line each. Raises HubRefused, NotAnswered or OSError."""
        url, query = self._hub.url, request.query
        after, size, more = 0, 0, True
        with into.open("xb") as out:
            while more:
                page = await self._page({**query, "after": str(after)})
                following = page.header("reachprobe-after") or ""
                if not (following.isascii() and following.isdigit() and len(following) < 20):
                    raise HubRefused(_("{url}: unexpected response, not a reachprobe hub").format(url=url))
                more = 'rel="next"' in (page.header("link") or "")
                if more and int(following) <= after:
                    raise HubRefused(_("{url}: too many pages").format(url=url))
                after, size = int(following), size + len(page.body)
                if size > self._max_bytes:
                    says = _("{url}: more than {size} GB of data; narrow it with --since and --until")
                    raise HubRefused(says.format(url=url, size=f"{self._max_bytes / 1e9:.0f}"))
                out.write(page.body)

    async def _page(self, query: dict[str, str]) -> ApiResponse:
        tries = 1
        while True:
            try:
                return await self._hub.read(f"/v1/measurements?{urlencode(query)}", MAX_PAGE_BYTES)
            except NotAnswered as error:
                if tries == MAX_TRIES:
                    raise
                asked_for = error.wait_s if isinstance(error, HubBusy) else None
                wait = min(MAX_WAIT_S, asked_for if asked_for is not None else 2.0 ** (tries - 1))
                self._say(_("{error}; retrying in {seconds} s").format(error=error, seconds=f"{wait:.0f}"))
                await self._sleep(wait)
                tries += 1


def fetcher(config: Config, database: Path, **options: Any) -> Callable[..., Any]:
    """`probe.http.download.fetch`, but files of the configured hub are fetched with its token, path and pins."""
    policy = FetchPolicy(ca_file=config.network.ca_file, gate=config.network.gate)
    fetch_public: Callable[..., Any] = partial(fetch, policy=policy, **options)
    hub_url = (config.hub.url or "").rstrip("/")

    async def fetch_file(url: str, into: Path, **how: Any) -> Download:
        if not hub_url or not url.startswith(f"{hub_url}/"):
            return cast(Download, await fetch_public(url, into, **how))
        try:
            hub = HubClient(hub_url, usable_way(config, FILE_TIMEOUT_S), token_for(database, hub_url))
            return await _file(hub, url.removeprefix(hub_url), into, **how)
        except (NotAnswered, HubRefused, BadPath) as error:
            raise FetchFailed(f"{url}: {error}") from error

    return fetch_file


async def _file(
    hub: HubClient,
    path: str,
    into: Path,
    *,
    validators: Validators = (None, None),
    max_bytes: int = MAX_FILE_BYTES,
) -> Download:
    conditions = zip(("If-None-Match", "If-Modified-Since"), validators, strict=True)
    headers = tuple((name, value) for name, value in conditions if value is not None)
    response = await hub.get(path, headers, min(max_bytes, MAX_FILE_BYTES))
    if response.status != NOT_MODIFIED:
        into.write_bytes(hub.checked(response).body)  # noqa: ASYNC240 nothing else waits for this
    return Download(
        status=response.status,
        etag=response.header("etag"),
        modified=response.header("last-modified"),
        length=len(response.body),
    )
