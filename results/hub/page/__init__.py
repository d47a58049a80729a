"""What people read: the hub's pages in English and Russian, made on the server, without a script."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from results.hub.page.giving import Giving
from results.hub.page.pages import Pages

if TYPE_CHECKING:
    from results.hub.routes import PageHandler

LISTS = ("changes", "listed", "unlisted", "collateral", "vantages", "silent")


def pages(now: Callable[[], datetime] | None = None) -> tuple[tuple[str, PageHandler], ...]:
    """Paths and what answers there, in the order in which they are tried."""
    made = Pages(now) if now is not None else Pages()
    giving = Giving(made)
    both: list[tuple[str, PageHandler]] = []
    for name in LISTS:
        both += [(f"/{name}", getattr(made, name)), (f"/{name}.csv", getattr(made, name))]
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
