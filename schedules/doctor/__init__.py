"""The checks that `doctor` runs on the installation, the configuration and the network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from gettext import gettext as _
from importlib.metadata import version
from pathlib import Path

from results.db.store import Store, StoreError
from schedules.config.schema import Config
from schedules.config.toml import ConfigError
from schedules.doctor import checks
from schedules.doctor.checks import CheckResult, fine, wrong
from schedules.doctor.network import network
from schedules.plan.model import BadChoice
from schedules.round import consent


def examine(
    load: Callable[[], Config], config_file: Path | None, database: Path, environ: Mapping[str, str]
) -> Iterator[CheckResult]:
    """Run all checks, the basic ones first; `load` reads the configuration and may raise ConfigError."""
    yield fine("python", f"{sys.version.split()[0]}, reachprobe {version('reachprobe')}")
    config: Config | None = None
    try:
        config = load()
        yield fine("configuration", str(config_file) if config_file else _("no configuration file; using defaults"))
    except ConfigError as error:
        yield wrong("configuration", str(error))
    yield checks.state_folder(database.parent)
    try:
        store = Store.open(database)
    except StoreError as error:
        yield wrong("database", str(error))
        return
    with store:
        integrity = checks.database(store)
        yield integrity
        if integrity.state == "wrong":
            return
        yield from checks.internal_errors(store)
        yield from checks.disk(store, config)
        yield checks.recorded_consent(environ, store)
        if config is not None:
            yield from _configured(config, config_file, environ, store)


def _configured(
    config: Config, config_file: Path | None, environ: Mapping[str, str], store: Store
) -> Iterator[CheckResult]:
    """The checks that need a readable configuration."""
    try:
        yield from checks.schedules(environ, config, store)
    except (BadChoice, ValueError) as error:
        yield wrong("campaigns", str(error))
    yield from checks.registers(config, store)
    yield checks.block_page_lists(config, store)
    if config.notify:
        yield from checks.notifications(environ, config, config_file, store)
    if config.metrics.textfile is not None or config.metrics.listen is not None:
        yield checks.metrics_output(config)
    yield from checks.hubs(environ, config, store)
    yield from checks.limits(config, store)
    yield from network(config, consent.agreed(environ, store))
