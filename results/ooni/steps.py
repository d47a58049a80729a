"""One entry of an OONI list as one observation of ours, and what its test helper saw as a control measurement."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

import msgspec

from probe.model import Answer, Dns, Http, Measurement, Observation, Role, Target, Tcp, Tls, Vantage
from probe.net.address_policy import family_of, literal
from probe.steps import specs
from probe.text import printable
from results.judge.failure_point import ending, goal
from results.ooni.format import (
    Connect,
    ControlHttp,
    ControlStatus,
    Handshake,
    NetworkEvent,
    OoniControl,
    OoniEntry,
    OoniExchange,
    OoniQuery,
    Response,
    TestKeys,
    address_of,
    bytes_of,
    endpoint_of,
    failure_of,
    identifier,
    instant,
    text_of,
)

VALID = 0
UNNAMED_FAILURE = "unknown_failure: not told"
REDIRECTS = (301, 302, 303, 307, 308)
GETADDRINFO = ("system", "getaddrinfo", "golang_net_resolver", "go", "unknown", "")
"""Engines that ask what people's programs ask (df-002-dnst)."""
SCHEMES = {"udp": "udp://", "tcp": "tcp://", "dot": "tls://", "doh": ""}
MAX_URL = 4096
MAX_EVENTS = 5000
HELPER = Vantage(name="ooni-test-helper")
Reads = dict[int, list[tuple[float, int]]]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """An observation before its id, role, hop and time are known."""

    step: str
    host: str
    offset_s: float = 0.0
    duration_s: float = 0.0
    address: str | None = None
    port: int | None = None
    failure: str | None = None
    error_code: int | None = None
    detail: Any

    def observed(self, identifier: str, role: Role, hop: int, began: datetime) -> Observation:
        started_at = instant(began, self.offset_s)
        return Observation(id=identifier, role=role, hop=hop, started_at=started_at, **msgspec.structs.asdict(self))


def is_classic(query: OoniQuery) -> bool:
    """Whether a look-up is the machine's own, which alone decides what the network's people see (ts-017)."""
    return (query.engine or "") in GETADDRINFO


def looked_up(query: OoniQuery, host: str) -> Step:
    answers = tuple(found for answer in query.answers or () if (found := _answer(answer)) is not None)
    engine, where = query.engine or "", query.resolver_address or ""
    resolver = "getaddrinfo" if is_classic(query) else f"{SCHEMES.get(engine, f'{engine}://')}{where}"
    detail = Dns(resolver=resolver[:255], query_type=query.query_type[:16], rcode=query.rcode, answers=answers)
    failure = failure_of(query.failure)
    return Step(step="dns", host=host, failure=failure, error_code=query.rcode, detail=detail, **_times(query))


def connected(connect: Connect, host: str) -> Step:
    address = address_of(connect.ip)
    failure = failure_of(connect.status.failure)
    if failure is None and connect.status.success is False:
        failure = UNNAMED_FAILURE
    detail = Tcp(family=family_of(address))
    times = _times(connect)
    return Step(step="tcp", host=host, address=address, port=connect.port, failure=failure, detail=detail, **times)


def shaken(handshake: Handshake, host: str) -> Step:
    address, port = endpoint_of(handshake.address) if handshake.address else (None, None)
    failure = failure_of(handshake.failure)
    chain = tuple(filter(None, map(bytes_of, handshake.peer_certificates or ())))
    name = handshake.server_name or None
    detail = Tls(
        server_name=None if name is None or literal(name) else name[:255],
        version=handshake.tls_version or None,
        cipher=handshake.cipher_suite or None,
        alpn=handshake.negotiated_protocol or None,
        verify_code=VALID if failure is None and not handshake.no_tls_verify else None,
        chain=chain,
        fingerprint=hashlib.sha256(chain[0]).hexdigest() if chain else None,
    )
    times = _times(handshake)
    return Step(step="tls", host=host, address=address, port=port, failure=failure, detail=detail, **times)


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


def likely_step(failure: str, scheme: str) -> str:
    """The step at which an exchange failed, by the failure alone: what http shares is the handshake's over https."""
    known = specs()
    if failure in known["http"].failures:
        return "tls" if scheme == "https" and failure in known["tls"].failures else "http"
    return next((step for step, spec in known.items() if failure in spec.failures), "http")


def fetched(exchange: OoniExchange, goal: Target, address: str | None, reads: Reads | None = None) -> Step:
    """`address` is where it went where the record does not say; `reads` are those of each connection."""
    host, port = goal.host, goal.port
    if exchange.address:
        address, port = endpoint_of(exchange.address)
    failure, times = failure_of(exchange.failure), _times(exchange)
    known = (reads or {}).get(exchange.transaction_id or 0, ()) if exchange.t0 is not None else ()
    detail = _http(exchange, _curve(known, exchange.t0 or 0.0))
    return Step(step="http", host=host, address=address, port=port, failure=failure, detail=detail, **times)


def reads_of(keys: TestKeys) -> Reads:
    """When how many bytes were read, by connection; none where that list cannot be read."""
    found: Reads = {}
    try:
        events = msgspec.json.decode(keys.network_events, type=list[NetworkEvent] | None)
    except msgspec.DecodeError:
        return found
    for event in (events or [])[:MAX_EVENTS]:
        if event.operation == "read" and event.transaction_id and event.num_bytes and event.t is not None:
            found.setdefault(event.transaction_id, []).append((event.t, event.num_bytes))
    return found


def _curve(reads: Sequence[tuple[float, int]], began: float) -> tuple[tuple[float, int], ...]:
    """Seconds since an exchange began, and the bytes read until then."""
    times = [(at - began, count) for at, count in sorted(reads) if at >= began]
    return tuple(zip((round(at, 3) for at, _ in times), accumulate(count for _, count in times), strict=True))


