"""What `doctor` looks at: each check says what it found, and for what is wrong the way out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from results.db.store import Store, StoreError
from schedules.cli.app import App
from schedules.config.toml import ConfigError
from schedules.doctor import exclusions, extras, hub, network, registers, schedule, storage
from schedules.doctor.check_result import BAD_SETUP, Finding
from schedules.round import consent
from schedules.runtime.paths import config_file

if TYPE_CHECKING:
    from schedules.config.schema import Config

__all__ = ["Finding", "examine"]


def examine(app: App) -> Iterator[Finding]:
    """All checks, from what everything else needs to what only adds to it."""
    yield Finding("python", "fine", f"{sys.version.split()[0]}, reachprobe {version('reachprobe')}")
    config: Config | None = None
    try:
        config = app.config()
        where = config_file(app.environ, app.config_file)
        yield Finding("configuration", "fine", str(where) if where else "none, so everything is as by default")
    except ConfigError as error:
        yield Finding("configuration", "wrong", str(error), BAD_SETUP)
    yield storage.state_folder(app)
    try:
        store = app.store()
    except StoreError as error:
        yield Finding("database", "wrong", str(error), BAD_SETUP)
        return
    try:
        whole = storage.database(store)
        yield whole
        if whole.state == "wrong":
            return
        yield from storage.disk(store, config)
        yield _consent(app, store)
        if config is not None:
            yield from _configured(app, config, store)
    finally:
        store.close()


def _configured(app: App, config: Config, store: Store) -> Iterator[Finding]:
    """What there is to look at only where the configuration can be read."""
    from schedules.plan.model import BadChoice

    try:
        yield from schedule.found(app, config, store)
    except (BadChoice, ValueError) as error:
        yield Finding("campaigns", "wrong", str(error), BAD_SETUP)
    yield from registers.found(config, store)
    yield from extras.found(app, config, store)
    yield from hub.found(app, config, store)
    yield from exclusions.found(app, config, store)
    yield from network.found(config, consent.agreed(app.environ, store))


def _consent(app: App, store: Store) -> Finding:
    """Whether it is recorded, when it was given, and to which text."""
    row = store.db.execute("SELECT text_version, given_at FROM consents ORDER BY text_version DESC, id DESC").fetchone()
    if row is None:
        if consent.agreed(app.environ, store):
            return Finding("consent", "fine", "by REACHPROBE_CONSENT, not recorded")
        return Finding("consent", "worth knowing", "not recorded; `reachprobe init` explains and asks")
    says = f"given on {row[1][:10]} to text {row[0]}"
    if row[0] < consent.TEXT_VERSION:
        says += f"; text {consent.TEXT_VERSION} speaks of more, `reachprobe init` asks again"
    return Finding("consent", "fine", says)
