"""A byte stream, over a socket or over TLS: what every step above TCP is written against."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from gettext import gettext as _
from typing import Protocol

import certifi

from probe.failure import Malformed
from probe.text import system_reason

READ_BYTES = 64 * 1024
RECORD_BYTES = 16 * 1024
"""What one TLS record brings at most (RFC 8446 section 5.1), and so what one read from OpenSSL gives."""
READS_PER_TURN = 16
"""Reads without a turn of the event loop, so that a peer that sends without end cannot defer deadlines."""
MAX_HANDSHAKE_BYTES = 256 * 1024
"""Above OpenSSL's own limit for a chain (100 KB)."""
TLS_CHANGE_CIPHER_SPEC, TLS_ALERT, TLS_HANDSHAKE = 0x14, 0x15, 0x16
CERTIFICATE_REQUEST = 13
LEGACY_SERVER_CONNECT = 0x4
"""OpenSSL's SSL_OP_LEGACY_SERVER_CONNECT, which Python names since 3.12."""
ENCODING_DER = 2
"""_ssl.ENCODING_DER"""


class ByteStream(Protocol):
    """Sends and receives bytes; raises the operating system's errors, which `probe.failure` maps."""

    async def send(self, data: bytes) -> None: ...

    async def receive(self, limit: int = READ_BYTES) -> bytes:
        """The next bytes, at most `limit`; empty once the other end has closed."""
        ...

    def close(self) -> None: ...


