"""The hub's pages in English and Russian, rendered on the server, without scripts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from results.hub.web import views
from results.hub.web.lists import LISTS
from results.hub.web.site import HubSite
from results.i18n.language import ENGLISH

if TYPE_CHECKING:
    from results.hub.routes import PageHandler
    from results.hub.web.queries import PageAnswers


def pages(
    now: Callable[[], datetime] | None = None, store: PageAnswers | None = None, language: str = ENGLISH
) -> tuple[tuple[str, PageHandler], ...]:
    """Paths and their handlers, in the order in which they are matched.

    `store` answers what is counted over many vantages, where that is not the hub's own database. `language` is for
    readers whose browser wants none of ours.
    """
    site = HubSite(now, store, language)
    lists = [(f"/{spec.name}{ending}", spec.show) for spec in LISTS for ending in ("", ".csv")]
    every = (
        ("/", views.matrix),
        ("/matrix.csv", views.matrix),
        *lists,
        ("/service/{name:path}.csv", views.service),
        ("/service/{name:path}", views.service),
        ("/target.csv", views.target),
        ("/target", views.target),
        ("/vantage/{name:path}.csv", views.vantage),
        ("/vantage/{name:path}", views.vantage),
        ("/m/{id}/{form}.jsonl", views.measurement_file),
        ("/m/{id}", views.measurement),
        ("/rules", views.rules),
        ("/feed.atom", views.feed),
        ("/badge/{name:path}.svg", views.badge),
        ("/style.css", views.style),
        ("/icon.svg", views.icon),
        ("/favicon.ico", views.icon),
    )
    return tuple((path, site.handler(show)) for path, show in every)
