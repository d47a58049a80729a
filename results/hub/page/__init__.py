"""What people read: the hub's pages in English and Russian, made on the server, without a script."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from results.hub.page.finding import utc_now
from results.hub.page.giving import Giving
from results.hub.page.list_pages import ListPages
from results.hub.page.pages import Pages
from results.hub.page.remembering import Remembering

if TYPE_CHECKING:
    from results.hub.routes import PageHandler

LISTS = ("changes", "listed", "unlisted", "collateral", "vantages", "silent", "corrections")


def pages(now: Callable[[], datetime] | None = None) -> tuple[tuple[str, PageHandler], ...]:
    """Paths and what answers there, in the order in which they are tried."""
    remembering, clock = Remembering(), now or utc_now
    made, lists = Pages(remembering, clock), ListPages(remembering, clock)
    giving = Giving(remembering, clock)
    both: list[tuple[str, PageHandler]] = []
    for name in LISTS:
        both += [(f"/{name}", getattr(lists, name)), (f"/{name}.csv", getattr(lists, name))]
    return (
        ("/", made.matrix),
        ("/matrix.csv", made.matrix),
        *both,
        ("/service/{name:path}.csv", made.service),
        ("/service/{name:path}", made.service),
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
    )
