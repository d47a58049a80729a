"""Whether this vantage is enrolled with the hubs that are named, and whether what waits for one is taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from results.db import upload_queue
from schedules.doctor.check_result import Finding
from schedules.render.text import safe
from schedules.round import consent

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.cli.app import App
    from schedules.config.schema import Config

FAILURES = 3
"""So many failures in a row are more than a bad moment."""


def found(app: App, config: Config, store: Store) -> Iterator[Finding]:
    named = dict.fromkeys((*((config.hub.url,) if config.hub.url is not None else ()), *config.control.all_hubs))
    enrolled = {hub.url: hub for hub in upload_queue.hubs(store.db)}
    for url in named:
        if url not in enrolled:
            says = f"{safe(url)}: not enrolled there; `reachprobe init --hub URL --invitation TOKEN`"
            yield Finding("hub", "worth knowing", says)
            continue
        hub = enrolled[url]
        waits, refused = upload_queue.counts(store.db, url)
        says = f"{safe(url)}, as {safe(hub.name)}: {waits} waiting, {hub.sent} sent, {refused} refused"
        if hub.failures >= FAILURES and hub.said:
            says += f"; not taken {hub.failures} times in a row: {safe(hub.said)}"
        troubled = hub.failures >= FAILURES or refused > 0
        yield Finding("hub", "worth knowing" if troubled else "fine", says)
    if named and (why := consent.why_not_sent(app.environ, store)) is not None:
        yield Finding("hub", "worth knowing", why)
