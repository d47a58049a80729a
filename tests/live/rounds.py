"""Runs the real round over censored networks on loopback, all networks at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from probe.timestamps import rfc3339
from results.db.json_codec import row
from results.db.store import Store
from results.judge.judged import JudgedMeasurement
from results.registers.importing import ImportOptions, import_register
from schedules.config.load import load
from schedules.demo import sites
from schedules.demo.listener import ServerStream
from schedules.demo.network import Site
from schedules.plan.model import Choice
from schedules.plan.selection import from_words
from schedules.round import round as rounds
from tests.lab.network import LabNetwork
from tests.lab.quic_censor import Judge, names, serve_quic_middlebox
from tests.lab.quic_site import serve_quic_site
from tests.situation import Expected, Judged

TIMEOUT_S = 1.0


@dataclass
class Plan:
    """A network being filled with situations: name -> the target to measure and what has to be said of it."""

    net: LabNetwork
    expects: dict[str, tuple[str, Expected]] = field(default_factory=dict)
    drops_quic: Judge = field(default_factory=names)
    over_quic: list[Site] = field(default_factory=list)

    def site(
        self, name: str, expected: Expected, *how: Any, scheme: str | None = None, listed: bool = False, **more: Any
    ) -> Site:
        """A site of its own for one situation; `scheme` measures its endpoint instead of its page."""
        site = self.net.add_site(f"{name}.x.test", *how, **more)
        if listed:
            self.net.listed[site.name] = LISTED_SINCE
        self.expect(name, f"{scheme}://{site.name}:{site.port}" if scheme else site.url, expected)
        return site

    def site_over_quic(self, name: str, expected: Expected, *, page: Expected) -> Site:
        """A site that offers HTTP/3 and has it: what has to be said of its endpoint, and of its page over TCP."""

        async def respond(request: sites.SiteRequest, stream: ServerStream) -> None:
            offer = f'h3=":{site.port}"'
            await stream.send(sites.response(200, sites.html(name), Alt_Svc=offer))

        site = self.site(f"{name}-page", page, respond)
        self.expect(name, f"quic://{site.name}:{site.port}", expected)
        self.over_quic.append(site)
        return site

    def open_quic(self) -> None:
        """Serve every site that has HTTP/3, and the innocent name, behind a middlebox that reads QUIC."""
        net = self.net
        for site in [*self.over_quic, net.innocent] if self.over_quic else []:
            origin = serve_quic_site(net.listeners, site.address, net.authority.pem(site.name), sites.html(site.name))
            serve_quic_middlebox(net.listeners, site.address, origin, self.drops_quic, net.exempt, site.port)

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
    """None begins before all are built, and then one after another: a reference site must not wait for others."""
    every = tuple(networks)
    start = Start(asyncio.Barrier(len(every)), asyncio.Lock())
    return await asyncio.gather(*(run(network, start) for network in every))


@dataclass(frozen=True)
class Start:
    """Whether all are built, and who asks its canaries."""

    built: asyncio.Barrier
    looks: asyncio.Lock


async def run(network: Network, start: Start) -> Round:
    """The last of the network's rounds."""
    async with LabNetwork(timeout_s=TIMEOUT_S) as net:
        plan = Plan(net)
        network.build(plan)
        plan.open_quic()
        await start.built.wait()
        with TemporaryDirectory(prefix="reachprobe-live-") as folder:
            store = Store.open(Path(folder) / "live.db")
            try:
                return await _rounds(network, plan, store, start.looks)
            finally:
                store.close()


async def _rounds(network: Network, plan: Plan, store: Store, looks: asyncio.Lock) -> Round:
    written = plan.net.folder / "config.toml"
    written.write_text(network.config(plan.net.config_toml()), "utf-8")
    config = load(written, {}, {})
    if plan.net.listed:
        import_register(store.db, [plan.net.folder / "register.csv"], ImportOptions(name="demo", country="RU"))
    targets = from_words((target for target, _ in plan.expects.values()), config)
    said: dict[str, JudgedMeasurement] = {}

    for hours in (*network.hours, 0):
        await looks.acquire()
        async with aclosing(rounds.Round(Choice(targets, network.path), config, store).events()) as events:
            async for event in events:
                match event:
                    case rounds.Started():
                        looks.release()
                    case rounds.Measured(record):
                        said[record.measurement.target.text] = record
                    case rounds.Finished(report):
                        state = report.state
        _date_back(store, hours)
    rows = {text: row(finished) for text, finished in said.items()}
    judged = (
        Judged(f"{network.name}, {name}", expected, rows.get(target))
        for name, (target, expected) in plan.expects.items()
    )
    return Round(network, state, tuple(judged))


def _date_back(store: Store, hours: int) -> None:
    """Let what was just measured have been measured so many hours ago."""
    if hours:
        now = datetime.fromisoformat(store.db.execute("SELECT max(started_at) FROM measurements").fetchone()[0])
        then = rfc3339(now - timedelta(hours=hours))
        with store.db.conn:
            store.db.execute("UPDATE measurements SET started_at = ? WHERE started_at > ?", [then, _today(now)])


def _today(now: datetime) -> str:
    return rfc3339(now - timedelta(minutes=10))