class SocketStream:
    """A connected TCP socket; the loop watches it from the first read until it closes or unread data arrives."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._reads = 0
        self._is_watched = False
        self._is_readable = False
        self._waiter: asyncio.Future[None] | None = None

    async def send(self, data: bytes) -> None:
        try:  # usually everything fits at once
            sent = self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        if sent < len(data):
            await self._loop.sock_sendall(self._socket, memoryview(data)[sent:])

    async def receive(self, limit: int = READ_BYTES) -> bytes:
        self._reads += 1
        if self._reads % READS_PER_TURN == 0:
            await asyncio.sleep(0)
        while True:
            if self._is_readable:
                self._is_readable = False
                try:
                    return self._socket.recv(limit)
                except (BlockingIOError, InterruptedError):
                    pass
            await self._wait_readable()

    async def _wait_readable(self) -> None:
        self._waiter = self._loop.create_future()
        if not self._is_watched:
            self._loop.add_reader(self._socket, self._on_readable)
            self._is_watched = True
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _on_readable(self) -> None:
        self._is_readable = True
        if self._waiter is None:
            self._unwatch()
        elif not self._waiter.done():
            self._waiter.set_result(None)

    def _unwatch(self) -> None:
        if self._is_watched:
            self._loop.remove_reader(self._socket)
            self._is_watched = False

    def close(self) -> None:
        self._unwatch()
        self._socket.close()


class TlsStream:
    """TLS over another stream by memory buffers, so that the presented chain outlives a failed verification."""

    def __init__(self, stream: ByteStream, context: ssl.SSLContext, server_name: str) -> None:
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._records = bytearray()
        self._next_record = 0
        self.alert: int | None = None
        """The description of a fatal or warning alert seen in the clear (RFC 8446 section 6)."""
        self.undelivered = 0
        """Bytes of an incomplete record."""
        self.on_data: Callable[[], None] = _nothing
        """Called when bytes arrive, readable yet or not: a trickling record is not silence."""

    async def handshake(self) -> None:
        """Complete the handshake; raises ssl.SSLError, EOFError, Malformed or OSError."""
        received = 0
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._stream.receive()
                if not data:
                    raise EOFError("closed during the handshake") from None
                received += len(data)
                if received > MAX_HANDSHAKE_BYTES:
                    raise Malformed("ssl_failed_handshake", "a handshake without end") from None
                self._note_alert(data)
                self._incoming.write(data)
            except ssl.SSLError:
                with suppress(OSError, asyncio.TimeoutError):
                    await self._flush()
                raise
            else:
                await self._flush()
                return

    def asks_certificate(self) -> bool:
        """Whether a CertificateRequest was seen in the clear, as it is before TLS 1.3 (RFC 5246 section 7.4.4)."""
        messages, at = bytearray(), 0
        while len(self._records) >= at + 5 and self._records[at] != TLS_CHANGE_CIPHER_SPEC:
            length = int.from_bytes(self._records[at + 3 : at + 5], "big")
            if self._records[at] == TLS_HANDSHAKE:
                messages += self._records[at + 5 : at + 5 + length]
            at += 5 + length
        at = 0
        while len(messages) >= at + 4:
            if messages[at] == CERTIFICATE_REQUEST:
                return True
            at += 4 + int.from_bytes(messages[at + 1 : at + 4], "big")
        return False

    def chain(self) -> tuple[bytes, ...]:
        """The certificates presented, DER, leaf first; also after a verification that failed."""
        public = getattr(self.tls, "get_unverified_chain", None)
        if public is not None:  # Python 3.13
            return tuple(public())
        inner = self.tls._sslobj  # type: ignore[attr-defined]
        presented = inner.get_unverified_chain() if inner is not None else None
        return tuple(certificate.public_bytes(ENCODING_DER) for certificate in presented or ())

    async def send(self, data: bytes) -> None:
        self.tls.write(data)
        await self._flush()

    async def receive(self, limit: int = READ_BYTES) -> bytes:
        limit = min(limit, RECORD_BYTES)
        while True:
            if self._incoming.pending or self.tls.pending() or self._incoming.eof:  # else there is nothing to read
                try:
                    data = self.tls.read(limit)
                    self.undelivered = self._incoming.pending  # the next record may have come along, in part
                    return data
                except ssl.SSLWantReadError:
                    pass
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    # Many servers close without close_notify; HTTP's own framing tells whether anything is missing.
                    return b""
            await self._flush()
            await self._fill()

    async def _fill(self) -> None:
        data = await self._stream.receive()
        self.undelivered += len(data)
        if data:
            self._incoming.write(data)
            self.on_data()
        else:
            self._incoming.write_eof()

    def close(self) -> None:
        self.on_data = _nothing
        self._stream.close()

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._stream.send(self._outgoing.read())

    def _note_alert(self, data: bytes) -> None:
        """Look for an alert in the records (RFC 8446 section 5.1); an encrypted one is longer."""
        self._records += data
        while len(self._records) >= self._next_record + 5:
            at = self._next_record
            length = int.from_bytes(self._records[at + 3 : at + 5], "big")
            if self._records[at] == TLS_ALERT and length == 2:
                if len(self._records) < at + 7:
                    return
                self.alert = self._records[at + 6]
            self._next_record = at + 5 + length


def _nothing() -> None:
    pass


async def receive_exactly(stream: ByteStream, count: int) -> bytes:
    """`count` bytes, or EOFError where the stream ends before."""
    data = b""
    while len(data) < count:
        chunk = await stream.receive(count - len(data))
        if not chunk:
            raise EOFError(f"closed after {len(data)} of {count} bytes")
        data += chunk
    return data


async def receive_until(stream: ByteStream, mark: bytes, limit: int) -> bytes:
    """Bytes up to and including `mark`, at most `limit`, read singly so that nothing after it is consumed."""
    data = b""
    while not data.endswith(mark):
        chunk = await stream.receive(1)
        if not chunk or len(data) >= limit:
            raise EOFError("closed, or too much, before the end of the head")
        data += chunk
    return data


class BadTrust(OSError):
    """A ca_file that cannot be used."""


@lru_cache(maxsize=16)
def client_context(
    ca_file: str | None, *, verify: bool, alpn: tuple[str, ...], lenient: bool = False
) -> ssl.SSLContext:
    """A client context that trusts certifi's bundle and `ca_file`, cached because loading them costs 50 ms.

    A `lenient` one allows TLS 1.0, legacy renegotiation (RFC 5746) and weak keys, as browsers do or long did.
    Names count only in subjectAltName (RFC 9525 section 6.3). BadTrust if `ca_file` cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if lenient:
        context.set_ciphers("ALL:!aNULL:!eNULL:@SECLEVEL=0")
        context.options |= LEGACY_SERVER_CONNECT
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(list(alpn))
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise BadTrust(
                _("ca_file {path}: {reason}; give a PEM file of certificates").format(
                    path=ca_file, reason=system_reason(error)
                )
            ) from error
    return context
