"""What people read: the hub's pages in English and Russian, made on the server, without a script."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from results.hub.web.backend import OwnAnswers
from results.hub.web.cache import Remembering
from results.hub.web.context import utc_now
from results.hub.web.feeds import Giving
from results.hub.web.list_pages import ListPages
from results.hub.web.pages import Pages

if TYPE_CHECKING:
    from results.hub.routes import PageHandler
    from results.hub.web.backend import PageAnswers

LISTS = ("changes", "listed", "unlisted", "collateral", "vantages", "silent", "corrections")


def pages(
    now: Callable[[], datetime] | None = None, store: PageAnswers | None = None
) -> tuple[tuple[str, PageHandler], ...]:
    """Paths and what answers there, in the order in which they are tried.

    `store` answers what is counted over many vantages, where that is not the hub's own database.
    """
    answers = OwnAnswers if store is None else lambda db: store
    shared = Remembering(), now or utc_now, answers
    made, lists, giving = Pages(*shared), ListPages(*shared), Giving(*shared)
    both: list[tuple[str, PageHandler]] = []
    for name in LISTS:
        both += [(f"/{name}", getattr(lists, name)), (f"/{name}.csv", getattr(lists, name))]
    every: tuple[tuple[str, PageHandler], ...] = (
        ("/", made.matrix),
        ("/matrix.csv", made.matrix),
        *both,
        ("/service/{name:path}.csv", made.service),
        ("/service/{name:path}", made.service),
        ("/target.csv", made.target),
        ("/target", made.target),
        ("/vantage/{name:path}.csv", made.vantage),
        ("/vantage/{name:path}", made.vantage),
        ("/m/{id}/{form}.jsonl", made.line),
        ("/m/{id}", made.measurement),
        ("/rules", made.rules),
        ("/feed.atom", giving.feed),
        ("/badge/{name:path}.svg", giving.badge),
        ("/style.css", giving.style),
        ("/icon.svg", giving.icon),
        ("/favicon.ico", giving.icon),
    )
    return tuple((path, made.in_time(handler)) for path, handler in every)
