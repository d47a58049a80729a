"""What one HTTP exchange got so far, and the stream that carries it, with a patience and a bound."""

from __future__ import annotations

import asyncio
from functools import partial

from probe.failure import Malformed
from probe.net.streams import Stream, TlsStream


class Exchange:
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


class Carrier:
    """Our stream as HTTP wants it. `ended` tells a close from a protocol error, which the errors do not."""

    def __init__(self, stream: Stream, idle_timeout_s: float, into: Exchange, limit: int) -> None:
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
