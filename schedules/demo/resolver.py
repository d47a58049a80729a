"""A small DNS server over UDP, TCP, DoT and DoH whose every name has a behaviour: honest, lying, or silent.

A behaviour takes a query and says which packets to send back, in order: none is silence, two is an injection.
Over TCP and TLS only the last is sent, since an injector cannot speak inside a stream.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from schedules.demo.listener import Address, Listeners, ServerStream, tcp_socket, udp_socket

Packets = list[dns.message.Message]
Behaviour = Callable[[dns.message.Message, str], Packets]
"""(query, how it came: "udp", "tcp", "tls" or "https") -> the packets to answer with."""
Zone = Mapping[str, Behaviour]

TTL = 60
MAX_DOH_BODY = 4096
MAX_QUERIES = 1000


def addresses(*literals: str, ttl: int = TTL) -> Behaviour:
    """Answer A and AAAA with these addresses; an address family that is not among them gets an empty answer."""

    def answer(query: dns.message.Message, _: str) -> Packets:
        response = reply_to(query)
        question = query.question[0]
        wanted = {dns.rdatatype.A: ".", dns.rdatatype.AAAA: ":"}.get(question.rdtype)
        if wanted and (found := [literal for literal in literals if wanted in literal]):
            response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", question.rdtype, *found))
        return [response]

    return answer


def code(rcode: dns.rcode.Rcode) -> Behaviour:
    """Answer with an rcode and nothing else."""

    def answer(query: dns.message.Message, _: str) -> Packets:
        response = reply_to(query)
        response.set_rcode(rcode)
        return [response]

    return answer


nxdomain = code(dns.rcode.NXDOMAIN)


def reply_to(query: dns.message.Message) -> dns.message.Message:
    """An empty answer to a query."""
    return dns.message.make_response(query, recursion_available=True)


class DemoResolver:
    """Answers from `zone`, which may be changed while it runs; a name that is not in it gets `unknown`."""

    def __init__(self, zone: Zone, unknown: Behaviour = nxdomain) -> None:
        self.zone = zone
        self.unknown = unknown
        self.seen: list[str] = []

    def packets(self, wire: bytes, transport: str) -> list[bytes]:
        """What to send back for these bytes, which may be anything at all."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return []
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return []
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        if len(self.seen) < 10_000:
            self.seen.append(name)
        behaviour = self.zone.get(name, self.unknown)
        return [packet.to_wire(max_size=65535) for packet in behaviour(query, transport)]

    def addresses_of(self, name: str) -> list[str]:
        """The addresses this resolver gives for `name`, IPv4 first."""
        found: list[str] = []
        for rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            query = dns.message.make_query(name, rdtype)
            for packet in self.zone.get(name, self.unknown)(query, "tcp")[-1:]:
                found += [rdata.to_text() for rrset in packet.answer if rrset.rdtype == rdtype for rdata in rrset]
        return found

    def listen(self, listeners: Listeners, host: str, port: int = 0) -> Address:
        """Plain DNS on one port, over UDP and TCP."""
        for attempt in range(20):
            tcp = tcp_socket(host, port)
            try:
                udp = udp_socket(host, tcp.getsockname()[1])
            except OSError:  # the port is taken for UDP: the kernel chose it for TCP alone
                tcp.close()
                if attempt == 19:
                    raise
                continue
            break
        listeners.hold(udp)
        listeners.run(self._udp(udp))
        return listeners.serve_stream(tcp, lambda stream: self._framed(stream, "tcp"))

    def listen_dot(self, listeners: Listeners, host: str, context: ssl.SSLContext, port: int = 0) -> Address:
        """DNS over TLS (RFC 7858)."""
        return listeners.serve_stream(tcp_socket(host, port), lambda stream: self._framed(stream, "tls"), context)

    def listen_doh(self, listeners: Listeners, host: str, context: ssl.SSLContext, port: int = 0) -> Address:
        """DNS over HTTPS (RFC 8484), POST only, over HTTP/1.1 at any path."""
        return listeners.serve_stream(tcp_socket(host, port), self._doh, context)

    async def _udp(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(sock, self._answer_datagram, sock)
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(sock)

    def _answer_datagram(self, sock: socket.socket) -> None:
        try:
            wire, client = sock.recvfrom(65535)
            for packet in self.packets(wire, "udp"):
                sock.sendto(packet, client)
        except OSError:
            return  # a client that has closed its port, or more than the socket takes: UDP may lose anything

    async def _framed(self, stream: ServerStream, transport: str) -> None:
        """Queries behind two bytes of length (RFC 1035, 4.2.2), until the client leaves."""
        for _ in range(MAX_QUERIES):
            size = int.from_bytes(await stream.reader.readexactly(2), "big")
            packets = self.packets(await stream.reader.readexactly(size), transport)
            for packet in packets[-1:]:
                await stream.send(len(packet).to_bytes(2, "big") + packet)

    async def _doh(self, stream: ServerStream) -> None:
        for _ in range(MAX_QUERIES):
            head = (await stream.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.lower().split(":", 1) for line in head.split("\r\n")[1:] if ":" in line)
            size = fields.get("content-length", "").strip()
            if not head.startswith("POST ") or not size.isdecimal() or int(size) > MAX_DOH_BODY:
                await stream.send(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            packets = self.packets(await stream.reader.readexactly(int(size)), "https")
            if not packets:
                await stream.gone()
                return
            header = f"HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\nContent-Length: {len(packets[-1])}"
            await stream.send(header.encode() + b"\r\n\r\n" + packets[-1])
