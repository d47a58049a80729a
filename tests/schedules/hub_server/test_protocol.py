"""Connections that would hold the hub's places: idle readers, half requests, one address with very many."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import uvicorn

from schedules.hub_server import protocol, server
from schedules.hub_server.protocol import HubProtocol

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.3)
    monkeypatch.setattr(protocol, "RATE_CHECK_S", 0.3)


class Pages:
    """An application that answers with many bytes, and counts whom it serves."""

    def __init__(self) -> None:
        self.ended = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            headers = [] if scope["query_string"] else [(b"connection", b"close")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            size, parts = (int(part) for part in scope["path"].strip("/").split("/"))
            for _ in range(parts):
                await send({"type": "http.response.body", "body": bytes(size), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.ended += 1


@asynccontextmanager
async def served(app: Any, by_address: Counter[str] | None = None) -> AsyncIterator[tuple[int, uvicorn.Server]]:
    http: Any = partial(HubProtocol, by_address=by_address)
    config = uvicorn.Config(app, http=http, ws="none", lifespan="off", log_config=None, timeout_keep_alive=30)
    running = uvicorn.Server(config)
    with server.listen("127.0.0.1", 0) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        task = asyncio.create_task(running.serve(sockets=[sock]))
        while not running.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        try:
            yield sock.getsockname()[1], running
        finally:
            running.should_exit = running.force_exit = True
            await task


async def opened(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(request)
    return reader, writer


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


async def drained(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(65536):
            pass


@pytest.mark.parametrize("path", ["/16777216/1", "/65536/1000"])
async def test_a_client_that_reads_nothing_is_disconnected_and_its_download_ends(path: str) -> None:
    app = Pages()
    async with served(app) as (port, running):
        _, writer = await opened(port, get(path))
        async with asyncio.timeout(5):
            while not app.ended or running.server_state.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        writer.close()


async def test_a_client_that_reads_a_little_now_and_then_is_disconnected_too() -> None:
    app, loop = Pages(), asyncio.get_running_loop()
    async with served(app) as (port, running):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, get("/65536/1000"))
            async with asyncio.timeout(8):
                while running.server_state.connections or not app.ended:
                    with suppress(BlockingIOError, ConnectionError):
                        client.recv(1024)
                    await asyncio.sleep(0.03)


@pytest.mark.slow
async def test_a_slow_client_that_reads_steadily_has_all_of_it() -> None:
    async with served(Pages()) as (port, _):
        reader, writer = await opened(port, get("/65536/160"))
        size = 0
        while data := await reader.read(MIB // 4):
            size += len(data)
            await asyncio.sleep(0.005)
        writer.close()
        assert size > 160 * 65536


async def test_a_half_request_and_a_body_nobody_asked_for_are_ended() -> None:
    async with served(Pages()) as (port, _):
        for request in (
            b"",
            b"GET /1/1 HTTP/1.1\r\nX: ",
            b"GET /1/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nx",
        ):
            reader, writer = await opened(port, request)
            await asyncio.wait_for(drained(reader), 5)
            writer.close()


async def test_one_address_has_a_bounded_number_of_connections_and_gets_them_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS_PER_ADDRESS", 3)
    by_address: Counter[str] = Counter({"198.51.100.1": 3})
    async with served(Pages(), by_address) as (port, _):
        held = [await opened(port, b"G") for _ in range(3)]
        reader, writer = await opened(port, get("/1/1"))
        with suppress(OSError):
            assert await reader.read() == b""
        writer.close()
        for _, writer in held:
            writer.transport.abort()
        async with asyncio.timeout(5):
            while by_address["127.0.0.1"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        reader, writer = await opened(port, get("/1/1"))
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


def test_the_number_of_connections_fits_the_systems_limit_of_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(server.resource, "setrlimit", lambda _, limits: given.append(limits))
    for limits, expected in (
        ((1024, 4096), 3000),
        ((256, 1024), 824),
        ((100, 100), 1),
        ((1 << 20, 1 << 20), 3000),
        ((1024, server.resource.RLIM_INFINITY), 3000),
    ):
        monkeypatch.setattr(server.resource, "getrlimit", lambda _, found=limits: found)
        assert server.max_connections() == expected
    assert given == [(3200, 4096), (1024, 1024), (100, 100), (3200, server.resource.RLIM_INFINITY)]
