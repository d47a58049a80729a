"""Sends what was measured to the group's hub: beside rounds, never in their way; again until the hub has it."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from probe.http.api_client import NotAnswered
from probe.net.path import BadPath
from probe.timestamps import epoch, rfc3339_of_epoch
from results.db import upload_queue
from results.db.json_codec import prepare
from results.db.store import Store, StoreError
from results.db.upload_queue import Hub
from schedules.hub_client.client import HubBusy, HubClient, HubRefused, NotEnrolled, usable_way
from schedules.hub_client.whoami import network_seen, refresh
from schedules.location.location import Locator, secret_of

if TYPE_CHECKING:
    from probe.http.api_client import Way
    from schedules.config.schema import Config

FIRST_RETRY_S, LONGEST_RETRY_S, UNKNOWN_S = 60.0, 6 * 3600.0, 6 * 3600.0
MOST_RECORDS, MOST_BYTES, LONGEST_LINE = 200, 4 * 1024 * 1024, 2 * 1024 * 1024
TOKEN_DAYS = 30
"""How long a token is used before another is asked for."""


def retry_s(failures: int, chance: float) -> float:
    """A minute, then twice as long each time, up to six hours; and a quarter more or less, by `chance` in 0..1, so that
    a group does not come back all at once."""
    wait = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(max(0, failures - 1), 20))
    return wait * (0.75 + 0.5 * chance)


class Sender:
    """One for each process; it sends in a thread of its own, on a connection of its own."""

    def __init__(self, clock: Callable[[], float] = time.time, chance: Callable[[], float] = random.random) -> None:
        self._clock, self._chance = clock, chance
        self._thread: threading.Thread | None = None
        self._said: list[str] = []

    @staticmethod
    def queue(config: Config, store: Store) -> None:
        """Put what a round has measured in the outbox."""
        if config.hub.url is not None:
            upload_queue.queue(store, config.hub.url, config.vantage.name)

    def step(self, config: Config, store: Store) -> list[str]:
        """Begin to send what waits, where it is time. Returns at once, with what there is to say of the last time."""
        said, self._said = self._said, []
        if config.hub.url is None or (self._thread is not None and self._thread.is_alive()):
            return said
        hub = upload_queue.hub_at(store.db, config.hub.url)
        if hub is None:
            return [f"{config.hub.url}: not enrolled there, nothing is sent; `reachprobe init --hub`"]
        self.queue(config, store)
        if self._is_time(hub) and upload_queue.counts(store.db, hub.url)[0]:
            prepare()
            self._thread = threading.Thread(target=self._work, args=(config, store.path), daemon=True)
            self._thread.start()
        return said

    def finish(self, longest_s: float) -> list[str]:
        """Wait so long for what is being sent; what is slower goes on if it can, and else is sent again."""
        if self._thread is not None:
            self._thread.join(max(0.0, longest_s))
        said, self._said = self._said, []
        return said

    def _is_time(self, hub: Hub) -> bool:
        """What lies further ahead than it ever could was written while the clock was wrong, and holds nothing up."""
        wait = epoch(hub.not_before) - self._clock() if hub.not_before is not None else 0.0
        return not 0 < wait <= 2 * LONGEST_RETRY_S

    def _work(self, config: Config, database: Path) -> None:
        try:
            with closing(Store.open(database)) as store:
                asyncio.run(self._all(config, store))
        except Exception as error:
            self._said.append(f"sending failed and is tried again: {type(error).__name__}: {error}")

    async def _all(self, config: Config, store: Store) -> None:
        await self.send(config, store)
        here = Locator(secret_of(store.path), seen_by_hub=partial(network_seen, store.path))
        await refresh(config, store.path, here, self._clock())

    async def send(self, config: Config, store: Store) -> None:
        """Send until nothing waits, or something fails."""
        url = config.hub.url or ""
        while (hub := upload_queue.hub_at(store.db, url)) is not None and self._is_time(hub):
            waits = upload_queue.waiting(store.db, url, MOST_RECORDS)
            if not waits or not upload_queue.claim(store, hub, self._at(retry_s(hub.failures + 1, self._chance()))):
                return
            try:
                way = usable_way(config)
                hub = await self._with_fresh_token(hub, store, way)
                await self._batch(hub, waits, store, way)
            except (NotAnswered, HubRefused, BadPath, StoreError) as error:
                self._failed(store, hub, error)
                return

    async def _batch(self, hub: Hub, waits: dict[int, str], store: Store, way: Way) -> None:
        lines: list[bytes] = []
        numbers: list[int] = []
        refused: dict[int, str] = {}
        size = 0
        for number, measurement_id in waits.items():
            line = upload_queue.line(store.db, number, measurement_id, hub.name)
            if len(line) > LONGEST_LINE:
                refused[number] = f"longer than the {LONGEST_LINE >> 20} MiB that a hub takes"
                continue
            if lines and size + len(line) > MOST_BYTES:
                break
            lines.append(line)
            numbers.append(number)
            size += len(line)
        answers = await HubClient(hub.url, way, hub.token).send(lines) if lines else {}
        taken = [numbers[place - 1] for place, why in answers.items() if why is None]
        refused |= {numbers[place - 1]: why for place, why in answers.items() if why is not None}
        if not taken and not refused:
            raise HubRefused(f"{hub.url}: said nothing of what it was sent")
        upload_queue.answered(store, hub.url, taken, refused, self._at(0))
        if refused:
            why = next(iter(refused.values()))
            self._said.append(f"{hub.url} refused {len(refused)} records ({why}); see `reachprobe results outbox`")

    async def _with_fresh_token(self, hub: Hub, store: Store, way: Way) -> Hub:
        if 0 <= self._clock() - epoch(hub.token_at) < TOKEN_DAYS * 86400:
            return hub
        upload_queue.renew(store, hub.url, await HubClient(hub.url, way, hub.token).renew(), self._at(0))
        return upload_queue.hub_at(store.db, hub.url) or hub

    def _failed(self, store: Store, hub: Hub, error: Exception) -> None:
        wait: float | None = None
        if isinstance(error, HubBusy) and error.wait_s is not None:
            wait = min(LONGEST_RETRY_S, error.wait_s * (1 + self._chance()))
        elif isinstance(error, NotEnrolled):
            wait = UNKNOWN_S
        upload_queue.failed(store, hub.url, str(error), self._at(wait) if wait is not None else None)
        if hub.failures == 0 or isinstance(error, NotEnrolled):
            self._said.append(f"what waits for the hub is sent later: {error}")

    def _at(self, in_s: float) -> str:
        return rfc3339_of_epoch(self._clock() + in_s, "milliseconds")
