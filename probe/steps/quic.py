"""One QUIC version 1 handshake (RFC 9000, RFC 9001), with a chosen name, over our own datagrams."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import msgspec

from probe.failure import Malformed, PrivateAddress, ProxyUnusable
from probe.model import Observation
from probe.net.address_policy import family_of, is_public, literal
from probe.recorder import Attempted, Log
from probe.settings import Settings

if TYPE_CHECKING:
    from aioquic.quic.connection import QuicConnection
    from aioquic.quic.events import QuicEvent

logging.getLogger("quic").addHandler(logging.NullHandler())
"""aioquic's warnings of what a peer did wrong would go to the volunteer's terminal; the record says it."""

NAME = "quic"
ALPN = ("h3",)
MAX_DATAGRAM = 65_535
CRYPTO_ERROR = 0x100
"""RFC 9001 section 4.8: a transport error in 0x100 to 0x1ff carries the TLS alert in its low byte."""
CERTIFICATE_ALERTS = {42: "ssl_invalid_certificate", 45: "ssl_invalid_certificate", 48: "ssl_unknown_authority"}
VERSION_NEGOTIATION_FAILED = 0x11


class Quic(msgspec.Struct, frozen=True, kw_only=True):
    """One QUIC handshake."""

    family: str | None = None
    server_name: str | None = None
    version: str | None = None
    alpn: str | None = None
    verified: bool | None = None
    """Whether the certificate was valid for the name; None where it did not come to that or was not asked."""
    transport_error: int | None = None
    """The error code of the CONNECTION_CLOSE that ended it (RFC 9000 section 20.1)."""
    datagrams_received: int | None = None
    chain: tuple[bytes, ...] = ()
    fingerprint: str | None = None


DETAIL = Quic
Then = Callable[["Driven", socket.socket, tuple[str, int]], Awaitable[None]]


async def handshake(
    log: Log, about: Attempted, server_name: str, settings: Settings, then: Then | None = None
) -> Observation:
    """Handshake with `about.address`, verified where `server_name` is `about.host`; the connection is closed after.

    `then` is what to do with it before; it raises nothing.
    """
    where = about.address or about.host
    pending = log.begin(NAME, about)
    detail = Quic(family=family_of(where), server_name=None if literal(server_name) else server_name)
    verify = server_name == about.host
    connection = _connection(server_name, verify, settings)
    attempt = Driven(connection)
    error: BaseException | None = None
    try:
        if about.address is None:
            raise ProxyUnusable("a proxy carries no datagrams")
        if about.port is None or not (settings.allow_private or is_public(where)):
            raise PrivateAddress("not a public address")
        with contextlib.closing(await log.network.datagrams(where, about.port)) as sock:
            async with asyncio.timeout(settings.timeout_s):
                await attempt.shake_hands(sock, (where, about.port))
            seen = pending.end(attempt.describe(detail, verify, None))
            if then is not None:
                await then(attempt, sock, (where, about.port))
            await attempt.close(sock)
            return seen
    except (OSError, TimeoutError, ValueError) as caught:
        error = caught
    return pending.end(attempt.describe(detail, verify, error), error, code=attempt.transport_error)


def _connection(server_name: str, verify: bool, settings: Settings) -> QuicConnection:
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection

    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=list(ALPN),
        server_name=server_name,
        verify_mode=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE,
        idle_timeout=settings.exchange_timeout_s,
    )
    extra = _read_trust(settings.ca_file) if settings.ca_file else None
    configuration.load_verify_locations(cafile=certifi.where(), cadata=extra)
    return QuicConnection(configuration=configuration)


@lru_cache(maxsize=4)
def _read_trust(ca_file: str) -> bytes:
    return Path(ca_file).read_bytes()


class Driven:
    """aioquic's connection, which does no input or output of its own, driven over a socket."""

    def __init__(self, connection: QuicConnection) -> None:
        self.connection = connection
        self._received = 0
        self._alpn: str | None = None
        self.transport_error: int | None = None

    async def shake_hands(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        self.connection.connect(peer, now=asyncio.get_running_loop().time())
        await self.until(sock, peer, self._settles)

    async def until(self, sock: socket.socket, peer: tuple[str, int], done: Callable[[QuicEvent], bool]) -> None:
        """Send and receive until one of the connection's events is what was waited for."""
        loop = asyncio.get_running_loop()
        while not self._any(done):
            await self.send(sock)
            timer = self.connection.get_timer()
            try:
                async with asyncio.timeout_at(timer):
                    data = await loop.sock_recv(sock, MAX_DATAGRAM)
            except TimeoutError:
                if timer is None or loop.time() < timer:
                    raise
                self.connection.handle_timer(now=loop.time())
            else:
                self._received += 1
                self.connection.receive_datagram(data, peer, now=loop.time())
                await asyncio.sleep(0)  # datagrams that are waiting are read without a turn of the loop

    async def send(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for data, _ in self.connection.datagrams_to_send(now=loop.time()):
            await loop.sock_sendall(sock, data)

    async def close(self, sock: socket.socket) -> None:
        self.connection.close()
        with contextlib.suppress(OSError):
            await self.send(sock)

    def _any(self, done: Callable[[QuicEvent], bool]) -> bool:
        while (event := self.connection.next_event()) is not None:
            if done(event):
                return True
        return False

    def _settles(self, event: QuicEvent) -> bool:
        """Whether this completes the handshake; how it was ended otherwise is raised."""
        from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted

        if isinstance(event, HandshakeCompleted):
            self._alpn = event.alpn_protocol
            return True
        if isinstance(event, ConnectionTerminated):
            self._raise(event.error_code)
        return False

    def _raise(self, code: int) -> None:
        self.transport_error = code
        if code == 0 and self._received == 0:
            raise TimeoutError("no answer before the idle timeout")
        if code == VERSION_NEGOTIATION_FAILED:
            raise Malformed("quic_incompatible_version", "no common version")
        failure = CERTIFICATE_ALERTS.get(code - CRYPTO_ERROR, "ssl_failed_handshake")
        raise Malformed(failure, f"closed with transport error {code:#x}")

    def describe(self, detail: Quic, verify: bool, error: BaseException | None) -> Quic:
        """`detail` with what the handshake came to."""
        from cryptography.hazmat.primitives.serialization import Encoding

        tls: Any = getattr(self.connection, "tls", None)
        leaf = getattr(tls, "_peer_certificate", None)
        rest = getattr(tls, "_peer_certificate_chain", None) or []
        chain = tuple(c.public_bytes(Encoding.DER) for c in ([leaf, *rest] if leaf is not None else []))
        done = error is None
        return msgspec.structs.replace(
            detail,
            version="1" if done else None,
            alpn=self._alpn,
            verified=True if done and verify else (False if verify and chain else None),
            transport_error=self.transport_error,
            datagrams_received=self._received,
            chain=chain,
            fingerprint=hashlib.sha256(chain[0]).hexdigest() if chain else None,
        )
