"""A hub's application within this process, over a database of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from results.db.store import Store
from results.hub.access import Readers, Reads
from results.hub.auth import Doorkeeper
from results.hub.collector import Collector
from results.hub.read_api import ReadApi
from results.hub.read_pool import Reading
from results.hub.routes import Hub, PageHandler, Served
from results.hub.secrets import hashed, kept_password
from schedules.config.schema import Config
from schedules.round.judge import judge_again

PASSWORD, OPERATOR = "correct horse battery", "the operator's own"


class Inside:
    """`with Inside(folder) as app`: the application, as `tests.results.hub.in_thread.asked` asks it."""

    def __init__(
        self,
        folder: Path,
        reads: Reads = "public",
        *,
        more: Sequence[Served] = (),
        pages: Sequence[tuple[str, PageHandler]] = (),
    ) -> None:
        database = folder / "hub.db"
        Store.open(database).close()
        self.collector = Collector(database, lambda store: judge_again(store, Config()))
        self.doorkeeper, self.reading = Doorkeeper(database), Reading(database)
        readers = Readers(self.doorkeeper, reads, kept_password(hashed(PASSWORD)), kept_password(hashed(OPERATOR)))
        served = (*ReadApi().served(), *more)
        self.app = Hub(self.collector, self.doorkeeper, readers, self.reading, more=served, pages=pages).app

    def __enter__(self) -> Any:
        return self.app

    def __exit__(self, *_: object) -> None:
        self.collector.close()
        self.doorkeeper.close()
        self.reading.close()
