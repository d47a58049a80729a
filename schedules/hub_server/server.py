"""Runs a hub: its parts put together, by uvicorn, on one socket, until it is told to end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from results.db.json_codec import prepare
from results.db.store import Store
from results.hub import metrics_api, whoami
from results.hub.access import Readers, Reads
from results.hub.auth import Doorkeeper
from results.hub.collector import Collector
from results.hub.distribution import Shared
from results.hub.outlier_job import Examiner
from results.hub.read_api import ReadApi
from results.hub.read_pool import Reading
from results.hub.routes import Hub, Served
from results.hub.secrets import Hashed, kept_password
from results.hub.web import pages
from schedules.hub_server.control import controls
from schedules.hub_server.warehouse_sync import storing
from schedules.location.location import AddressLookup, reader
from schedules.plan.lists import read_list
from schedules.round.judge import judge_again

if TYPE_CHECKING:
    from results.hub.web.backend import PageAnswers
    from schedules.config.schema import Config

HEAD_S = 15.0
"""How long somebody may take to send the head of a request, however slowly it comes."""
MOST_CONNECTIONS = 3000
MAX_HEAD = 16 * 1024
LAST_S = 10
EXAMINED_EVERY_S = 20.0


class Patient(H11Protocol):
    """Waits for the head of a request so long and no longer, which uvicorn by itself does not."""

    _watched: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watched is not None:
            self._watched.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            if self._watched is not None:
                self._watched.cancel()
                self._watched = None
        elif self._watched is None:
            self._watched = self.loop.call_later(HEAD_S, self._give_up)

    def _give_up(self) -> None:
        self._watched = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.abort()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the business of schedules.runtime.process


def listen(host: str, port: int) -> socket.socket:
    """The socket to serve on. OSError where it cannot be had."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2048)
    except BaseException:
        sock.close()
        raise
    return sock


async def serve(
    config: Config,
    database: Path,
    sock: socket.socket,
    *,
    certificate: Path | None,
    key: Path | None,
    behind_proxy: bool,
    reads: Reads,
    ready: Callable[[], None],
    store: str | None = None,
) -> None:
    """Serve until cancelled; then answer what is under way, and end. `store`: a warehouse that is loaded as well."""
    prepare()
    collector = Collector(database, lambda store: judge_again(store, config))
    doorkeeper, reading = Doorkeeper(database), Reading(database)
    control = controls(config)
    shared = Shared(database, Path(config.hub.targets) if config.hub.targets else None, _targets)
    with ExitStack() as stack:
        shown = stack.enter_context(_shown(store)) if store is not None and config.hub.pages == "store" else None
        stack.callback(reading.close)
        stack.callback(doorkeeper.close)
        stack.callback(collector.close)
        hub = Hub(
            collector,
            doorkeeper,
            Readers(doorkeeper, reads, _kept(config.hub.reading_password), _kept(config.hub.operator_password)),
            reading,
            behind_proxy=behind_proxy,
            more=(
                Served("POST", "/v1/control", control.handle),
                *ReadApi().served(),
                *shared.served(),
                Served("GET", "/metrics", metrics_api.metrics, "operator"),
                *whoami.served(_networks(config)),
            ),
            pages=pages(store=shown),
        )
        server = _Server(_settings(hub.app, certificate, key), ready)
        running = asyncio.create_task(server.serve(sockets=[sock]))
        beside = [asyncio.create_task(examining(database))]
        if store is not None:
            beside.append(asyncio.create_task(storing(database, store)))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            server.should_exit = True
            with suppress(asyncio.CancelledError):
                await running
            raise
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def examining(database: Path, every_s: float = EXAMINED_EVERY_S) -> None:
    """Look for findings that stand alone, now and then, until cancelled."""
    examiner = Examiner()

    def step() -> None:
        with closing(Store.open(database)) as store:
            examiner.step(store, datetime.now(UTC))

    while True:
        with suppress(Exception):  # whatever it met, as a full disk, it is tried again, and the hub serves on
            await asyncio.to_thread(step)
        await asyncio.sleep(every_s)


@contextmanager
def _shown(store: str) -> Iterator[PageAnswers]:
    """The warehouse, for the pages."""
    from results.warehouse.hub_backend import StoreAnswers, pages_engine

    with closing(pages_engine(store)) as engine:
        yield StoreAnswers(engine)


def _networks(config: Config) -> AddressLookup | None:
    """Tells an address's network by the databases here, the newest of them; None without any."""
    if config.asn.mmdb is None and config.asn.country_mmdb is None:
        return None
    reader(config)  # one that cannot be read is told now
    return lambda address: reader(config)(address)


def _targets(file: Path) -> list[tuple[str, str]]:
    return [(target.text, category) for target, category in read_list(file)]


def _kept(password: str | None) -> Hashed | None:
    return kept_password(password) if password is not None else None


def _settings(app: Any, certificate: Path | None, key: Path | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Patient,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=LAST_S,
        h11_max_incomplete_event_size=MAX_HEAD,
        ssl_certfile=str(certificate) if certificate else None,
        ssl_keyfile=str(key) if key else None,
    )
