"""Where a measurement ended, and by which method of the closed list it failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from probe.model import Http, Observation, Role, Target, Tls
from probe.steps import default_port, schemes, specs
from probe.steps.resolver import ResolverAnswer
from results.fingerprints import host_of, leads_to

FINAL = {scheme: spec.name for scheme, spec in schemes().items()}
"""The step whose success is the answer, for each scheme."""
STEPS = tuple(spec.name for spec in specs().values() if spec.failures)
"""The steps that a verdict can rest on, in the order in which a measurement takes them."""
BEGINS = tuple(spec.name for spec in specs().values() if spec.begins == "address")
"""The steps that a connection begins with."""
ENDPOINT_STEPS = tuple(spec.name for spec in specs().values() if spec.begins != "name")
HANDSHAKES = tuple(spec.name for spec in specs().values() if spec.answer == "handshake")
METHOD_SPECS = {method.name: method for spec in specs().values() for method in spec.methods}
INTERFERED = tuple(method.name for method in METHOD_SPECS.values() if method.by_name)
"""Ways for a name to fail on a connection that stood, none of which is an answer."""
TICKETS = 4096
"""More bytes than a server sends unasked behind a handshake: session tickets and HTTP/2 settings."""
STOPS_WITHIN = 4096
"""Bytes that two answers cut at one mark may differ by."""
OWN_LIMITS = ("tls.alert", "tls.mitm", "http.malformed")
"""Methods that a limit of our own client can look like."""
CLIENT_CERTIFICATE_ALERTS = (40, 41, 42, 43, 44, 46, 48, 49, 116)
"""How servers end a connection on which no client certificate came: from handshake_failure to certificate_required."""
OUT_OF_DATE = (9, 10)
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""
EVENT_STREAMS = ("text/event-stream", "multipart/x-mixed-replace")
"""Content types of answers that have no end, and may be silent for as long as nothing happens."""
TIMEOUT = "generic_timeout_error"
OWN_NETWORK = ("network_unreachable", "network_down")


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Where a course ended. `observation` is the answer, or the failure that decided; None where nothing did."""

    hop: int
    host: str
    scheme: str
    observation: Observation | None = None
    complete: bool = False

    @property
    def step(self) -> str | None:
        return self.observation.step if self.observation else None

    @property
    def method(self) -> str | None:
        """How it failed, in the closed list's words; None for an answer, and for a failure that has no word there."""
        return method_of(self.observation) if self.observation and not self.complete else None


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """What one hop of a course asked for."""

    scheme: str
    host: str
    port: int
    path: str | None


def method_of(observation: Observation) -> str | None:
    """The method of the closed list by which a step failed; None for success and for a failure without a method."""
    if observation.failure is None:
        return None
    method = _method_of(observation.step, observation.failure)
    if method in OWN_LIMITS and _is_no_interference(observation.detail):
        return None
    if method == "http.timeout" and isinstance(observation.detail, Http) and had_begun(observation.detail):
        return "http.stall" if _stood_still(observation, observation.detail) else None
    return method


def _is_no_interference(detail: object) -> bool:
    """Whether a failure says nothing of the network: a limit of our own client, or the service's own doing."""
    if isinstance(detail, Http):  # what valid TLS carried is the service's; without its bytes, nothing is known of it
        return not detail.body or detail.url[:6] == "https:"
    return isinstance(detail, Tls) and (detail.refused is not None or wants_client_certificate(detail))


def is_out_of_date(observation: Observation) -> bool:
    """Whether a certificate failed by its dates alone, which OpenSSL reads last: name and issuer were right."""
    return isinstance(observation.detail, Tls) and observation.detail.verify_code in OUT_OF_DATE


def wants_client_certificate(detail: Tls) -> bool:
    """Whether a handshake ended because the visitor has no certificate to show."""
    return detail.client_certificate is True and detail.alert in CLIENT_CERTIFICATE_ALERTS


def _method_of(step: str, failure: str) -> str | None:
    return specs()[step].failures.get(failure) if step in specs() else None


