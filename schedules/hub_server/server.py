"""Runs a hub on one socket with uvicorn until it is cancelled, and measures its controls by the agent's steps."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

import msgspec
import uvicorn

from probe.endpoint import look_up
from probe.measure import measure
from probe.model import Attempt, FollowUp, Measurement, Target
from probe.net.network import ConnectPolicy, RestrictedNetwork, public_only
from probe.recorder import Log
from probe.steps import specs
from results.db.json_codec import prepare
from results.db.store import Store
from results.hub import metrics_api
from results.hub.auth import HubAuth, ReadPolicy
from results.hub.control import Controls
from results.hub.credentials import parse_password_hash
from results.hub.database import Collector, ReadPool
from results.hub.distribution import Distribution
from results.hub.outliers import OutlierDetector
from results.hub.read_api import ReadApi
from results.hub.routes import AddressLookup, HubApp, HubOptions, HubRoute, page_routes, whoami_route
from results.hub.web import pages
from results.hub.web.queries import PageAnswers
from results.i18n.language import ENGLISH
from results.judge.failure_point import ENDPOINT_STEPS
from schedules.config.schema import Config
from schedules.hub_server.protocol import HubProtocol
from schedules.hub_server.warehouse_sync import sync_warehouse
from schedules.location.location import asn_lookup
from schedules.plan.lists import read_list
from schedules.round.judge import judge_again
from schedules.round.session import session_of

MAX_CONNECTIONS, RESERVED_FILES = 3000, 200
MAX_HEAD_BYTES = 16 * 1024
KEEP_ALIVE_S, SHUTDOWN_S = 15, 10
OUTLIERS_EVERY_S = 20.0
CONTROL_PORTS = frozenset((80, 443, 5222, 5223, 8080, 8443))
"""Ports of known services; a hub must not serve as a port scanner."""


class ServerOptions(msgspec.Struct, frozen=True):
    """How a hub is served; `ready` is called once it listens."""

    ready: Callable[[], None]
    reads: ReadPolicy
    certificate: Path | None
    key: Path | None
    behind_proxy: bool
    hosts: tuple[str, ...]
    """The names that it answers to in `Host`; `*` for any."""
    store: str | None
    """URL of a warehouse that is loaded as well."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # schedules.runtime.process handles signals


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. OSError."""
    is_v6 = ":" in host
    family, both = socket.AF_INET6 if is_v6 else socket.AF_INET, is_v6 and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)


def max_connections() -> int:
    """MAX_CONNECTIONS, or what the system's limit of open files allows for, which is raised as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MAX_CONNECTIONS, soft - RESERVED_FILES))


async def serve(config: Config, database: Path, sock: socket.socket, options: ServerOptions) -> None:
    """Serve until cancelled; then finish open requests and return."""
    prepare()
    by_address: Counter[str] | None = None if options.behind_proxy else Counter()
    with _hub(config, database, options) as hub:
        uvicorn_config = uvicorn.Config(
            hub.app,
            http=cast("type[asyncio.Protocol]", partial(HubProtocol, by_address=by_address)),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=max_connections(),
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=SHUTDOWN_S,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            ssl_certfile=str(options.certificate) if options.certificate else None,
            ssl_keyfile=str(options.key) if options.key else None,
        )
        server = _Server(uvicorn_config, options.ready)
        running = asyncio.create_task(server.serve(sockets=[sock]))
        jobs = [asyncio.create_task(detect_outliers(database))]
        if options.store is not None:
            jobs.append(asyncio.create_task(sync_warehouse(database, options.store)))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            server.should_exit = True
            with suppress(asyncio.CancelledError):
                await running
            raise
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)


async def detect_outliers(database: Path) -> None:
    """Flag outliers at intervals until cancelled."""
    detector = OutlierDetector()

    def step() -> None:
        with Store.open(database) as store:
            detector.step(store, datetime.now(UTC))

    while True:
        with suppress(Exception):  # after any error, such as a full disk, the hub serves on and tries again
            await asyncio.to_thread(step)
        await asyncio.sleep(OUTLIERS_EVERY_S)


@contextmanager
def _hub(config: Config, database: Path, options: ServerOptions) -> Iterator[HubApp]:
    table = config.hub
    with ExitStack() as stack:
        warehouse: PageAnswers | None = None
        if options.store is not None and table.pages == "store":
            from results.warehouse.queries import WarehousePageAnswers, pages_engine

            warehouse = WarehousePageAnswers(stack.enter_context(closing(pages_engine(options.store))))
        collector = stack.enter_context(closing(Collector(database, lambda store: judge_again(store, config))))
        password, operator = (
            parse_password_hash(text) if text is not None else None
            for text in (table.reading_password, table.operator_password)
        )
        auth = stack.enter_context(closing(HubAuth(database, options.reads, password, operator)))
        read_pool = stack.enter_context(closing(ReadPool(database)))
        routes = (
            HubRoute("POST", "/v1/control", controls(config).handle),
            *ReadApi().routes(),
            *Distribution(database, Path(table.targets) if table.targets else None, read_targets).routes(),
            HubRoute("GET", "/metrics", metrics_api.metrics, "operator"),
            whoami_route(_address_lookup(config)),
            *page_routes(pages(store=warehouse, language=config.ui.language or ENGLISH)),
        )
        hub_options = HubOptions(
            mb_per_day=table.member_mb_per_day,
            behind_proxy=options.behind_proxy,
            proxies=table.proxies,
            hosts=options.hosts,
        )
        yield HubApp(collector, auth, read_pool, routes, hub_options)


def _address_lookup(config: Config) -> AddressLookup | None:
    """By the newest state of the configured databases; None without any."""
    if config.asn.mmdb is None and config.asn.country_mmdb is None:
        return None
    asn_lookup(config)  # an unreadable database is an error at the start
    return lambda address: asn_lookup(config)(address)


def read_targets(file: Path) -> list[tuple[str, str]]:
    return [(target.text, category) for target, category in read_list(file)]


def controls(config: Config, may: ConnectPolicy | None = None) -> Controls:
    """The hub's controls. By default public addresses and known ports may be connected to, with allow_private all."""
    default_ports = {port for spec in specs().values() for port in spec.schemes.values() if port is not None}
    permitted = public_only(CONTROL_PORTS | default_ports)
    allowed = may or ((lambda address, port: True) if config.network.allow_private else permitted)
    session = session_of(config, "direct")
    session = msgspec.structs.replace(session, network=RestrictedNetwork(config.path_named("direct"), allowed))

    async def observe(target: Target, addresses: tuple[str, ...]) -> Measurement:
        return await measure(target, msgspec.structs.replace(session, follow_up=_also_at(target, addresses)))

    async def resolve(host: str) -> tuple[str, ...]:
        with closing(Log("resolving", session.network)) as log:
            answers = await look_up(host, 0, "main", session.settings.resolvers, log, session)
        return tuple(address for answer in answers for address in answer.detail.addresses)

    return Controls(observe, resolve, allowed)


def _also_at(target: Target, addresses: tuple[str, ...]) -> FollowUp:
    """Where the hub itself connects, the addresses at which a vantage point failed as well, in full."""

    def follow_up(measurement: Measurement) -> list[Attempt]:
        steps = [o for o in measurement.observations if o.step in ENDPOINT_STEPS]
        if all(o.failure is not None for o in steps):
            return []
        tried = {o.address for o in steps}
        return [
            Attempt(
                role="again",
                hop=0,
                scheme=target.scheme,
                host=target.host,
                server_name=target.host,
                address=address,
                port=target.port,
                request_path=target.request_path,
            )
            for address in addresses
            if address not in tried
        ]

    return follow_up
