"""One question to one resolver: over UDP, TCP, TLS (RFC 7858), HTTPS (RFC 8484), or by getaddrinfo."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import msgspec

from probe.address import is_public
from probe.failure import RCODE_FAILURES, Malformed
from probe.http_transport import Exchange, Request, exchange
from probe.log import Attempted, Log
from probe.model import Answer, Dns, Observation
from probe.resolver import Resolver
from probe.settings import Settings
from probe.stream import Stream, TlsStream, receive_exactly
from probe.tls_context import client_context

if TYPE_CHECKING:
    from dns.message import Message

NAME = "dns"
DETAIL = Dns
SENDINGS = 3
EDNS_BYTES = 1232
MAX_DATAGRAM = 65_535
MAX_ANSWERS = 64


async def ask(log: Log, about: Attempted, resolver: Resolver, query_type: str, settings: Settings) -> Observation:
    """Ask `resolver` for `about.host`; the failure is None only where an address came that may be connected to."""
    pending = log.begin(NAME, about)
    detail = Dns(resolver=resolver.text, query_type=query_type)
    try:
        async with asyncio.timeout(settings.timeout_s):
            if resolver.transport == "getaddrinfo":
                detail = await _getaddrinfo(log, about.host, detail)
            else:
                detail = _read(await _exchange(log, about.host, resolver, query_type, settings), detail)
        _check(detail, settings)
    except (OSError, TimeoutError, EOFError, ValueError) as error:
        return pending.end(detail, error, code=detail.rcode)
    return pending.end(detail)


async def _getaddrinfo(log: Log, host: str, detail: Dns) -> Dns:
    found = await log.network.getaddrinfo(host)
    return msgspec.structs.replace(
        detail, answers=tuple(Answer(type="AAAA" if ":" in a else "A", value=a) for a in found[:MAX_ANSWERS])
    )


async def _exchange(log: Log, host: str, resolver: Resolver, query_type: str, settings: Settings) -> Message:
    import dns.message

    query = dns.message.make_query(host, query_type, use_edns=0, payload=EDNS_BYTES)
    if resolver.transport == "https":
        query.id = 0  # RFC 8484 section 4.1: so that caches along the way can serve it
    match resolver.transport:
        case "udp":
            answer = await _over_udp(log, query, resolver, settings)
            return answer if not _is_cut(answer) else await _over_stream(log, query, resolver, settings)
        case _:
            return await _over_stream(log, query, resolver, settings)


def _is_cut(answer: Message) -> bool:
    import dns.flags

    return bool(answer.flags & dns.flags.TC)


async def _over_udp(log: Log, query: Message, resolver: Resolver, settings: Settings) -> Message:
    """The first datagram that answers this very question; the query is sent again where nothing comes."""
    assert resolver.address is not None
    loop = asyncio.get_running_loop()
    wire = query.to_wire()
    with contextlib.closing(await log.network.datagrams(resolver.address, resolver.port)) as sock:
        for sending in range(SENDINGS):
            last = sending == SENDINGS - 1
            await loop.sock_sendall(sock, wire)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if last else settings.timeout_s / SENDINGS):
                    return await _matching_datagram(loop, sock, query)
        raise TimeoutError("no answer")


async def _matching_datagram(loop: asyncio.AbstractEventLoop, sock: socket.socket, query: Message) -> Message:
    import dns.exception
    import dns.message

    while True:
        data = await loop.sock_recv(sock, MAX_DATAGRAM)
        with contextlib.suppress(dns.exception.DNSException, ValueError, IndexError):
            answer = dns.message.from_wire(data, ignore_trailing=True, raise_on_truncation=False)
            if query.is_response(answer):
                return answer


async def _over_stream(log: Log, query: Message, resolver: Resolver, settings: Settings) -> Message:
    import dns.exception
    import dns.message

    assert resolver.address is not None
    stream: Stream = await log.network.connect(resolver.address, resolver.port)
    try:
        if resolver.transport in ("tls", "https"):
            alpn = ("dot",) if resolver.transport == "tls" else ("h2", "http/1.1")
            context = client_context(settings.ca_file, verify=True, alpn=alpn)
            secured = TlsStream(stream, context, resolver.server_name or resolver.address)
            await secured.handshake()
            stream = secured
        if resolver.transport == "https":
            data = await _post(stream, query.to_wire(), resolver, settings)
        else:
            data = await _framed(stream, query.to_wire())
    finally:
        stream.close()
    try:
        answer = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError, IndexError) as error:
        raise Malformed("dns_server_misbehaving", f"not a DNS message: {type(error).__name__}") from error
    if not query.is_response(answer):
        raise Malformed("dns_reply_with_wrong_query_id", "the answer is not to this question")
    return answer


async def _framed(stream: Stream, wire: bytes) -> bytes:
    """RFC 1035 section 4.2.2: two octets of length before the message."""
    await stream.send(len(wire).to_bytes(2, "big") + wire)
    return await receive_exactly(stream, int.from_bytes(await receive_exactly(stream, 2), "big"))


async def _post(stream: Stream, wire: bytes, resolver: Resolver, settings: Settings) -> bytes:
    name = resolver.server_name or ""
    host = f"[{name}]" if ":" in name else name
    request = Request(
        scheme="https",
        authority=host if resolver.port == 443 else f"{host}:{resolver.port}",
        path=resolver.request_path,
        method="POST",
        headers=(("Content-Type", "application/dns-message"), ("Accept", "application/dns-message")),
        content=wire,
    )
    got = Exchange()
    http2 = isinstance(stream, TlsStream) and stream.tls.selected_alpn_protocol() == "h2"
    await exchange(stream, request, got, http2=http2, idle_timeout_s=settings.timeout_s, max_body_bytes=MAX_DATAGRAM)
    if got.status != 200:
        raise Malformed("dns_server_misbehaving", f"DoH answered {got.status}")
    return got.body


def _read(message: Message, detail: Dns) -> Dns:
    import dns.flags
    import dns.rdatatype

    answers = tuple(
        Answer(type=dns.rdatatype.to_text(rrset.rdtype), value=_value(rdata), ttl=rrset.ttl)
        for rrset in message.answer
        for rdata in rrset
    )
    return msgspec.structs.replace(
        detail,
        rcode=int(message.rcode()),
        answers=answers[:MAX_ANSWERS],
        authenticated=bool(message.flags & dns.flags.AD),
        truncated=_is_cut(message),
    )


def _value(rdata: object) -> str:
    return str(rdata).rstrip(".").lower()[:512]


def _check(detail: Dns, settings: Settings) -> None:
    """A reply that gives nothing to connect to is a failure with a name."""
    if detail.rcode:
        raise Malformed(RCODE_FAILURES.get(detail.rcode, "dns_server_misbehaving"), f"rcode {detail.rcode}")
    if not detail.addresses:
        raise Malformed("dns_no_answer", "no address in the answer")
    if not settings.allow_private and not any(is_public(address) for address in detail.addresses):
        raise Malformed("dns_bogon_error", "only addresses that are not public")
