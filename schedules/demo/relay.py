"""Joining two TCP connections so that neither end can tell: bytes, ends of stream and resets are all handed on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from schedules.demo.listener import Address, reset

CHUNK = 65536

Back = Callable[[socket.socket, socket.socket, asyncio.Event], Coroutine[Any, Any, None]]
"""(upstream, client, set when the client has left): how what returns is handed on."""


async def connect(to: Address, source: str | None = None) -> socket.socket:
    """A connected non-blocking socket, bound to the source address if one is given. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in to[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, to)
    except BaseException:
        sock.close()
        raise
    return sock


async def copy(source: socket.socket, sink: socket.socket) -> None:
    """Everything from `source` to `sink`, then the end of stream."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, CHUNK):
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)


async def hand_back(upstream: socket.socket, client: socket.socket, _: asyncio.Event) -> None:
    """What returns goes to the client untouched."""
    await copy(upstream, client)


async def join(client: socket.socket, upstream: socket.socket, back: Back = hand_back) -> None:
    """Copy both ways until both have ended, and close `upstream`; trouble on one side resets the other."""
    client_left = asyncio.Event()

    async def out() -> None:
        try:
            await copy(client, upstream)
        finally:
            client_left.set()

    try:
        async with asyncio.TaskGroup() as ways:
            ways.create_task(out())
            ways.create_task(back(upstream, client, client_left))
    except* OSError:
        reset(upstream)
        reset(client)
    finally:
        upstream.close()


async def left(client: socket.socket) -> None:
    """Wait until the client has left; what it still says is thrown away."""
    loop = asyncio.get_running_loop()
    while await loop.sock_recv(client, CHUNK):
        pass


async def finish(client: socket.socket) -> None:
    """A FIN, then wait for the client to leave: closing on unread bytes would turn the FIN into a reset."""
    client.shutdown(socket.SHUT_WR)
    await left(client)
