"""A hub's application within this process, over a database of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from results.db.store import Store
from results.hub.auth import HubAuth, ReadPolicy
from results.hub.credentials import hash_password, parse_password_hash
from results.hub.database import Collector, ReadPool
from results.hub.read_api import ReadApi
from results.hub.routes import HubApp, HubOptions, HubRoute, PageHandler, page_routes
from schedules.config.schema import Config
from schedules.round.judge import judge_again

PASSWORD, OPERATOR = "correct horse battery", "the operator's own"


class Inside:
    """`with Inside(folder) as app`: the application, as `tests.results.hub.in_thread.asked` asks it."""

    def __init__(
        self,
        folder: Path,
        policy: ReadPolicy = "public",
        *,
        more: Sequence[HubRoute] = (),
        pages: Sequence[tuple[str, PageHandler]] = (),
        **options: Any,
    ) -> None:
        database = folder / "hub.db"
        Store.open(database).close()
        self.collector = Collector(database, lambda store: judge_again(store, Config()))
        password, operator = (parse_password_hash(hash_password(text)) for text in (PASSWORD, OPERATOR))
        self.auth = HubAuth(database, policy, password, operator)
        self.read_pool = ReadPool(database)
        routes = (*ReadApi().routes(), *more, *page_routes(pages))
        self.app = HubApp(self.collector, self.auth, self.read_pool, routes, HubOptions(**options)).app

    def __enter__(self) -> Any:
        return self.app

    def __exit__(self, *_: object) -> None:
        self.collector.close()
        self.auth.close()
        self.read_pool.close()
