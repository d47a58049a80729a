"""Runs the real round over censored networks on loopback, all networks at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from probe.canary import NetworkReport
from probe.network import rfc3339
from results.finished import Finished
from results.registers.importing import import_register
from results.rows import row
from results.store import Store
from schedules.choose import Choice, from_words
from schedules.config import load
from schedules.demo.network import CensoredNetwork, Site
from schedules.once import once
from tests.situation import Expected, Judged

TIMEOUT_S = 1.0


@dataclass
class Plan:
    """A network being filled with situations: name -> the target to measure and what has to be said of it."""

    net: CensoredNetwork
    expects: dict[str, tuple[str, Expected]] = field(default_factory=dict)

    def site(
        self, name: str, expected: Expected, *how: Any, scheme: str | None = None, listed: bool = False, **more: Any
    ) -> Site:
        """A site of its own for one situation; `scheme` measures its endpoint instead of its page."""
        site = self.net.add_site(f"{name}.x.test", *how, **more)
        if listed:
            self.net.listed[site.name] = LISTED_SINCE
        self.expect(name, f"{scheme}://{site.name}:{site.port}" if scheme else site.url, expected)
        return site

    def expect(self, name: str, target: str, expected: Expected) -> None:
        self.expects[name] = (target, expected)


LISTED_SINCE = datetime(2017, 5, 4).date()  # noqa: DTZ001 - a date alone


@dataclass(frozen=True)
class Network:
    """A network and the round over it. `config` edits the configuration; `hours` are when earlier rounds were."""

    name: str
    build: Callable[[Plan], None]
    state: str = "online"
    path: str = "direct"
    config: Callable[[str], str] = str
    hours: tuple[int, ...] = ()


@dataclass(frozen=True)
class Round:
    network: Network
    state: str
    judged: tuple[Judged, ...]


async def run_all(networks: Iterable[Network]) -> list[Round]:
    return await asyncio.gather(*map(run, networks))


async def run(network: Network) -> Round:
    """The last of the network's rounds."""
    async with CensoredNetwork(populate=None, timeout_s=TIMEOUT_S) as net:
        plan = Plan(net)
        network.build(plan)
        with TemporaryDirectory(prefix="reachprobe-live-") as folder:
            store = Store.open(Path(folder) / "live.db")
            try:
                return await _rounds(network, plan, store)
            finally:
                store.close()


async def _rounds(network: Network, plan: Plan, store: Store) -> Round:
    written = plan.net.folder / "config.toml"
    written.write_text(network.config(plan.net.config_toml()), "utf-8")
    config = load(written, {}, {})
    if plan.net.listed:
        import_register(store.db, [plan.net.folder / "register.csv"], name="demo", country="RU")
    targets = from_words((target for target, _ in plan.expects.values()), config)
    said: dict[str, Finished] = {}

    def committed(finished: Finished) -> None:
        said[finished.measurement.target.text] = finished

    for hours in (*network.hours, 0):
        report = await once(Choice(targets, network.path), config, store, begun=_unheard, committed=committed)
        _date_back(store, hours)
    rows = {text: row(finished) for text, finished in said.items()}
    judged = (
        Judged(f"{network.name}, {name}", expected, rows.get(target))
        for name, (target, expected) in plan.expects.items()
    )
    return Round(network, report.state, tuple(judged))


def _unheard(_: NetworkReport) -> None:
    pass


def _date_back(store: Store, hours: int) -> None:
    """Let what was just measured have been measured so many hours ago."""
    if hours:
        now = datetime.fromisoformat(store.db.execute("SELECT max(started_at) FROM measurements").fetchone()[0])
        then = rfc3339(now - timedelta(hours=hours))
        with store.db.conn:
            store.db.execute("UPDATE measurements SET started_at = ? WHERE started_at > ?", [then, _today(now)])


def _today(now: datetime) -> str:
    return rfc3339(now - timedelta(minutes=10))
