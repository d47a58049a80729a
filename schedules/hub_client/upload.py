"""Uploads measurements to the configured hub in the background, and retries until the hub has them."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from gettext import gettext as _
from gettext import ngettext
from pathlib import Path

from probe.http.api_client import ApiRoute, NotAnswered
from probe.net.path import BadPath
from probe.timestamps import epoch, rfc3339_of_epoch
from results.db import upload_queue
from results.db.json_codec import prepare
from results.db.store import Store, StoreError
from results.db.upload_queue import UploadHub
from schedules.config.schema import Config
from schedules.hub_client.client import HubBusy, HubClient, HubRefused, NotEnrolled, network_seen, refresh, usable_way
from schedules.location.location import Locator, secret_of

FIRST_RETRY_S, MAX_RETRY_S, NOT_ENROLLED_RETRY_S = 60.0, 6 * 3600.0, 6 * 3600.0
MAX_BATCH_RECORDS, MAX_BATCH_BYTES, MAX_RECORD_BYTES = 200, 4 * 1024 * 1024, 2 * 1024 * 1024
TOKEN_DAYS = 30
"""After it a token is renewed."""


def retry_s(failures: int, chance: float) -> float:
    """Seconds to the next try: doubled each time, and varied by a quarter by `chance` in 0..1 to spread a group."""
    wait = min(MAX_RETRY_S, FIRST_RETRY_S * 2.0 ** min(max(0, failures - 1), 20))
    return wait * (0.75 + 0.5 * chance)


class Uploader:
    """One for each process; it uploads in a thread and on a connection of its own."""

    def __init__(self, clock: Callable[[], float] = time.time, chance: Callable[[], float] = random.random) -> None:
        self._clock, self._chance = clock, chance
        self._thread: threading.Thread | None = None
        self._messages: list[str] = []

    @staticmethod
    def queue(config: Config, store: Store) -> None:
        """Add what was measured to the upload queue."""
        if config.hub.url is not None:
            upload_queue.queue(store, config.hub.url, config.vantage.name)

    def step(self, config: Config, store: Store) -> list[str]:
        """Start an upload where one is due. Returns at once, with the messages of the last one."""
        messages, self._messages = self._messages, []
        if config.hub.url is None or (self._thread is not None and self._thread.is_alive()):
            return messages
        hub = upload_queue.hub_at(store.db, config.hub.url)
        if hub is None:
            says = _("{url}: not enrolled, nothing is uploaded; use `reachprobe init --hub`")
            return [says.format(url=config.hub.url)]
        self.queue(config, store)
        if self._is_due(hub) and upload_queue.counts(store.db, hub.url)[0]:
            prepare()
            self._thread = threading.Thread(target=self._work, args=(config, store.path), daemon=True)
            self._thread.start()
        return messages

    def finish(self, timeout_s: float) -> list[str]:
        """Wait for a running upload; one that takes longer is continued or repeated. Returns its messages."""
        if self._thread is not None:
            self._thread.join(max(0.0, timeout_s))
        messages, self._messages = self._messages, []
        return messages

    def _is_due(self, hub: UploadHub) -> bool:
        """A time further ahead than any retry was written while the clock was wrong, and is ignored."""
        wait = epoch(hub.not_before) - self._clock() if hub.not_before is not None else 0.0
        return not 0 < wait <= 2 * MAX_RETRY_S

    def _work(self, config: Config, database: Path) -> None:
        try:
            with Store.open(database) as store:
                asyncio.run(self._upload_and_refresh(config, store))
        except Exception as error:
            says = _("upload failed, will retry: {error}")
            self._messages.append(says.format(error=f"{type(error).__name__}: {error}"))

    async def _upload_and_refresh(self, config: Config, store: Store) -> None:
        await self.upload(config, store)
        locator = Locator(secret_of(store.path), seen_by_hub=partial(network_seen, store.path))
        await refresh(config, store.path, locator, self._clock())

    async def upload(self, config: Config, store: Store) -> None:
        """Upload until the queue is empty or something fails."""
        url = config.hub.url or ""
        while (hub := upload_queue.hub_at(store.db, url)) is not None and self._is_due(hub):
            waiting = upload_queue.waiting(store.db, url, MAX_BATCH_RECORDS)
            if not waiting or not upload_queue.claim(store, hub, self._in(retry_s(hub.failures + 1, self._chance()))):
                return
            try:
                way = usable_way(config)
                hub = await self._with_fresh_token(hub, store, way)
                await self._upload_batch(hub, waiting, store, way)
            except (NotAnswered, HubRefused, BadPath, StoreError) as error:
                self._failed(store, hub, error)
                return

    async def _upload_batch(self, hub: UploadHub, waiting: dict[int, str], store: Store, way: ApiRoute) -> None:
        lines: list[bytes] = []
        numbers: list[int] = []
        refused: dict[int, str] = {}
        size = 0
        for number, measurement_id in waiting.items():
            line = upload_queue.line(store.db, number, measurement_id, hub.name)
            if len(line) > MAX_RECORD_BYTES:
                says = _("larger than the {size} MiB that a hub accepts")
                refused[number] = says.format(size=MAX_RECORD_BYTES >> 20)
                continue
            if lines and size + len(line) > MAX_BATCH_BYTES:
                break
            lines.append(line)
            numbers.append(number)
            size += len(line)
        results = await HubClient(hub.url, way, hub.token).send(lines) if lines else {}
        stored = [numbers[place - 1] for place, why in results.items() if why is None]
        refused |= {numbers[place - 1]: why for place, why in results.items() if why is not None}
        if not stored and not refused:
            raise HubRefused(_("{url}: no result for the uploaded records").format(url=hub.url))
        upload_queue.answered(store, hub.url, stored, refused, self._in(0))
        if refused:
            why = next(iter(refused.values()))
            says = ngettext(
                "{url} refused {count} record ({reason}); see `reachprobe results outbox`",
                "{url} refused {count} records ({reason}); see `reachprobe results outbox`",
                len(refused),
            )
            self._messages.append(says.format(url=hub.url, count=len(refused), reason=why))

    async def _with_fresh_token(self, hub: UploadHub, store: Store, way: ApiRoute) -> UploadHub:
        if 0 <= self._clock() - epoch(hub.token_at) < TOKEN_DAYS * 86400:
            return hub
        upload_queue.renew(store, hub.url, await HubClient(hub.url, way, hub.token).renew(), self._in(0))
        return upload_queue.hub_at(store.db, hub.url) or hub

    def _failed(self, store: Store, hub: UploadHub, error: Exception) -> None:
        wait: float | None = None
        if isinstance(error, HubBusy) and error.wait_s is not None:
            wait = min(MAX_RETRY_S, error.wait_s * (1 + self._chance()))
        elif isinstance(error, NotEnrolled):
            wait = NOT_ENROLLED_RETRY_S
        upload_queue.failed(store, hub.url, str(error), self._in(wait) if wait is not None else None)
        if hub.failures == 0 or isinstance(error, NotEnrolled):
            self._messages.append(_("upload delayed: {error}").format(error=error))

    def _in(self, seconds: float) -> str:
        return rfc3339_of_epoch(self._clock() + seconds, "milliseconds")
