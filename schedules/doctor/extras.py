"""Whether what is configured beside measuring can be done: people told, numbers given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from schedules.doctor.check_result import BAD_SETUP, Finding

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.cli.app import App
    from schedules.config.schema import Config

FOR_OTHERS = 0o077


def found(app: App, config: Config, store: Store) -> Iterator[Finding]:
    """Everything that is configured and needs an extra; nothing where none is."""
    if config.notify:
        yield from _notify(app, config, store)
    if config.metrics.textfile is not None or config.metrics.listen is not None:
        yield _metrics(config)


def _notify(app: App, config: Config, store: Store) -> Iterator[Finding]:
    from results.db.notification_queue import how_many_wait, receivers
    from schedules.notify import apprise_client
    from schedules.render.text import how_many
    from schedules.round import consent
    from schedules.runtime.paths import config_file

    if find_spec("apprise") is None:
        yield Finding("notify", "wrong", apprise_client.MISSING, BAD_SETUP)
        return
    known = {receiver.name: receiver for receiver in receivers(store.db)}
    waiting = how_many_wait(store.db)
    for name, address in apprise_client.addresses(config).items():
        receiver = known.get(name)
        if (why := apprise_client.is_known(address)) is not None:
            yield Finding("notify", "wrong", f"{name}: {why}; its URL is in [[notify]]", BAD_SETUP)
        elif receiver is not None and receiver.failures:
            often = how_many(receiver.failures, "time")
            says = f"{name}: failed {often} in a row, {waiting[name]} wait; `reachprobe notify --test {name}` says why"
            yield Finding("notify", "worth knowing", says)
        else:
            told = f"told last {receiver.told_at}" if receiver and receiver.told_at else "not told anything yet"
            yield Finding("notify", "fine", f"{name}: {told}")
    if (why := consent.why_not_told(app.environ, store)) is not None:
        yield Finding("notify", "worth knowing", why)
    file = config_file(app.environ, app.config_file)
    if file is not None and file.stat().st_mode & FOR_OTHERS:
        says = f"others may read {file}, and the passwords in it; `chmod 600 {file}`"
        yield Finding("notify", "worth knowing", says)


def _metrics(config: Config) -> Finding:
    from schedules.metrics.metrics import MISSING

    if find_spec("prometheus_client") is None:
        return Finding("metrics", "wrong", MISSING, BAD_SETUP)
    folder = Path(config.metrics.textfile or "/").parent
    if config.metrics.textfile is not None and not os.access(folder, os.W_OK):
        says = f"{config.metrics.textfile}: {folder} is not there or cannot be written; name another [metrics] textfile"
        return Finding("metrics", "wrong", says, BAD_SETUP)
    places = filter(None, (config.metrics.textfile, config.metrics.listen and f"the agent's {config.metrics.listen}"))
    return Finding("metrics", "fine", " and ".join(places))
