"""One GET over a QUIC connection that has completed its handshake (RFC 9114)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from probe.failure import Malformed
from probe.http.exchange import HttpRequest
from probe.http.wire import HttpResponse
from probe.net.deadline import Deadline

if TYPE_CHECKING:
    from aioquic.h3.events import H3Event
    from aioquic.quic.connection import QuicConnection
    from aioquic.quic.events import QuicEvent

UNDECODED = ("accept-encoding",)
"""Fields that are not sent: their effect on the answer is not undone here."""


class Connection(Protocol):
    """A QUIC connection that has completed its handshake."""

    connection: QuicConnection

    async def run_until(self, done: Callable[[QuicEvent], bool]) -> None: ...


async def exchange(
    over: Connection, request: HttpRequest, into: HttpResponse, *, idle_timeout_s: float, max_body_bytes: int
) -> None:
    """Send `request` and read the answer into `into` as it comes; raises where it ends early or stays silent."""
    reading = _Reading(over, request, into, max_body_bytes)
    async with Deadline(idle_timeout_s) as idle:
        loop = asyncio.get_running_loop()

        def on_event(event: QuicEvent) -> bool:
            done = reading.on_event(event)
            idle.reschedule(loop.time() + idle_timeout_s)
            return done

        await over.run_until(on_event)


class _Reading:
    """One request on its stream, and the answer as far as it has come."""

    def __init__(self, over: Connection, request: HttpRequest, into: HttpResponse, max_body_bytes: int) -> None:
        from aioquic.h3.connection import H3Connection

        self._http = H3Connection(over.connection)
        self._stream = over.connection.get_next_available_stream_id()
        self._into, self._max_body_bytes = into, max_body_bytes
        fields = [(name.lower(), value) for name, value in request.headers if name.lower() not in UNDECODED]
        pseudo = [(":method", request.method), (":scheme", request.scheme), (":authority", request.authority)]
        head = [*pseudo, (":path", request.path), *fields]
        self._http.send_headers(
            self._stream, [(name.encode(), value.encode()) for name, value in head], end_stream=True
        )

    def on_event(self, event: QuicEvent) -> bool:
        """Whether the answer is complete with this event, or as long as is ever read."""
        from aioquic.quic.events import ConnectionTerminated, StreamReset

        if isinstance(event, ConnectionTerminated):
            raise EOFError(f"the connection was closed with {event.error_code:#x}")
        if isinstance(event, StreamReset) and event.stream_id == self._stream:
            raise EOFError(f"the stream was reset with {event.error_code:#x}")
        ended = [self._on_h3_event(part) for part in self._http.handle_event(event)]
        return any(ended)

    def _on_h3_event(self, event: H3Event) -> bool:
        from aioquic.h3.events import DataReceived, HeadersReceived

        into = self._into
        if not isinstance(event, HeadersReceived | DataReceived) or event.stream_id != self._stream:
            return False
        if isinstance(event, DataReceived):
            into.received += len(event.data)
            into.body = (into.body + event.data)[: self._max_body_bytes]
            into.truncated = into.received > self._max_body_bytes
        elif into.status is None:
            self._head({name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers})
        return event.stream_ended or bool(into.truncated)

    def _head(self, fields: dict[str, str]) -> None:
        status = fields.pop(":status", "")
        if not (len(status) == 3 and status.isascii() and status.isdigit()):
            raise Malformed("http_request_failed", "an answer without a status")
        if status[0] == "1":
            return  # an interim answer (RFC 9114 section 4.1)
        self._into.status, self._into.version, self._into.truncated = int(status), "HTTP/3", False
        self._into.headers = tuple(fields.items())
