"""Asks one resolver one DNS question over UDP, TCP, DoT (RFC 7858) or DoH (RFC 8484)."""

from __future__ import annotations

import asyncio
import secrets
import socket

import msgspec

from probe.dns.message import DnsAnswer, read
from probe.failure import Malformed
from probe.http.exchange import HttpRequest, exchange
from probe.http.wire import HttpResponse
from probe.net.deadline import Deadline
from probe.net.network import Network
from probe.net.resolver import DnsResolver
from probe.net.streams import ByteStream, TlsStream, client_context, receive_exactly
from probe.session import Settings
from probe.target import authority

MAX_SENDINGS = 3
EDNS_BYTES = 1232
MAX_DATAGRAM = 65_535
MAX_LATE_ANSWERS = 16
QUERY_TYPES = {"A": 1, "AAAA": 28, "HTTPS": 65}
HEADER_BYTES = 12
RESPONSE = 0x80
"""QR set, opcode QUERY (RFC 1035 section 4.1.1)."""
UNREPEATED = (1, 2, 4, 5)
"""FORMERR, SERVFAIL, NOTIMP, REFUSED: their answers may omit the question."""


class DnsQuery(msgspec.Struct, frozen=True):
    """A query as sent, built here because dnspython takes ten times as long."""

    wire: bytes
    question: bytes
    """The question section, in lower case."""

    def is_answered_by(self, data: bytes) -> bool:
        """Whether a message answers this question (RFC 5452 section 9.1); a refusal need not repeat it."""
        if len(data) < HEADER_BYTES or data[:2] != self.wire[:2] or data[2] & 0xF8 != RESPONSE:
            return False
        if data[4:6] == b"\x00\x00":
            return data[3] & 0x0F in UNREPEATED
        return data[4:6] == b"\x00\x01" and data[HEADER_BYTES:].lower().startswith(self.question)


def query_for(host: str, query_type: str, identifier: int) -> DnsQuery:
    """A query with recursion desired and EDNS (RFC 1035 section 4.1, RFC 6891 section 6.1.2)."""
    name = b"".join(bytes([len(label)]) + label.encode("ascii") for label in host.split("."))
    question = name + b"\x00" + QUERY_TYPES[query_type].to_bytes(2, "big") + b"\x00\x01"
    head = identifier.to_bytes(2, "big") + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
    opt = b"\x00\x00\x29" + EDNS_BYTES.to_bytes(2, "big") + bytes(6)
    return DnsQuery(head + question + opt, question.lower())


class DnsReply(msgspec.Struct, frozen=True):
    """The first answer; over UDP with the socket, on which a second one may still arrive."""

    answer: DnsAnswer
    query: DnsQuery
    sendings: int | None = None
    socket: socket.socket | None = None


class NoAnswer(TimeoutError):
    """No answer over UDP in time; the socket is still open, for the catcher to close."""

    def __init__(self, query: DnsQuery, sock: socket.socket) -> None:
        super().__init__("no answer")
        self.query, self.socket = query, sock


async def ask(network: Network, host: str, resolver: DnsResolver, query_type: str, settings: Settings) -> DnsReply:
    """Ask, with retries over UDP and again over TCP for a truncated answer; the caller closes the reply's socket.

    Raises TimeoutError after `timeout_s` for each transport (NoAnswer over UDP), OSError, EOFError or Malformed.
    """
    # RFC 8484 section 4.1: 0 over HTTPS, so that caches along the way can serve it.
    query = query_for(host, query_type, 0 if resolver.transport == "https" else secrets.randbits(16))
    return await ask_query(network, query, resolver, settings)


async def ask_query(network: Network, query: DnsQuery, resolver: DnsResolver, settings: Settings) -> DnsReply:
    """Send a query that is already built; otherwise as `ask`."""
    if resolver.transport != "udp":
        return DnsReply(await _over_stream(network, query, resolver, settings), query)
    reply = await _over_udp(network, query, resolver, settings)
    if not reply.answer.truncated:
        return reply
    assert reply.socket is not None
    reply.socket.close()
    return DnsReply(await _over_stream(network, query, resolver, settings), query, reply.sendings)


def waiting(sock: socket.socket, query: DnsQuery) -> list[DnsAnswer]:
    """The further answers to `query` that have already arrived on its socket."""
    found: list[DnsAnswer] = []
    try:
        for _ in range(MAX_LATE_ANSWERS):
            answer = _parse(sock.recv(MAX_DATAGRAM), query)
            if answer is not None:
                found.append(answer)
    except OSError:
        pass  # nothing more has arrived
    return found


