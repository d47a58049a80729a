"""One GET over a QUIC connection that has completed its handshake (RFC 9114)."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from probe.failure import Malformed
from probe.http.exchange import Exchange, Request
from probe.recorder import Attempted, Log
from probe.settings import Settings
from probe.steps import http
from probe.steps.quic import Driven

if TYPE_CHECKING:
    from aioquic.h3.events import H3Event
    from aioquic.quic.events import QuicEvent

UNDECODED = ("accept-encoding",)
"""Fields that are not sent, for what they bring is not understood here."""


async def get(
    log: Log,
    about: Attempted,
    driven: Driven,
    where: tuple[socket.socket, tuple[str, int]],
    url: str,
    request: Request,
    settings: Settings,
) -> None:
    """Record the exchange as an `http` step; its body is cut at the size cap, which is no failure."""
    pending = log.begin(http.NAME, about)
    got = _Getting(driven, request, settings)
    error: BaseException | None = None
    try:
        async with asyncio.timeout(settings.exchange_timeout_s), asyncio.timeout(settings.timeout_s) as got.silence:
            await driven.until(*where, got.take)
    except (OSError, TimeoutError, EOFError, ValueError) as caught:
        error = caught
    pending.end(http.detail_of(url, got.into), error)


class _Getting:
    """One request on its stream, and what came of it so far."""

    def __init__(self, driven: Driven, request: Request, settings: Settings) -> None:
        from aioquic.h3.connection import H3Connection

        self._http = H3Connection(driven.connection)
        self._stream = driven.connection.get_next_available_stream_id()
        self._settings = settings
        self.into = Exchange()
        self.silence: asyncio.Timeout | None = None
        fields = [(name.lower(), value) for name, value in request.headers if name.lower() not in UNDECODED]
        pseudo = [(":method", request.method), (":scheme", request.scheme), (":authority", request.authority)]
        head = [*pseudo, (":path", request.path), *fields]
        self._http.send_headers(
            self._stream, [(name.encode(), value.encode()) for name, value in head], end_stream=True
        )

    def take(self, event: QuicEvent) -> bool:
        """Whether the answer is whole with this, or as much as is ever read."""
        from aioquic.quic.events import ConnectionTerminated, StreamReset

        if isinstance(event, ConnectionTerminated):
            raise EOFError(f"the connection was closed with {event.error_code:#x}")
        if isinstance(event, StreamReset) and event.stream_id == self._stream:
            raise EOFError(f"the stream was reset with {event.error_code:#x}")
        if self.silence is not None:
            self.silence.reschedule(asyncio.get_running_loop().time() + self._settings.timeout_s)
        ended = [self._note(one) for one in self._http.handle_event(event)]
        return any(ended)

    def _note(self, event: H3Event) -> bool:
        from aioquic.h3.events import DataReceived, HeadersReceived

        into = self.into
        if not isinstance(event, HeadersReceived | DataReceived) or event.stream_id != self._stream:
            return False
        if isinstance(event, DataReceived):
            into.received += len(event.data)
            into.body = (into.body + event.data)[: self._settings.max_body_bytes]
            into.truncated = into.received > self._settings.max_body_bytes
        elif into.status is None:
            self._head({name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers})
        return event.stream_ended or bool(into.truncated)

    def _head(self, fields: dict[str, str]) -> None:
        status = fields.pop(":status", "")
        if not (len(status) == 3 and status.isascii() and status.isdigit()):
            raise Malformed("http_request_failed", "an answer without a status")
        if status[0] == "1":
            return  # an interim answer (RFC 9114 section 4.1)
        self.into.status, self.into.version, self.into.truncated = int(status), "HTTP/3", False
        self.into.headers = tuple(fields.items())
