"""The response of one HTTP exchange, and the bytes that carry it: deadline, size limit and GOAWAY."""

from __future__ import annotations

import asyncio
from functools import partial

from probe.failure import Malformed
from probe.net.deadline import Deadline
from probe.net.streams import ByteStream, TlsStream


class HttpResponse:
    """What was received for one request, also when the exchange fails half way."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.version: str | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.body = b""
        self.quirks: tuple[str, ...] = ()
        """What is not valid HTTP and was read as browsers read it."""
        self.truncated: bool | None = None
        self.received = 0
        """Bytes of the answer as they came, head and encoding included."""
        self.curve: list[tuple[float, int]] = []
        """Seconds since the request, bytes received: at the first bytes and each time they have doubled."""
        self.last: tuple[float, int] | None = None
        """The same at the latest bytes."""

    def whole_curve(self) -> tuple[tuple[float, int], ...]:
        """The curve up to the latest bytes."""
        more = [self.last] if self.last and self.last not in self.curve[-1:] else []
        return (*self.curve, *more)

    def header(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class StreamCarrier:
    """A stream with an idle deadline and a size limit; `ended` tells a close from a protocol error."""

    def __init__(self, stream: ByteStream, idle_timeout_s: float, into: HttpResponse, limit: int) -> None:
        self._stream = stream
        self._idle_timeout_s = idle_timeout_s
        self._into = into
        self._limit = limit
        self._clock = asyncio.get_running_loop().time
        self._zero = self._clock()
        self._next_mark = 1
        self.ended = False
        self._broken: ConnectionError | None = None
        self.deadline: Deadline | None = None
        """Moved on whenever bytes are sent or received."""
        if isinstance(stream, TlsStream):
            stream.on_data = partial(self._on_data, stream)

    async def send(self, data: bytes) -> None:
        self._extend_deadline(self._clock())
        try:
            await self._stream.send(data)
        except ConnectionError as error:
            self._broken = error  # what came before the reset, such as an alert or an early answer, can still be read

    async def receive(self, max_bytes: int) -> bytes:
        self._extend_deadline(self._clock())
        data = await self._stream.receive(max_bytes)
        if not data and self._broken is not None:
            raise self._broken
        self.ended = not data
        self._into.received += len(data)
        if self._into.received > self._limit:
            raise Malformed("http_request_failed", f"more than {self._limit} bytes for one answer")
        if data:
            self._into.last = (round(self._clock() - self._zero, 4), self._into.received)
        if self._into.last and self._into.received >= self._next_mark:
            self._into.curve.append(self._into.last)
            self._next_mark = 2 * self._into.received
        return data

    def _on_data(self, stream: TlsStream) -> None:
        """Part of a TLS record arrived: not silence, though there is nothing to read yet."""
        now = self._clock()
        self._into.last = (round(now - self._zero, 4), self._into.received + stream.undelivered)
        self._extend_deadline(now)

    def _extend_deadline(self, now: float) -> None:
        if self.deadline is not None:
            self.deadline.reschedule(now + self._idle_timeout_s)

    def close(self) -> None:
        self._stream.close()


FRAME_HEADER_BYTES = 9
GOAWAY = 7
NO_ERROR = 0
MAX_FRAME_BYTES = 16_384
"""The default limit (RFC 9113 section 4.2)."""


class GoawayFilter:
    """Removes a graceful GOAWAY, after which our request is still answered (RFC 9113 6.8) but h2 stops."""

    def __init__(self) -> None:
        self._held = b""
        self._passing = 0
        """Bytes of the current frame that are still to be passed on."""

    def __call__(self, data: bytes) -> bytes:
        """The bytes to pass on, of these and those held back before; may be empty."""
        out = bytearray()
        data, self._held = self._held + data, b""
        while data:
            if self._passing:
                piece, data = data[: self._passing], data[self._passing :]
                self._passing -= len(piece)
                out += piece
                continue
            size = FRAME_HEADER_BYTES + int.from_bytes(data[:3], "big")
            has_header = len(data) >= FRAME_HEADER_BYTES
            is_goaway = has_header and data[3] == GOAWAY and size <= FRAME_HEADER_BYTES + MAX_FRAME_BYTES
            if not has_header or (is_goaway and len(data) < size):
                self._held = data
                break
            if is_goaway and _is_graceful(data[FRAME_HEADER_BYTES:size]):
                data = data[size:]
            else:
                self._passing = size
        return bytes(out)


def _is_graceful(payload: bytes) -> bool:
    """No error, and our one stream will still be answered."""
    last_stream, error = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF, int.from_bytes(payload[4:8], "big")
    return len(payload) >= 8 and error == NO_ERROR and last_stream >= 1
