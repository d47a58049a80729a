"""What `doctor` looks at: each check says what it found, and for what is wrong the way out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

import msgspec

from results.store import Store, StoreError
from schedules import consent, loop
from schedules.app import App
from schedules.config_toml import ConfigError
from schedules.places import config_file

if TYPE_CHECKING:
    from schedules.config import Config

State = Literal["fine", "worth knowing", "wrong"]
BAD_SETUP, NO_NETWORK = 2, 69


class Finding(msgspec.Struct, frozen=True):
    """One check. `exit_code` is what the command should leave with because of it."""

    about: str
    state: State
    says: str
    exit_code: int = 0


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
    yield _state_folder(app)
    try:
        store = app.store()
    except StoreError as error:
        yield Finding("database", "wrong", str(error), BAD_SETUP)
        return
    try:
        yield from _database(store)
        agreed = consent.agreed(app, store)
        yield _consent(agreed)
        if config is not None:
            yield from _registers(config, store)
            yield from _network(config, agreed)
    finally:
        store.close()


def _state_folder(app: App) -> Finding:
    folder = app.database.parent
    if folder.exists() and not os.access(folder, os.W_OK):
        return Finding("state folder", "wrong", f"{folder} cannot be written; set STATE_DIRECTORY or --db", BAD_SETUP)
    return Finding("state folder", "fine", str(folder))


def _database(store: Store) -> Iterator[Finding]:
    broken = store.db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if broken != "ok":
        yield Finding("database", "wrong", f"{store.path} is damaged ({broken}); restore a backup", BAD_SETUP)
        return
    count, newest = store.db.execute("SELECT count(*), max(started_at) FROM findings").fetchone()
    size = store.path.stat().st_size / 1e6
    newest = f", the newest of {newest}" if newest else ""
    yield Finding("database", "fine", f"{store.path}, {size:.1f} MB, {count} measurements{newest}")


def _consent(agreed: bool) -> Finding:
    if agreed:
        return Finding("consent", "fine", "given")
    return Finding("consent", "worth knowing", "not recorded; `reachprobe init` explains and asks")


def _registers(config: Config, store: Store) -> Iterator[Finding]:
    from datetime import UTC, datetime

    from results.registers.statistics import statistics
    from schedules.configured_registers import brought_in_by, max_age_days, missing
    from schedules.show.words import age, how_many

    country = config.vantage.country
    if country is None:
        says = "no country is set, so no register applies; set [vantage] country"
        yield Finding("registers", "worth knowing", says)
        return
    waiting = missing(config, store, country)
    found = [one for one in statistics(store.db, datetime.now(UTC), max_age_days(config)) if one.country == country]
    if not found and not waiting:
        yield Finding("registers", "worth knowing", f"none of {country} is stored; `reachprobe register import FILE`")
    for table in waiting:
        says = f"{table.name} is configured, not imported; `{brought_in_by(table)}`"
        yield Finding("registers", "worth knowing", says)
    ways_out = {table.name: brought_in_by(table) for table in config.register}
    for one in found:
        way_out = ways_out.get(one.register, f"reachprobe register import FILE --as {one.register}")
        says = f"{age(one.age_days)}, {how_many(one.entries, 'entry', 'entries')}"
        says += f"; too old to decide, `{way_out}`" if one.stale else ""
        yield Finding(f"register {one.register}", "worth knowing" if one.stale else "fine", says)


def _controls(config: Config) -> Iterator[Finding]:
    from probe.path import BadPath, usable

    if not config.control.all_paths:
        says = "none, so blocked and down can hardly be told apart; set [control] path"
        yield Finding("control", "worth knowing", says)
    for path in config.path_names:
        about = "control" if path in config.control.all_paths else "path"
        try:
            usable(config.path_named(path))
        except BadPath as error:
            yield Finding(about, "worth knowing", str(error).removeprefix("path "))
        else:
            if path != "direct":
                yield Finding(about, "fine", path)


def _network(config: Config, agreed: bool) -> Iterator[Finding]:
    from probe import canary
    from probe.resolver import parse
    from schedules.once import means_of

    for text in config.network.resolvers:
        asked = ", ".join(resolver.address or resolver.text for resolver in parse(text))
        yield Finding("resolver", "fine", f"{text}: {asked}")
    if not config.network.trusted_resolvers:
        yield Finding("trusted resolvers", "worth knowing", "none, so no second opinion on names")
    yield from _controls(config)
    if not agreed:
        yield Finding("network", "worth knowing", "not asked: without consent nothing is contacted")
        return
    report = loop.run(canary.check(means_of(config, "direct")))
    for sentence in report.evidence:
        state: State = "fine" if sentence.endswith("works") else "worth knowing"
        yield Finding("canary", state, sentence.removeprefix("canary "))
    for sentence in report.facts.interception:
        yield Finding("DNS", "worth knowing", sentence)
    if not report.facts.interception and (config.network.no_such_name or config.network.no_resolver):
        yield Finding("DNS", "fine", "no sign that this network answers in others' place")
    if report.facts.clock_off_s is not None:
        says = report.facts.clock or "agrees with the canaries"
        yield Finding("clock", "fine" if report.facts.clock is None else "worth knowing", says)
    if report.facts.routes is not None:
        lacking = [family for family in config.network.families if family not in report.facts.routes]
        says = f"no way out for {', '.join(lacking)}" if lacking else f"a way out for {', '.join(report.facts.routes)}"
        yield Finding("families", "worth knowing" if lacking else "fine", says)
    if report.state == "online":
        yield Finding("network", "fine", "online")
    else:
        code = NO_NETWORK if report.state in ("offline", "portal") else 0
        yield Finding("network", "wrong", report.state, code)