def _http(exchange: OoniExchange, curve: tuple[tuple[float, int], ...]) -> Http:
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
        body_sha256=hashlib.sha256(body).hexdigest() if body is not None else None,
        length=len(body) if body is not None else None,
        truncated=bool(response.body_is_truncated),
        title=title_of(body, kind) if body is not None else None,
        curve=curve,
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


def _times(entry: OoniEntry) -> dict[str, Any]:
    """When it began, in seconds after the measurement did, and how long it took; version 0.4 tells the end alone."""
    ended = max(entry.t or 0.0, 0.0)
    began = max(entry.t0, 0.0) if entry.t0 is not None else ended
    return {"offset_s": round(began, 6), "duration_s": round(max(ended - began, 0.0), 6)}


def location_of(response: Response | None) -> str | None:
    """Where an answer redirects to, as its header has it."""
    if response is None or response.code not in REDIRECTS:
        return None
    return next((value for name, value in headers_of(response) if name.lower() == "location"), None)


def headers_of(response: Response) -> tuple[tuple[str, str], ...]:
    """Every header: from the list, or from the map of older records."""
    pairs: Iterable[tuple[object, object]] = response.headers_list or (response.headers or {}).items()
    return tuple((text_of(name)[:4096], text_of(value)[:4096]) for name, value in pairs)  # type: ignore[arg-type]


def look_up(control: OoniControl | None, host: str) -> Step | None:
    """What the helper's resolver said; None where it was not asked, and for an address."""
    if control is None or control.dns is None or literal(host):
        return None
    addresses = [str(found) for text in control.dns.addrs or () if (found := literal(text)) is not None]
    failure = failure_of(control.dns.failure)
    if not addresses and failure is None:
        return None
    answers = tuple(Answer(type="AAAA" if ":" in a else "A", value=a) for a in addresses)
    return _step("dns", host, failure, Dns(resolver=HELPER.name, query_type="ANY", answers=answers))


def control_measurement(control: OoniControl | None, of: Measurement, began: datetime) -> tuple[Measurement, ...]:
    """The control measurement made for `of`; none where the helper said nothing."""
    if control is None:
        return ()
    found = [(0, step) for step in _control_steps(control, of)]
    found += _control_answer(control, of, [step for _, step in found])
    name = identifier(of.id, "control")
    observations = tuple(
        step.observed(f"{name}.{number}", "main", hop, began) for number, (hop, step) in enumerate(found, 1)
    )
    if not observations:
        return ()
    return (
        Measurement(
            id=name,
            target=of.target,
            vantage=HELPER,
            started_at=instant(began),
            runtime_s=0.0,
            observations=observations,
            control_of=of.id,
        ),
    )


def _control_steps(control: OoniControl, of: Measurement) -> list[Step]:
    target = of.target
    lookup = look_up(control, target.host)
    steps = [lookup] if lookup is not None else []
    for text, outcome in (control.tcp_connect or {}).items():
        address, port = endpoint_of(text)
        if port == target.port:
            detail = Tcp(family=family_of(address))
            steps.append(_step("tcp", target.host, _failure(outcome), detail, address, port))
    refused = {(step.address, step.port) for step in steps if step.step == "tcp" and step.failure is not None}
    name = None if literal(target.host) else target.host
    for text, outcome in (control.tls_handshake or {}).items():
        address, port = endpoint_of(text)
        if port == target.port and target.scheme == "https" and (address, port) not in refused:
            failure = _failure(outcome)
            detail_tls = Tls(server_name=name, verify_code=VALID if failure is None else None)
            steps.append(_step("tls", target.host, failure, detail_tls, address, port))
    return steps


def _failure(outcome: ControlStatus) -> str | None:
    return failure_of(outcome.failure) or (None if outcome.status else UNNAMED_FAILURE)


def _control_answer(control: OoniControl, of: Measurement, before: list[Step]) -> list[tuple[int, Step]]:
    """The helper's answer; its failure only if no earlier step already records it."""
    http = control.http_request
    if http is None:
        return []
    target = of.target
    failure = failure_of(http.failure)
    if failure is None:
        if http.status_code is None or http.status_code <= 0:
            return []
        return _page(http, of, before)
    last = before[-1].step if before else None
    if last is not None and all(step.failure is not None for step in before if step.step == last):
        return []
    failed = _step("http", target.host, failure, Http(url=target.text), port=target.port)
    return [(0, ended_at(failed, likely_step(failure, target.scheme)))]


def _page(http: ControlHttp, of: Measurement, before: list[Step]) -> list[tuple[int, Step]]:
    end = ending(of.target, of.observations)
    there = goal(of.target, of.observations, end.hop)
    urls = (o.detail.url for o in of.observations if o.step == "http" and o.hop == end.hop)
    url = next(urls, None) or of.target.text
    opened = next((s.address for s in reversed(before) if s.step in ("tcp", "tls") and s.failure is None), None)
    address = opened if end.hop == 0 else None
    port = of.target.port if end.hop == 0 else there.port
    headers = tuple((name[:4096], text_of(value)[:4096]) for name, value in (http.headers or {}).items())
    length = http.body_length if http.body_length is not None and http.body_length >= 0 else None
    title = printable(http.title or "") or None
    detail = Http(url=url, status=http.status_code, headers=headers, length=length, title=title)
    return [(end.hop, _step("http", end.host, None, detail, address, port))]


def _step(
    step: str, host: str, failure: str | None, detail: object, address: str | None = None, port: int | None = None
) -> Step:
    return Step(step=step, host=host, address=address, port=port, failure=failure, detail=detail)
