"""One HTTP/1.1 exchange (RFC 9112): h11 reads the head; what it cannot read is read as leniently as browsers do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import h11

from probe.failure import Malformed
from probe.http.lenient import MAX_HEAD_BYTES, SWITCHING_PROTOCOLS, Body, Head, body_of, head_in, may_be_http
from probe.net.deadline import Deadline

READ_BYTES = 64 * 1024
MAX_KEPT_BYTES = 64 * 1024
"""How much is kept of an answer that is not HTTP."""
QUIET_S = 1.0
"""Such an answer has no end that can be told: it is taken to end after this silence."""
Headers = Sequence[tuple[bytes, bytes]]


class Http1Connection:
    """Sends one request and reads its answer; raises Malformed, or EOFError where the stream ends too early."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], receive: Callable[[int], Awaitable[bytes]]) -> None:
        self._send, self._receive = send, receive
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._raw = bytearray()
        self._body: Body | None = None
        self._head_quirks: tuple[str, ...] = ()
        self.kept = b""
        """The beginning of an answer that is not HTTP."""

    @property
    def quirks(self) -> tuple[str, ...]:
        """What of the answer is not valid HTTP and was read as browsers read it."""
        return self._head_quirks + (self._body.quirks if self._body is not None else ())

    @property
    def until_close(self) -> bool:
        """Whether only the end of the stream ends the body."""
        return self._body is not None and self._body.until_close

    async def head(self, method: bytes, target: bytes, headers: Headers, content: bytes) -> tuple[int, bytes, Headers]:
        """Send the request; the response's status, version and headers as written."""
        written = self._h11.send(h11.Request(method=method, target=target, headers=list(headers))) or b""
        if content:
            written += self._h11.send(h11.Data(data=content)) or b""
        await self._send(written + (self._h11.send(h11.EndOfMessage()) or b""))
        try:
            head, rest = await self._strict_head()
        except h11.ProtocolError:
            head, rest = await self._lenient_head()
        if head.status == SWITCHING_PROTOCOLS:
            raise Malformed("http_request_failed", "an upgrade to another protocol")
        self._head_quirks, self._raw = head.quirks, bytearray()
        self._body = body_of(head, rest)
        return head.status, head.version, head.headers

    async def chunk(self) -> bytes | bytearray | None:
        """The next part of the body; None at its end."""
        body = self._body
        assert body is not None
        while not (data := body.take()):
            if body.complete:
                return None
            came = await self._receive(READ_BYTES)
            if not came and not body.end():
                raise EOFError("closed before the end of the answer")
            body.feed(came)
        return data

    async def close(self) -> None:
        """Nothing to release."""

    async def _strict_head(self) -> tuple[Head, bytes]:
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                self._h11.receive_data(await self._more())
            elif isinstance(event, h11.Response) or (
                isinstance(event, h11.InformationalResponse) and event.status_code == SWITCHING_PROTOCOLS
            ):
                version, fields = b"HTTP/" + event.http_version, event.headers.raw_items()
                return Head(event.status_code, version, fields), self._h11.trailing_data[0]

    async def _lenient_head(self) -> tuple[Head, bytes]:
        begun = searched = 0
        while True:
            found = head_in(self._raw, begun, searched)
            if found is None:
                searched = max(begun, len(self._raw) - 3)
                if not await self._more():
                    raise EOFError("closed within the head of the answer")
            elif isinstance(found, str):
                raise await self._keep(found)
            else:
                head, begun = found
                searched = begun
                if not head.is_interim:
                    return head, bytes(self._raw[begun:])

    async def _more(self) -> bytes:
        """The next bytes of the head; Malformed where they cannot be one."""
        data = await self._receive(READ_BYTES)
        self._raw += data
        if not may_be_http(self._raw, ended=not data):
            raise await self._keep("no status line")
        return data

    async def _keep(self, why: str) -> Malformed:
        """Set `kept` to what came and what soon follows; the error to raise."""
        try:
            while len(self._raw) < MAX_KEPT_BYTES:
                async with Deadline(QUIET_S):
                    data = await self._receive(READ_BYTES)
                if not data:
                    break
                self._raw += data
        except (OSError, TimeoutError, Malformed):
            pass
        finally:
            self.kept = bytes(self._raw[:MAX_KEPT_BYTES])
        return Malformed("http_request_failed", f"not HTTP: {why}")