async def _over_udp(network: Network, query: DnsQuery, resolver: DnsResolver, settings: Settings) -> DnsReply:
    """The first datagram that answers this question."""
    assert resolver.address is not None
    loop = asyncio.get_running_loop()
    wire = query.wire
    garbled = False
    sock = await network.datagrams(resolver.address, resolver.port)
    try:
        for sending in range(1, MAX_SENDINGS + 1):
            try:
                sock.send(wire)
            except (BlockingIOError, InterruptedError):
                await loop.sock_sendall(sock, wire)
            try:
                async with Deadline(settings.timeout_s / MAX_SENDINGS):
                    while (answer := _parse(data := await loop.sock_recv(sock, MAX_DATAGRAM), query)) is None:
                        garbled = garbled or data[:2] == wire[:2]
                        await asyncio.sleep(0)  # waiting datagrams are read without a turn of the loop
                    return DnsReply(answer, query, sending, sock)
            except TimeoutError:
                continue
        if garbled:
            raise Malformed("dns_server_misbehaving", "an answer with the right id that is not to this question")
        raise NoAnswer(query, sock)
    except NoAnswer:
        raise
    except BaseException:
        sock.close()
        raise


def _parse(data: bytes, query: DnsQuery) -> DnsAnswer | None:
    """The answer to `query`; None for any other datagram, which anyone may have sent."""
    try:
        return read(data, query.question) if query.is_answered_by(data) else None
    except Malformed:
        return None


async def ask_over(stream: ByteStream, host: str, resolver: DnsResolver, settings: Settings) -> DnsAnswer:
    """Ask for IPv4 addresses over an open stream, which stays open; raises as `ask` does."""
    query = query_for(host, "A", 0 if resolver.transport == "https" else secrets.randbits(16))
    async with Deadline(settings.timeout_s):
        data = await _sent(stream, query.wire, resolver, settings)
    return _answer(data, query)


async def _over_stream(network: Network, query: DnsQuery, resolver: DnsResolver, settings: Settings) -> DnsAnswer:
    async with Deadline(settings.timeout_s):
        data = await _asked(network, query.wire, resolver, settings)
    return _answer(data, query)


def _answer(data: bytes, query: DnsQuery) -> DnsAnswer:
    answer = read(data, query.question)
    if not query.is_answered_by(data):
        raise Malformed("dns_reply_with_wrong_query_id", "the answer is not to this question")
    return answer


async def _asked(network: Network, wire: bytes, resolver: DnsResolver, settings: Settings) -> bytes:
    """The bytes that answer `wire` on a connection of its own."""
    assert resolver.address is not None
    stream: ByteStream = await network.connect(resolver.address, resolver.port)
    try:
        if resolver.transport in ("tls", "https"):
            alpn = ("dot",) if resolver.transport == "tls" else ("h2", "http/1.1")
            context = client_context(settings.ca_file, verify=True, alpn=alpn)
            secured = TlsStream(stream, context, resolver.server_name or resolver.address)
            await secured.handshake()
            stream = secured
        return await _sent(stream, wire, resolver, settings)
    finally:
        stream.close()


async def _sent(stream: ByteStream, wire: bytes, resolver: DnsResolver, settings: Settings) -> bytes:
    send = _post if resolver.transport == "https" else _framed
    return await send(stream, wire, resolver, settings)


async def _framed(stream: ByteStream, wire: bytes, _: DnsResolver, __: Settings) -> bytes:
    """RFC 1035 section 4.2.2: two octets of length before the message."""
    await stream.send(len(wire).to_bytes(2, "big") + wire)
    return await receive_exactly(stream, int.from_bytes(await receive_exactly(stream, 2), "big"))


async def _post(stream: ByteStream, wire: bytes, resolver: DnsResolver, settings: Settings) -> bytes:
    request = HttpRequest(
        scheme="https",
        authority=authority("https", resolver.server_name or "", resolver.port),
        path=resolver.request_path,
        method="POST",
        headers=(("Content-Type", "application/dns-message"), ("Accept", "application/dns-message")),
        content=wire,
    )
    got = HttpResponse()
    http2 = isinstance(stream, TlsStream) and stream.tls.selected_alpn_protocol() == "h2"
    await exchange(stream, request, got, http2=http2, idle_timeout_s=settings.timeout_s, max_body_bytes=MAX_DATAGRAM)
    if got.status != 200:
        raise Malformed("dns_server_misbehaving", f"DoH answered {got.status}")
    return got.body
