"""One QUIC version 1 handshake (RFC 9000, RFC 9001), with a chosen name, over our own datagrams."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from probe.failure import CERTIFICATE_FAILURES, Malformed, PrivateAddress, ProxyUnusable
from probe.model import Attempt, Observation
from probe.net.address_policy import family_of, literal
from probe.net.deadline import Deadline
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import MethodSpec, StepSpec, http

if TYPE_CHECKING:
    from aioquic.quic.connection import QuicConnection
    from aioquic.quic.events import QuicEvent

logging.getLogger("quic").addHandler(logging.NullHandler())
"""aioquic's warnings of what a peer did wrong would go to the volunteer's terminal; the record says it."""

ALPN = ("h3",)
MAX_DATAGRAM = 65_535
CRYPTO_ERROR = 0x100
"""RFC 9001 section 4.8: a transport error in 0x100 to 0x1ff carries the TLS alert in its low byte."""
CERTIFICATE_ALERTS = {42: "ssl_invalid_certificate", 45: "ssl_invalid_certificate", 48: "ssl_unknown_authority"}
VERSION_NEGOTIATION_FAILED = 0x11
TRAFFIC_BYTES = 8 * 1250
"""Handshakes in padded datagrams, certificates included."""


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


async def attempt(log: Log, about: StepContext, wanted: Attempt, settings: Settings) -> Observation:
    """Handshake with `about.address`, and fetch where the attempt has a path; the connection is closed after.

    The certificate is verified where the name that is sent is `about.host`. Returns the handshake's observation.
    """
    server_name = wanted.server_name or wanted.host
    where = about.address or about.host
    pending = log.begin(SPEC, about)
    detail = Quic(family=family_of(where), server_name=None if literal(server_name) else server_name)
    verify = server_name == about.host
    client = Client(_connection(server_name, verify, settings))
    error: BaseException | None = None
    try:
        if about.address is None:
            raise ProxyUnusable("a proxy carries no datagrams")
        if about.port is None:
            raise PrivateAddress("no port")
        settings.gate.check(where)
        with contextlib.closing(await log.network.datagrams(where, about.port)) as sock:
            async with Deadline(settings.timeout_s):
                await client.handshake(sock, (where, about.port))
            observation = pending.end(client.describe(detail, verify, None))
            if wanted.request_path is not None:
                await _fetch(log, about, wanted, client, settings)
            await client.close()
            return observation
    except (OSError, TimeoutError, ValueError) as caught:
        error = caught
    return pending.end(client.describe(detail, verify, error), error, code=client.transport_error)


async def _fetch(log: Log, about: StepContext, wanted: Attempt, client: Client, settings: Settings) -> None:
    """Record one exchange over the connection as an `http` step; its body is cut at the size cap."""
    from probe.http.exchange import exchange_over_quic
    from probe.http.wire import HttpResponse

    url, request = http.request_for(wanted, settings)
    pending = log.begin(http.SPEC, about)
    got = HttpResponse()
    error: BaseException | None = None
    try:
        async with Deadline(settings.exchange_timeout_s):
            await exchange_over_quic(
                client, request, got, idle_timeout_s=settings.timeout_s, max_body_bytes=settings.max_body_bytes
            )
    except (OSError, TimeoutError, EOFError, ValueError) as caught:
        error = caught
    pending.end(http.detail_of(url, got), error)


def _connection(server_name: str, verify: bool, settings: Settings) -> QuicConnection:
    import certifi
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


class Client:
    """aioquic's connection, which does no input or output of its own, with the socket that carries it."""

    def __init__(self, connection: QuicConnection) -> None:
        self.connection = connection
        self._socket: socket.socket
        self._peer: tuple[str, int]
        self._received = 0
        self._alpn: str | None = None
        self.transport_error: int | None = None

    async def handshake(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        self._socket, self._peer = sock, peer
        self.connection.connect(peer, now=asyncio.get_running_loop().time())
        await self.run_until(self._completes)

    async def run_until(self, done: Callable[[QuicEvent], bool]) -> None:
        """Send and receive until `done` is true for one of the connection's events."""
        loop = asyncio.get_running_loop()
        while not self._any(done):
            await self._send()
            timer = self.connection.get_timer()
            try:
                async with asyncio.timeout_at(timer):
                    data = await loop.sock_recv(self._socket, MAX_DATAGRAM)
            except TimeoutError:
                if timer is None or loop.time() < timer:
                    raise
                # What came while our own loop was stalled is read before the connection is told the time.
                with contextlib.suppress(BlockingIOError):
                    while True:
                        self._read(self._socket.recv(MAX_DATAGRAM), loop.time())
                self.connection.handle_timer(now=loop.time())
            else:
                self._read(data, loop.time())
                await asyncio.sleep(0)  # datagrams that are waiting are read without a turn of the loop

    def _read(self, data: bytes, now: float) -> None:
        self._received += 1
        try:
            self.connection.receive_datagram(data, self._peer, now=now)
        except Exception as error:
            # aioquic lets errors of its parsers through: certificates that no library reads, among others.
            raise Malformed("ssl_failed_handshake", f"an unreadable message: {type(error).__name__}") from error

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        for data, _ in self.connection.datagrams_to_send(now=loop.time()):
            await loop.sock_sendall(self._socket, data)

    async def close(self) -> None:
        self.connection.close()
        with contextlib.suppress(OSError):
            await self._send()

    def _any(self, done: Callable[[QuicEvent], bool]) -> bool:
        while (event := self.connection.next_event()) is not None:
            if done(event):
                return True
        return False

    def _completes(self, event: QuicEvent) -> bool:
        """Whether this completes the handshake; raises where it ends otherwise."""
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


SPEC = StepSpec(
    name="quic",
    order=50,
    detail=Quic,
    begins="address",
    over_udp=True,
    schemes={"quic": 443},
    answer="handshake",
    failures={
        "generic_timeout_error": "quic.timeout",
        "connection_refused": "quic.refused",
        "connection_reset": "quic.reset",
        "ssl_failed_handshake": "quic.reset",
        **dict.fromkeys(CERTIFICATE_FAILURES, "tls.mitm"),
    },
    methods=(
        MethodSpec("quic.timeout", by_name=True, is_silence=True),
        MethodSpec("quic.reset"),
        MethodSpec("quic.refused"),
    ),
    traffic_bytes=lambda _: TRAFFIC_BYTES,
    attempt=attempt,
)