def had_begun(answer: Http) -> bool:
    """Whether an answer had begun: the bytes of an incomplete TLS record are counted, though not readable."""
    return answer.status is not None or (answer.received or 0) > TICKETS


def _stood_still(observation: Observation, answer: Http) -> bool:
    """Whether the answer stopped and was not merely slow: an exchange may be silent for a third of its longest time."""
    silence = observation.duration_s - answer.curve[-1][0] if answer.curve else observation.duration_s
    return silence * 3 >= observation.duration_s * 0.99


def still_open(observation: Observation) -> bool:
    """Whether an answer was a stream that still flowed when time was up, or one that may pause for ever."""
    answer = observation.detail
    if observation.failure != TIMEOUT or not isinstance(answer, Http) or answer.status is None:
        return False
    kind = answer.header("content-type") or ""
    return not _stood_still(observation, answer) or kind.strip().lower().startswith(EVENT_STREAMS)


def stopped_alike(one: Observation, other: Observation) -> bool:
    """Whether two answers stalled after about as many bytes, as under a censor that counts; packet loss is random."""
    if not (isinstance(one.detail, Http) and isinstance(other.detail, Http)):
        return False
    short, long = sorted((answer.received or answer.length or 0) for answer in (one.detail, other.detail))
    return long - short <= min(max(STOPS_WITHIN, long // 4), 2 * STOPS_WITHIN)


def ending(target: Target, observations: Sequence[Observation], role: Role = "main") -> Ending:
    """Where the ordinary course of a target ended: at an answer, or at the failure that decided it.

    The last hop decides. In it, one address that answers in full is an answer; else the address that got furthest.
    """
    course = [o for o in observations if o.role == role]
    if not course:
        return Ending(hop=0, host=target.host, scheme=target.scheme)
    hop = max(o.hop for o in course)
    here = [o for o in course if o.hop == hop]
    scheme = target.scheme if hop == 0 else goal(target, course, hop).scheme
    host = here[0].host
    final = FINAL[scheme]
    for observation in here:
        if observation.step == final and (observation.failure is None or still_open(observation)):
            return Ending(hop=hop, host=host, scheme=scheme, observation=observation, complete=True)
    return Ending(hop=hop, host=host, scheme=scheme, observation=_deciding(here))


def goal(target: Target, observations: Sequence[Observation], hop: int) -> Goal:
    """What a hop asked for: the target itself, or what its own URL or the redirect before it says."""
    if hop == 0:
        return Goal(scheme=target.scheme, host=target.host, port=target.port, path=target.request_path)
    url = None
    for observation in observations:
        answer = observation.detail
        if observation.role == "main" and isinstance(answer, Http):
            if observation.hop == hop:
                url = answer.url
            elif observation.hop == hop - 1 and answer.location and url is None:
                url = leads_to(answer)
    try:
        parts = urlsplit(url or "")
        scheme = "http" if parts.scheme == "http" else "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        port = parts.port or default_port(scheme) or 0
        return Goal(scheme=scheme, host=parts.hostname or target.host, port=port, path=path)
    except ValueError:
        return Goal(scheme="https", host=target.host, port=443, path="/")


def _deciding(here: Sequence[Observation]) -> Observation | None:
    """The failure that decides a hop: that of the address that got furthest, the first of equals."""
    by_address: dict[tuple[str | None, int | None], Observation] = {}
    for observation in here:
        key = observation.address, observation.port
        if observation.step in ENDPOINT_STEPS and (
            key not in by_address or _reach(observation) > _reach(by_address[key])
        ):
            by_address[key] = observation
    if by_address:
        # An address that got as far without failing, and then stopped, leaves the course unfinished, not failed.
        furthest = max(by_address.values(), key=_reach)
        return furthest if furthest.failure is not None else None
    asked = [o for o in here if o.step == "dns"]
    if any(o.failure is None for o in asked):
        return None
    # A name without an AAAA record is ordinary, so another failure says more than an empty answer.
    return next((o for o in asked if o.failure != "dns_no_answer"), asked[0] if asked else None)


def _reach(last: Observation) -> tuple[int, bool, bool]:
    return STEPS.index(last.step), last.failure is None, last.failure not in OWN_NETWORK


def attempts(observations: Iterable[Observation], role: Role, hop: int) -> list[Observation]:
    """The step at which each follow-up attempt with this role ended, in order."""
    ended: list[Observation] = []
    for observation in observations:
        if observation.role == role and observation.hop == hop and observation.step in ENDPOINT_STEPS:
            if ended and observation.step not in BEGINS:
                ended.pop()
            ended.append(observation)
    return ended


def last_attempt(observations: Iterable[Observation], role: Role, hop: int) -> Observation | None:
    """The step at which the last follow-up attempt with this role ended."""
    return next(reversed(attempts(observations, role, hop)), None)


def is_answered(observations: Sequence[Observation]) -> bool:
    """Whether a peer sent anything behind a connect, or was not asked to: some proxies accept every connect at once."""
    beyond = [o for o in observations if o.step not in BEGINS and o.step in ENDPOINT_STEPS]
    return not beyond or any(o.failure is None or _has_sent(o) for o in beyond)


def _has_sent(failed: Observation) -> bool:
    detail = failed.detail
    if isinstance(detail, Http):
        return had_begun(detail) or bool(detail.body)
    if isinstance(detail, ResolverAnswer):
        return detail.rcode is not None
    return presented(failed) or (isinstance(detail, Tls) and (detail.alert is not None or detail.refused is not None))


def is_verified(handshake: Observation) -> bool:
    """Whether a handshake showed a certificate that is valid for the name."""
    detail: Any = handshake.detail
    verified: bool = detail.verify_code == 0 if isinstance(detail, Tls) else detail.verified is True
    return verified


def secured(observations: Iterable[Observation], answer: Observation) -> bool:
    """Whether an exchange went over TLS that was valid for its name."""
    if hasattr(answer.detail, "verified"):
        return answer.failure is None and answer.detail.verified is True
    return any(
        o.step == "tls"
        and o.failure is None
        and o.detail.verify_code == 0
        and o.role == answer.role
        and o.hop == answer.hop
        and o.address == answer.address
        and o.host == answer.host
        for o in observations
    )


def vouched(observations: Sequence[Observation], end: Ending) -> bool:
    """Whether TLS vouches for the whole chain: the last hop valid, and no plain hop before it leading off its site."""
    if end.observation is None or not secured(observations, end.observation):
        return False
    if end.hop == 0:
        return True
    hosts = {o.hop: o.host for o in observations if o.role == "main"}
    return all(same_site(hosts[hop], hosts.get(hop + 1, end.host)) for hop in plain_hops(observations))


def plain_hops(observations: Iterable[Observation]) -> Iterator[int]:
    """The hops that were asked for over plain HTTP, which anything on the path can answer."""
    seen = -1
    for o in observations:
        if o.role == "main" and o.hop > seen and isinstance(o.detail, Http) and o.detail.url[:5] == "http:":
            seen = o.hop
            yield o.hop


def off_site_hop(observations: Sequence[Observation]) -> int | None:
    """The first hop over plain HTTP that is answered with a redirect to another site, followed or not."""
    hosts = {o.hop: o.host for o in observations if o.role == "main"}
    for hop in plain_hops(observations):
        answers = (o.detail for o in observations if o.hop == hop and o.role == "main" and isinstance(o.detail, Http))
        led = (host_of(leads_to(answer)) for answer in answers)
        target = hosts.get(hop + 1) or next(filter(None, led), None)
        if target is not None and not same_site(hosts[hop], target):
            return hop
    return None


def same_site(one: str, other: str) -> bool:
    """Whether a host is the other, or below it."""
    return one == other or one.endswith("." + other) or other.endswith("." + one)


def presented(observation: Observation | None) -> bool:
    """Whether a server answered: to a request, or to a handshake, its certificate valid for that name or not."""
    if observation is None or observation.step not in (*HANDSHAKES, "http"):
        return False
    if observation.step == "http":
        return observation.detail.status is not None
    return observation.failure is None or bool(observation.detail.chain)
