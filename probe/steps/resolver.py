"""One DNS query over an open stream to a resolver that is itself the target: DNS over TCP, TLS (DoT) or HTTPS (DoH)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from probe.failure import RCODE_FAILURES, Malformed
from probe.model import Answer, Attempt, ExtendedError, Observation
from probe.net.address_policy import family_of, is_public
from probe.net.resolver import DnsResolver
from probe.recorder import Log, StepContext
from probe.session import Settings
from probe.steps import MethodSpec, StepSpec

if TYPE_CHECKING:
    from probe.dns.message import DnsAnswer
    from probe.net.streams import ByteStream

DEFAULT_NAME = "example.com"
"""Asked for where a target names nothing else; it is reserved for documentation (RFC 2606) and has addresses."""
TRANSPORTS: dict[str, Literal["tcp", "tls", "https"]] = {"dns-tcp": "tcp", "dot": "tls", "doh": "https"}
EXCHANGE_BYTES = 500
FAILURES = {
    "generic_timeout_error": "resolver.timeout",
    "connection_refused": "resolver.refused",
    "host_unreachable": "resolver.unreachable",
    "network_unreachable": "resolver.unreachable",
    "connection_reset": "resolver.reset",
    "connection_aborted": "resolver.reset",
    "eof_error": "resolver.eof",
    "dns_nxdomain_error": "resolver.nxdomain",
    "dns_no_answer": "resolver.empty",
    "dns_servfail_error": "resolver.servfail",
    "dns_bogon_error": "resolver.forged",
}
"""A resolver that answers REFUSED, or nonsense, is never called blocked."""


class ResolverAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One query for the IPv4 addresses of `name`. `rcode` is None where no answer came."""

    family: Literal["ipv4", "ipv6"] | None = None
    name: str | None = None
    rcode: int | None = None
    answers: tuple[Answer, ...] = ()
    extended_errors: tuple[ExtendedError, ...] = ()
    sendings: int | None = None
    """How often the datagram was sent; None over a stream."""
    second_rcode: int | None = None
    """The code of a further answer that says something else, as only injection gives."""
    second_answers: tuple[Answer, ...] = ()

    identity: Literal["own", "other", "none"] | None = None
    """Whose identity a known public resolver answers with, without TLS; None where that is not known."""

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(answer.value for answer in self.answers if answer.type in ("A", "AAAA"))


async def ask(log: Log, about: StepContext, stream: ByteStream, wanted: Attempt, settings: Settings) -> Observation:
    """Ask the resolver at the other end of `stream` for the name in `wanted`."""
    from probe.dns import client

    pending = log.begin(SPEC, about)
    detail = begun(about, wanted)
    resolver = DnsResolver(
        text=wanted.scheme,
        transport=TRANSPORTS[wanted.scheme],
        address=about.address,
        port=wanted.port,
        server_name=wanted.host,
    )
    try:
        detail = read(await client.ask_over(stream, detail.name or DEFAULT_NAME, resolver, settings), detail)
        if resolver.transport == "tcp":
            detail = await with_identity(log, resolver, detail, settings)
        check(detail, settings)
    except (OSError, TimeoutError, EOFError, ValueError) as error:
        return pending.end(detail, error, code=detail.rcode)
    return pending.end(detail)


def begun(about: StepContext, wanted: Attempt) -> ResolverAnswer:
    """The record of a query before its answer: the path of an attempt is the name to ask for."""
    family = family_of(about.address) if about.address else None
    return ResolverAnswer(family=family, name=(wanted.request_path or "").lstrip("/") or DEFAULT_NAME)


def read(answer: DnsAnswer, detail: ResolverAnswer) -> ResolverAnswer:
    """The record with an answer in it."""
    return msgspec.structs.replace(
        detail, rcode=answer.rcode, answers=answer.answers, extended_errors=answer.extended_errors
    )


async def with_identity(log: Log, resolver: DnsResolver, detail: ResolverAnswer, settings: Settings) -> ResolverAnswer:
    """The record with what a known public resolver answers to its identity question, over the same transport."""
    from probe.dns.identity import identify

    return msgspec.structs.replace(detail, identity=await identify(log.network, resolver, settings))


def check(detail: ResolverAnswer, settings: Settings) -> None:
    """An answer without an address that may be connected to is a failure with a name."""
    if detail.rcode:
        raise Malformed(RCODE_FAILURES.get(detail.rcode, "dns_server_misbehaving"), f"rcode {detail.rcode}")
    if not detail.addresses:
        raise Malformed("dns_no_answer", "no address in the answer")
    if not settings.allow_private and not any(map(is_public, detail.addresses)):
        raise Malformed("dns_bogon_error", "only addresses that are not public")


SPEC = StepSpec(
    name="resolver",
    order=70,
    detail=ResolverAnswer,
    begins="stream",
    schemes={"dns-tcp": 53, "dot": 853, "doh": 443},
    answer="responded",
    default_name=DEFAULT_NAME,
    failures=FAILURES,
    methods=(
        MethodSpec("resolver.timeout", is_silence=True),
        MethodSpec("resolver.refused"),
        MethodSpec("resolver.unreachable"),
        MethodSpec("resolver.reset"),
        MethodSpec("resolver.eof"),
        MethodSpec("resolver.nxdomain"),
        MethodSpec("resolver.empty"),
        MethodSpec("resolver.servfail"),
        MethodSpec("resolver.forged"),
    ),
    traffic_bytes=lambda detail: EXCHANGE_BYTES,
)
