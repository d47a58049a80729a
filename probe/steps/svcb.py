"""One question for a name's HTTPS record (RFC 9460): whether it offers HTTP/3, and an encrypted ClientHello.

Asked only where `https_records` says so: it adds a question to every https target, resolvers and middleboxes that do
not know the type may stay silent on it, and what it tells is a fact about the service and no part of any verdict.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from probe.failure import RCODE_FAILURES, Malformed
from probe.model import Observation, Svcb
from probe.net.address_policy import literal
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import StepSpec
from probe.steps.dns import QUESTION_BYTES

if TYPE_CHECKING:
    from probe.dns.message import DnsAnswer
    from probe.net.resolver import DnsResolver

ALPN_PARAMETER, ECH_PARAMETER = 1, 5
ECH_VERSION = 0xFE0D
MAX_PROTOCOLS = 16

SPEC = StepSpec(
    name="svcb",
    order=15,
    detail=Svcb,
    begins="name",
    traffic_bytes=lambda _: 2 * QUESTION_BYTES,
)


async def ask_each(log: Log, host: str, hop: int, port: int, settings: Settings) -> None:
    """Ask the first nameserver of each of this network's resolvers that can be asked."""
    from probe.net import resolver as resolvers

    candidates = [resolvers.parse(text)[0] for text in settings.resolvers]
    usable = [one for one in candidates if one.transport != "getaddrinfo"]
    if literal(host) is None and "." in host:
        await asyncio.gather(*(ask(log, host, hop, port, one, settings) for one in usable))


async def ask(log: Log, host: str, hop: int, port: int, resolver: DnsResolver, settings: Settings) -> Observation:
    """Ask `resolver` for the HTTPS record of `host`; the failure is None also where there is no such record."""
    from probe.dns import client

    pending = log.begin(SPEC, StepContext(role="main", hop=hop, host=host))
    detail = Svcb(resolver=resolver.text)
    # RFC 9460 section 9.1: a port of its own is part of the name.
    name = host if port == 443 else f"_{port}._https.{host}"
    try:
        reply = await client.ask(log.network, name, resolver, "HTTPS", settings)
        if reply.socket is not None:
            reply.socket.close()
        detail = _read(reply.answer, detail)
        if detail.rcode:
            raise Malformed(RCODE_FAILURES.get(detail.rcode, "dns_server_misbehaving"), f"rcode {detail.rcode}")
    except (OSError, TimeoutError, EOFError, ValueError) as error:
        if isinstance(error, client.NoAnswer):
            error.socket.close()
        return pending.end(detail, error, code=detail.rcode)
    return pending.end(detail)


def _read(answer: DnsAnswer, detail: Svcb) -> Svcb:
    import dns.rdataclass
    import dns.rdatatype

    detail = msgspec.structs.replace(detail, rcode=answer.rcode)
    found = [
        (rdata, rrset.ttl)
        for rrset in (answer.message.answer if answer.message is not None else ())
        if rrset.rdtype == dns.rdatatype.HTTPS and rrset.rdclass == dns.rdataclass.IN
        for rdata in rrset
        if rdata.priority
    ]
    if not found:
        return detail
    record, ttl = min(found, key=lambda pair: int(pair[0].priority))
    return msgspec.structs.replace(
        detail, alpn=_protocols(record.params), ech_public_name=_public_name(record.params), ttl=ttl
    )


def _protocols(parameters: Any) -> tuple[str, ...]:
    offered = getattr(parameters.get(ALPN_PARAMETER), "ids", ())
    return tuple(one[:32].decode("ascii", "replace") for one in offered[:MAX_PROTOCOLS])


def _public_name(parameters: Any) -> str | None:
    configuration = getattr(parameters.get(ECH_PARAMETER), "ech", None)
    return public_name(bytes(configuration)) if configuration else None


def public_name(configurations: bytes) -> str | None:
    """The public name of the first configuration that is understood in an ECHConfigList (RFC 9849 section 4)."""
    left = configurations[2:]
    while len(left) >= 4:
        version, length = int.from_bytes(left[:2], "big"), int.from_bytes(left[2:4], "big")
        contents, left = left[4 : 4 + length], left[4 + length :]
        if version != ECH_VERSION:
            continue
        at = 3  # config_id, kem_id
        for _ in ("public_key", "cipher_suites"):
            at += 2 + int.from_bytes(contents[at : at + 2], "big")
        at += 1  # maximum_name_length
        size = contents[at] if at < len(contents) else 0
        name = contents[at + 1 : at + 1 + size]
        return name.decode("ascii", "replace") if size and len(name) == size else None
    return None
