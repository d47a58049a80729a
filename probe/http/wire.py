"""What one HTTP exchange got so far, and the stream that carries it, with a patience and a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import h11

from probe.failure import Malformed
from probe.net.streams import ByteStream, TlsStream


class HttpResponse:
    """What one request got so far: it keeps its worth when the exchange fails half way."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.version: str | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.body = b""
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
    """Our stream as HTTP wants it. `ended` tells a close from a protocol error, which the errors do not."""

    def __init__(self, stream: ByteStream, idle_timeout_s: float, into: HttpResponse, limit: int) -> None:
        self._stream = stream
        self._idle_timeout_s = idle_timeout_s
        self._into = into
        self._limit = limit
        self._clock = asyncio.get_running_loop().time
        self._zero = self._clock()
        self._next_mark = 1
        self.ended = False
        self.patience: asyncio.Timeout | None = None
        """Runs out when nothing was sent or came for so long."""
        if isinstance(stream, TlsStream):
            stream.heard = partial(self._heard, stream)

    async def send(self, data: bytes) -> None:
        self._patient(self._clock())
        await self._stream.send(data)

    async def receive(self, max_bytes: int) -> bytes:
        self._patient(self._clock())
        data = await self._stream.receive(max_bytes)
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

    def _heard(self, stream: TlsStream) -> None:
        """Bytes came of a record that is not whole: no silence, though there is nothing to read yet."""
        now = self._clock()
        self._into.last = (round(now - self._zero, 4), self._into.received + stream.undelivered)
        self._patient(now)

    def _patient(self, now: float) -> None:
        if self.patience is not None:
            self.patience.reschedule(now + self._idle_timeout_s)

    def close(self) -> None:
        self._stream.close()


READ_BYTES = 64 * 1024
MAX_HEAD_BYTES = 100 * 1024
SWITCHING_PROTOCOLS = 101
Headers = Sequence[tuple[bytes, bytes]]


class Http1Connection:
    """`send` and `receive` carry the bytes; `receive` gives none once the other end has closed.

    What comes that is not HTTP is a h11.ProtocolError.
    """

    def __init__(self, send: Callable[[bytes], Awaitable[None]], receive: Callable[[int], Awaitable[bytes]]) -> None:
        self._send, self._receive = send, receive
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def head(self, method: bytes, target: bytes, headers: Headers, content: bytes) -> tuple[int, bytes, Headers]:
        """Send the request; the answer's status, its version and its headers as they were written."""
        written = self._h11.send(h11.Request(method=method, target=target, headers=list(headers))) or b""
        if content:
            written += self._h11.send(h11.Data(data=content)) or b""
        await self._send(written + (self._h11.send(h11.EndOfMessage()) or b""))
        while True:
            event = await self._event()
            if isinstance(event, h11.Response) or (
                isinstance(event, h11.InformationalResponse) and event.status_code == SWITCHING_PROTOCOLS
            ):
                return event.status_code, b"HTTP/" + event.http_version, event.headers.raw_items()

    async def chunk(self) -> bytes | bytearray | None:
        """The next of the body; None at its end."""
        event = await self._event()
        return event.data if isinstance(event, h11.Data) else None

    async def close(self) -> None:
        """Nothing is left to be done for what is read no further."""

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(await self._receive(READ_BYTES))
        return event  # type: ignore[return-value] # mypy takes h11's signs for classes of their own


HEADER = 9
GOAWAY = 7
NO_ERROR = 0
LONGEST = 16_384
"""The longest frame there may be as long as nobody has asked for longer ones (RFC 9113, 4.2)."""


class GoawayFilter:
    """A server that says it takes no further requests still answers those it has (RFC 9113, 6.8); we make one alone."""

    def __init__(self) -> None:
        self._held = b""
        self._passing = 0
        """How much of the frame that has begun is still to be handed on."""

    def __call__(self, data: bytes) -> bytes:
        """What of these bytes, and of those held back before, may be handed on: it may be nothing."""
        out = bytearray()
        data, self._held = self._held + data, b""
        while data:
            if self._passing:
                piece, data = data[: self._passing], data[self._passing :]
                self._passing -= len(piece)
                out += piece
                continue
            size = HEADER + int.from_bytes(data[:3], "big")
            goodbye = len(data) >= HEADER and data[3] == GOAWAY and size <= HEADER + LONGEST
            if len(data) < HEADER or (goodbye and len(data) < size):
                self._held = data
                break
            if goodbye and _is_graceful(data[HEADER:size]):
                data = data[size:]
            else:
                self._passing = size
        return bytes(out)


def _is_graceful(payload: bytes) -> bool:
    """No error, and our one stream is among those that will be answered."""
    last_stream, error = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF, int.from_bytes(payload[4:8], "big")
    return len(payload) >= 8 and error == NO_ERROR and last_stream >= 1
