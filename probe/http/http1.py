"""One HTTP/1.1 exchange (RFC 9112), written and read by h11, without the locks and traces of a pool around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import h11

READ_BYTES = 64 * 1024
MAX_HEAD_BYTES = 100 * 1024
SWITCHING_PROTOCOLS = 101
Headers = Sequence[tuple[bytes, bytes]]


class Http1:
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
