"""Listening sockets whose connections are owned: every task and socket opened here is ended by `close`.

asyncio.Server is not used: what its `wait_closed` waits for differs between Python 3.11, 3.12 and 3.13, and a
handshake that hangs on purpose would hold it for ever.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

Address = tuple[str, int]
Handler = Callable[[socket.socket], Awaitable[None]]
StreamHandler = Callable[["ServerStream"], Awaitable[None]]

LOCALHOST = "127.0.0.1"
PEER_ERRORS = (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError)
"""What a peer can do to us: it ends that connection and is no bug. (ssl.SSLError is an OSError.)"""


def tcp_socket(host: str, port: int = 0, *, listening: bool = True, backlog: int = 512) -> socket.socket:
    """A non-blocking socket bound to `host`; port 0 lets the kernel choose. Not listening, it refuses connections."""
    sock = _socket(host, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if listening:
            sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def udp_socket(host: str, port: int = 0) -> socket.socket:
    """A non-blocking UDP socket bound to `host`."""
    sock = _socket(host, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _socket(host: str, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    sock.setblocking(False)
    return sock


def can_bind(host: str) -> bool:
    """Does this loopback answer for `host`? Linux has all of 127.0.0.0/8, others often 127.0.0.1 alone."""
    try:
        tcp_socket(host, listening=False).close()
    except OSError:
        return False
    return True


def address_of(sock: socket.socket) -> Address:
    host, port = sock.getsockname()[:2]
    return host, port


def reset(sock: socket.socket) -> None:
    """Close with a TCP reset instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@dataclass
class ServerStream:
    """One accepted connection as a server sees it: the plain bytes, and the socket beneath for what is rude."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sock: socket.socket

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the client has left; what it still says is thrown away."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Abort the connection so that the client sees a TCP reset, under TLS too."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._abort()

    def cut(self) -> None:
        """Close TCP without a word of TLS: an end of file where an answer should be."""
        self._abort()

    def _abort(self) -> None:
        try:
            self.writer.transport.abort()
        except AttributeError:  # Python before 3.11.5: a TLS transport that was closed twice has let go of its protocol
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


@dataclass
class Listeners:
    """A group of listening sockets. `async with Listeners() as here: listeners.serve(sock, handler)`."""

    _sockets: list[socket.socket] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _bugs: list[BaseException] = field(default_factory=list)

    async def __aenter__(self) -> Listeners:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def hold(self, sock: socket.socket) -> socket.socket:
        """Own a socket that no task reads; it is closed with the rest."""
        self._sockets.append(sock)
        return sock

    def serve(self, sock: socket.socket, handler: Handler) -> Address:
        """Accept on `sock` for ever; each connection gets its own task and is closed when `handler` returns."""
        self.hold(sock)
        self.run(self._accept(sock, handler))
        return address_of(sock)

    def serve_stream(
        self, sock: socket.socket, handler: StreamHandler, context: ssl.SSLContext | None = None
    ) -> Address:
        """The same over asyncio streams, after a TLS handshake if `context` is given."""

        async def as_stream(client: socket.socket) -> None:
            stream = await _open_stream(client, context)
            try:
                await handler(stream)
                stream.writer.close()
                with suppress(*PEER_ERRORS):
                    await stream.writer.wait_closed()
            finally:
                stream.cut()  # when a failure or the end of everything came before the close was done

        return self.serve(sock, as_stream)

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` until it ends or everything is closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """End every task, close every socket; a bug in a handler is raised here, so that a test sees it."""
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # the done callbacks run one turn later
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
        if self._bugs:
            raise self._bugs[0]

    async def _accept(self, sock: socket.socket, handler: Handler) -> None:
        while True:
            await _has_come(sock)
            try:
                client, _ = sock.accept()
            except OSError as error:
                if error.errno in {errno.EBADF, errno.EINVAL, errno.EMFILE, errno.ENFILE}:
                    raise
                continue  # the client left before we came to it
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handled = self.run(_handle(client, handler))
            handled.add_done_callback(partial(_close, client))  # also where it is ended before it began

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bugs.append(error)


def _tell(come: asyncio.Future[None]) -> None:
    if not come.done():
        come.set_result(None)


async def _has_come(sock: socket.socket) -> None:
    """Wait for a connection. loop.sock_accept would lose one, open, that comes in the moment of its cancellation."""
    loop = asyncio.get_running_loop()
    come: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _tell, come)
    try:
        await come
    finally:
        loop.remove_reader(sock)


async def _handle(client: socket.socket, handler: Handler) -> None:
    with suppress(*PEER_ERRORS):
        await handler(client)


def _close(client: socket.socket, _: asyncio.Task[None]) -> None:
    client.close()


async def _open_stream(client: socket.socket, context: ssl.SSLContext | None) -> ServerStream:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=65536)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=context)
    return ServerStream(reader, asyncio.StreamWriter(transport, protocol, reader, loop), client)


CHUNK_BYTES = 65536

ReturnPath = Callable[[socket.socket, socket.socket, asyncio.Event], Coroutine[Any, Any, None]]
"""(upstream, client, set when the client has left): how what returns is handed on."""


async def connect_to(to: Address, source: str | None = None) -> socket.socket:
    """A connected non-blocking socket, bound to the source address if one is given. Raises OSError."""
    sock = _socket(to[0], socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, to)
    except BaseException:
        sock.close()
        raise
    return sock


async def copy_stream(source: socket.socket, sink: socket.socket) -> None:
    """Everything from `source` to `sink`, then the end of stream."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, CHUNK_BYTES):
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)


async def return_unchanged(upstream: socket.socket, client: socket.socket, _: asyncio.Event) -> None:
    """What returns goes to the client untouched."""
    await copy_stream(upstream, client)


async def relay_streams(client: socket.socket, upstream: socket.socket, back: ReturnPath = return_unchanged) -> None:
    """Copy both ways until both have ended, and close `upstream`; trouble on one side resets the other."""
    client_left = asyncio.Event()

    async def out() -> None:
        try:
            await copy_stream(client, upstream)
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


async def drain(client: socket.socket) -> None:
    """Wait until the client has left; what it still says is thrown away."""
    loop = asyncio.get_running_loop()
    while await loop.sock_recv(client, CHUNK_BYTES):
        pass


async def close_gracefully(client: socket.socket) -> None:
    """A FIN, then wait for the client to leave: closing on unread bytes would turn the FIN into a reset."""
    client.shutdown(socket.SHUT_WR)
    await drain(client)


QUEUE_FILLERS = 3


def leave_unanswered(listeners: Listeners, host: str, port: int = 0) -> Address:
    """Returns the address at which a connect now times out."""
    silent = listeners.hold(tcp_socket(host, port, backlog=0))
    for _ in range(QUEUE_FILLERS):
        filler = listeners.hold(socket.socket(silent.family, socket.SOCK_STREAM))
        filler.setblocking(False)
        filler.connect_ex(silent.getsockname())
    return address_of(silent)
