"""One entry of an OONI list as one observation of ours."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from probe.model import Answer, Dns, Http, Observation, Role, Tcp, Tls
from probe.net.address_policy import family_of, literal
from probe.steps import specs
from results.ooni.format import Connect, Handshake, OoniExchange, OoniQuery
from results.ooni.hops import headers_of, location_of
from results.ooni.vocabulary import address_of, bytes_of, endpoint_of, failure_of, instant

VALID = 0
GETADDRINFO = ("system", "getaddrinfo", "golang_net_resolver", "go", "unknown", "")
"""Engines that ask what people's programs ask (df-002-dnst)."""
SCHEMES = {"udp": "udp://", "tcp": "tcp://", "dot": "tls://", "doh": ""}
MAX_URL = 4096


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """An observation before it is known why it was made, and its place among the others."""

    step: str
    host: str
    offset_s: float
    duration_s: float
    address: str | None = None
    port: int | None = None
    failure: str | None = None
    code: int | None = None
    detail: Any

    def observed(self, identifier: str, role: Role, hop: int, began: datetime) -> Observation:
        return Observation(
            id=identifier,
            step=self.step,
            role=role,
            hop=hop,
            started_at=instant(began, self.offset_s),
            offset_s=self.offset_s,
            duration_s=self.duration_s,
            host=self.host,
            address=self.address,
            port=self.port,
            failure=self.failure,
            error_code=self.code,
            detail=self.detail,
        )


def is_classic(query: OoniQuery) -> bool:
    """Whether a look-up is the machine's own, which alone decides what the network's people see (ts-017)."""
    return (query.engine or "") in GETADDRINFO


def looked_up(query: OoniQuery, host: str) -> Step:
    offset, duration = _times(query)
    answers = tuple(found for answer in query.answers or () if (found := _answer(answer)) is not None)
    where = query.resolver_address or ""
    engine = query.engine or ""
    resolver = "getaddrinfo" if is_classic(query) else f"{SCHEMES.get(engine, f'{engine}://')}{where}"
    return Step(
        step="dns",
        host=host,
        offset_s=offset,
        duration_s=duration,
        failure=failure_of(query.failure),
        code=query.rcode,
        detail=Dns(resolver=resolver[:255], query_type=query.query_type[:16], rcode=query.rcode, answers=answers),
    )


def connected(connect: Connect, host: str) -> Step:
    offset, duration = _times(connect)
    address = address_of(connect.ip)
    failure = failure_of(connect.status.failure)
    if failure is None and connect.status.success is False:
        failure = "unknown_failure: not told"
    return Step(
        step="tcp",
        host=host,
        offset_s=offset,
        duration_s=duration,
        address=address,
        port=connect.port,
        failure=failure,
        detail=Tcp(family=family_of(address)),
    )


def shaken(handshake: Handshake, host: str) -> Step:
    offset, duration = _times(handshake)
    address, port = endpoint_of(handshake.address) if handshake.address else (None, None)
    failure = failure_of(handshake.failure)
    chain = tuple(bytes_of(certificate) for certificate in handshake.peer_certificates or ())
    name = handshake.server_name or None
    verified = failure is None and not handshake.no_tls_verify
    return Step(
        step="tls",
        host=host,
        offset_s=offset,
        duration_s=duration,
        address=address,
        port=port,
        failure=failure,
        detail=Tls(
            server_name=None if name is None or literal(name) else name[:255],
            version=handshake.tls_version or None,
            cipher=handshake.cipher_suite or None,
            alpn=handshake.negotiated_protocol or None,
            verify_code=VALID if verified else None,
            chain=chain,
            fingerprint=hashlib.sha256(chain[0]).hexdigest() if chain else None,
        ),
    )


def implied(step: Step) -> Step:
    """The handshake that an https answer must have had: OONI's client takes none whose certificate is not valid.

    Version 0.4 does not record the handshakes of its HTTP client, so nothing else is known of this one.
    """
    name = None if literal(step.host) else step.host
    return msgspec.structs.replace(step, step="tls", duration_s=0.0, detail=Tls(server_name=name, verify_code=VALID))


def ended_at(step: Step, name: str) -> Step:
    """An exchange that failed before it began, as the step at which it did; nothing but the failure is known of it."""
    server_name = None if literal(step.host) else step.host
    details = {"dns": Dns(resolver="getaddrinfo", query_type="ANY"), "tcp": Tcp(), "tls": Tls(server_name=server_name)}
    return msgspec.structs.replace(step, step=name, detail=details.get(name, step.detail))


def likely_step(failure: str) -> str:
    """The step at which an exchange failed, by the failure alone: the earliest that no other shares, else http."""
    known = specs()
    if failure in known["http"].failures:
        return "http"
    return next((step for step, spec in known.items() if failure in spec.failures), "http")


def fetched(exchange: OoniExchange, host: str, port: int, address: str | None) -> Step:
    """`address` is where it went where the record does not say."""
    offset, duration = _times(exchange)
    if exchange.address:
        address, port = endpoint_of(exchange.address)
    return Step(
        step="http",
        host=host,
        offset_s=offset,
        duration_s=duration,
        address=address,
        port=port,
        failure=failure_of(exchange.failure),
        detail=_http(exchange),
    )


def _http(exchange: OoniExchange) -> Http:
    from probe.steps.http import title_of

    url = (exchange.request.url if exchange.request else "")[:MAX_URL]
    response = exchange.response
    if response is None or response.code is None or response.code <= 0:
        return Http(url=url)
    body = bytes_of(response.body)
    headers = headers_of(response)
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    return Http(
        url=url,
        status=response.code,
        version={"h2": "HTTP/2", "http/1.1": "HTTP/1.1"}.get(exchange.alpn or ""),
        headers=headers,
        location=location_of(response),
        body=body,
        body_sha256=hashlib.sha256(body).hexdigest(),
        length=len(body),
        truncated=bool(response.body_is_truncated),
        title=title_of(body, kind),
    )


def _answer(answer: Any) -> Answer | None:
    """A and AAAA must be addresses; of the other types those with a host name are kept."""
    kind = answer.answer_type.upper()
    ttl = int(answer.ttl) if answer.ttl is not None else None
    if kind == "A" and answer.ipv4:
        return Answer(type="A", value=address_of(answer.ipv4), ttl=ttl)
    if kind == "AAAA" and answer.ipv6:
        return Answer(type="AAAA", value=address_of(answer.ipv6), ttl=ttl)
    if answer.hostname and kind not in ("A", "AAAA"):
        return Answer(type=kind[:16], value=answer.hostname.rstrip(".").lower()[:512], ttl=ttl)
    return None


def _times(entry: OoniQuery | Connect | Handshake | OoniExchange) -> tuple[float, float]:
    """When it began, in seconds after the measurement did, and how long it took; version 0.4 tells the end alone."""
    ended = max(entry.t or 0.0, 0.0)
    began = max(entry.t0, 0.0) if entry.t0 is not None else ended
    return round(began, 6), round(max(ended - began, 0.0), 6)
