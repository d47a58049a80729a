"""uvicorn's HTTP/1.1 with a deadline for requests, a minimum rate of reading, and places for each address."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from results.hub.limits import rate_limit_key

HEAD_TIMEOUT_S = 15.0
RATE_CHECK_S, MIN_BYTES_PER_CHECK = 15.0, 64 * 1024
"""A client that takes less of what waits for it is disconnected."""
MAX_CONNECTIONS_PER_ADDRESS = 500


class CountingTransport:
    """A transport that counts what is written to it; `watch` is called where some of that has to wait."""

    def __init__(self, transport: asyncio.Transport, watch: Callable[[], None]) -> None:
        self._transport, self._watch, self._written = transport, watch, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self._written += len(data)
        self._transport.write(data)
        if self.waiting:
            self._watch()

    @property
    def waiting(self) -> int:
        """How many bytes the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """How many bytes left this process."""
        return self._written - self.waiting


class HubProtocol(H11Protocol):
    """Aborts connections that send no whole request, or do not read what they asked for."""

    def __init__(self, *args: Any, by_address: Counter[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._by_address = by_address
        """Connections of each address; None behind a proxy, which has them all."""
        self._address = ""
        self._head_timer: asyncio.TimerHandle | None = None
        self._rate_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._counting = CountingTransport(transport, self._watch_rate)
        super().connection_made(self._counting)  # type: ignore[arg-type]
        if self._by_address is not None:
            self._address = rate_limit_key(self.client[0] if self.client else "")
            self._by_address[self._address] += 1
            if self._by_address[self._address] > MAX_CONNECTIONS_PER_ADDRESS:
                transport.abort()
                return
        self._watch_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_request()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._rate_timer):
            if timer is not None:
                timer.cancel()
        if self._by_address is not None and self._address:
            self._by_address[self._address] -= 1
            if not self._by_address[self._address]:
                del self._by_address[self._address]
        super().connection_lost(exc)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch_request(self) -> None:
        if self._is_answering:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._end_unless_answering)

    def _end_unless_answering(self) -> None:
        self._head_timer = None
        if not self._is_answering and not self.transport.is_closing():
            self.transport.abort()

    def _watch_rate(self) -> None:
        if self._rate_timer is None:
            expected = self._counting.taken + min(self._counting.waiting, MIN_BYTES_PER_CHECK)
            self._rate_timer = self.loop.call_later(RATE_CHECK_S, self._end_if_behind, expected)

    def _end_if_behind(self, expected: int) -> None:
        self._rate_timer = None
        if self._counting.taken < expected:
            self.transport.abort()
        elif self._counting.waiting:
            self._watch_rate()
