"""Which further steps would tell a block from an accident. Pure, and in passes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from probe.failure import CERTIFICATE_FAILURES
from probe.model import Attempt, FollowUp, Http, Lookup, Measurement, Observation, Role, Svcb, Tls
from probe.net.address_policy import literal
from probe.steps import schemes
from probe.steps.resolver import ResolverAnswer
from results.fingerprints import SEARCHED_BYTES, host_of, is_block_host, leads_to
from results.fingerprints.hints import hint_in
from results.judge.failure_point import (
    BEGINS,
    HANDSHAKES,
    INTERFERED,
    Ending,
    attempts,
    ending,
    goal,
    last_attempt,
    method_of,
    off_site_hop,
    plain_hops,
    presented,
    vouched,
    wants_client_certificate,
)
from results.judge.input import DnsAnswers, answers_for, innocent_lookups
from results.judge.other_pages import h3_port, is_block, is_odd, made_up, other_path
from results.judge.packet_size import NAMED, SMALL_SEGMENT, may_be_size, passes_small, small_attempt
from results.judge.verdict import Verdict

ABOUT_ANSWERS: tuple[Role, ...] = ("innocent", "other_page", "again")
"""What is asked after an answer that anything on the path may have written."""
PLAIN, SECURE = 80, 443
CLEARED = ("answer.over_valid_tls", "answer.valid_handshake")
"""Rules after which a control could add nothing."""


class FollowUpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the A/B steps need. `ab_endpoint` is an address and port that answer handshakes for any name.

    Where that port is 443, port 80 beside it is taken to answer plain requests for any name.
    """

    innocent_name: str | None = None
    ab_endpoint: tuple[str, int] | None = None
    listed_name: str | None = None
    """A name that passes on this network, which permits only what is listed as far as its reference sites show."""
    trusted: bool = True
    """Whether any trusted resolver is configured."""
    system: bool = False
    """Whether this network's users ask the system's resolver, so that what getaddrinfo says is of interest."""
    quic: bool = False
    """Whether QUIC is tried as well where a service that answered offers it."""
    connects: int = 2
    """How often a silent connect is tried: more often where a network loses connections by chance."""
    pause_s: float = 0.0
    """Seconds to wait before a connect that failed where others to the address had passed: `pause_for`."""
    waits: tuple[float, ...] = ()
    """Seconds after the target's name at which an innocent one that failed behind it is tried again: `waits_for`."""


def waits_for(timeout_s: float) -> tuple[float, ...]:
    """When to see whether a censor's residual blocking has passed: three tries within five steps' time."""
    return timeout_s / 2, 2 * timeout_s, 5 * timeout_s


def pause_for(timeout_s: float) -> float:
    """Longer than the minute for which servers count connections, at the usual timeout of ten seconds."""
    return 6.2 * timeout_s


def follow_up(settings: FollowUpSettings) -> FollowUp:
    """The function that `measure` calls after each pass; it wants nothing that the measurement already has."""
    return partial(_wanted, settings)


def wants_control(measurement: Measurement, verdict: Verdict) -> bool:
    """Whether a control measurement could change or support the verdict."""
    return verdict.outcome != "offline" and not any(rule in CLEARED for rule in verdict.rules)


def _wanted(settings: FollowUpSettings, measurement: Measurement) -> Sequence[Lookup | Attempt]:
    observations = measurement.observations
    end = ending(measurement.target, observations)
    if end.complete and vouched(observations, end):
        return _offered(measurement, end) if settings.quic else ()
    wanted: list[Lookup | Attempt] = []
    for hop in sorted({*list(plain_hops(observations))[:1], end.hop}):
        wanted += _about_names(settings, measurement, hop)
    if end.observation is not None and not end.complete:
        wanted += _about_failure(settings, measurement, end, end.observation)
    elif end.observation is not None:
        wanted += _about_answer(settings, measurement, end, end.observation)
    wanted += _about_redirect(settings, measurement, end)
    return wanted


def may_follow(answer: Http) -> bool:
    """Whether a redirect may be followed: a known block host is not visited."""
    return not is_block_host(host_of(leads_to(answer)))


def _about_names(settings: FollowUpSettings, measurement: Measurement, hop: int) -> list[Lookup | Attempt]:
    """Lookups at trusted resolvers, where nothing has proved the addresses yet."""
    answers = answers_for(measurement.observations, hop)
    if answers is None or literal(answers.host):
        return []
    wanted: list[Lookup | Attempt] = []
    failed = not answers.main
    if settings.system and not answers.asked("system") and (failed or answers.contradicted or _unreached(measurement)):
        wanted.append(Lookup(role="system", hop=hop, host=answers.host))
    if not answers.asked("trusted"):
        tried = answers.asked("again") or last_attempt(measurement.observations, "again", hop) is not None
        roles: list[Role] = ["trusted"] if settings.trusted else []
        roles += ["again"] if failed else []
        return wanted + ([] if tried else [Lookup(role=role, hop=hop, host=answers.host) for role in roles])
    if answers.trusted and (failed or answers.contradicted):
        if not answers.asked("again"):
            wanted.append(Lookup(role="again", hop=hop, host=answers.host))
        if failed and settings.innocent_name is not None and not innocent_lookups(measurement.observations, hop):
            wanted.append(Lookup(role="innocent", hop=hop, host=settings.innocent_name))
        if last_attempt(measurement.observations, "trusted", hop) is None:
            wanted.append(_at_trusted(measurement, hop, answers))
    return wanted


def _at_trusted(measurement: Measurement, hop: int, answers: DnsAnswers) -> Attempt:
    asked = goal(measurement.target, measurement.observations, hop)
    return Attempt(
        role="trusted",
        hop=hop,
        scheme=asked.scheme,
        host=answers.host,
        server_name=answers.host,
        # IPv4 first: at many homes IPv6 does not work, which would tell nothing of the name.
        address=min(answers.trusted, key=lambda address: ":" in address),
        port=asked.port,
        request_path=asked.path,
    )


def _offered(measurement: Measurement, end: Ending) -> list[Lookup | Attempt]:
    """A QUIC handshake where the answer's Alt-Svc (RFC 7838), or the name's HTTPS record, offers HTTP/3."""
    answer, observations = end.observation, measurement.observations
    if answer is None or not isinstance(answer.detail, Http) or answer.address is None:
        return []
    port = h3_port(answer.detail)
    if port is None and any(
        isinstance(o.detail, Svcb) and o.host == end.host and "h3" in o.detail.alpn for o in observations
    ):
        port = answer.port
    if port is None or attempts(observations, "offered", end.hop):
        return []
    attempt = Attempt(
        role="offered",
        hop=end.hop,
        scheme="quic",
        host=end.host,
        server_name=end.host,
        address=answer.address,
        port=port,
        request_path=goal(measurement.target, observations, end.hop).path,
    )
    return [attempt]


def _unreached(measurement: Measurement) -> bool:
    """Whether no address of the name could be connected to, or none proved itself: another might have."""
    end = ending(measurement.target, measurement.observations)
    failed = end.observation
    return failed is not None and (failed.step in BEGINS or failed.failure in CERTIFICATE_FAILURES)


def _about_answer(
    settings: FollowUpSettings, measurement: Measurement, end: Ending, answer: Observation
) -> list[Lookup | Attempt]:
    """What another page of the name is, and what an innocuous name gets there; an odd answer is asked for again.

    A filter gives one page for any path, and gives it for the name; a service may quote a known block page.
    """
    if isinstance(answer.detail, ResolverAnswer) and _is_doubtful(answer.detail):
        return _about_resolver(settings, measurement, end, answer)
    if not isinstance(answer.detail, Http) or _asked_about(measurement, end.hop):
        return []
    block, odd = is_block(answer), is_odd(answer.detail)
    roles: list[Role] = []
    if block or (end.scheme == "http" and (answer.detail.length or 0) <= SEARCHED_BYTES):
        roles = ["innocent", "other_page"] if settings.innocent_name is not None else ["other_page"]
    if block or odd or (roles and hint_in(answer.detail) is not None):
        roles.append("again")
    return [_attempt(measurement, end, answer, role, settings) for role in roles]


def _is_doubtful(answer: ResolverAnswer) -> bool:
    """Whether somebody else than the resolver may have answered."""
    return answer.second_rcode is not None or answer.identity in ("other", "none")


def _about_redirect(settings: FollowUpSettings, measurement: Measurement, end: Ending) -> list[Lookup | Attempt]:
    """The same of a redirect in the open that leads off the site, where the chain went on behind it."""
    hop = off_site_hop(measurement.observations)
    if hop is None or hop == end.hop or _asked_about(measurement, hop):
        return []
    here = (o for o in measurement.observations if o.role == "main" and o.hop == hop and o.failure is None)
    answer = next((o for o in here if isinstance(o.detail, Http)), None)
    if answer is None:
        return []
    at = Ending(hop=hop, host=answer.host, scheme="http", observation=answer, complete=True)
    roles: tuple[Role, ...] = ABOUT_ANSWERS if settings.innocent_name is not None else ABOUT_ANSWERS[1:]
    return [_attempt(measurement, at, answer, role, settings) for role in roles]


def _asked_about(measurement: Measurement, hop: int) -> bool:
    return any(attempts(measurement.observations, role, hop) for role in ABOUT_ANSWERS)


def _about_failure(
    settings: FollowUpSettings, measurement: Measurement, end: Ending, failed: Observation
) -> list[Lookup | Attempt]:
    """The failure once more; where a name was in what failed, the A/B steps around it."""
    if failed.step == "dns" or failed.failure is None:
        return []
    if isinstance(failed.detail, ResolverAnswer):
        return _about_resolver(settings, measurement, end, failed)
    if isinstance(failed.detail, Tls) and (failed.detail.refused or wants_client_certificate(failed.detail)):
        return []  # our own doing says nothing of the name
    again = attempts(measurement.observations, "again", end.hop)
    innocent = attempts(measurement.observations, "innocent", end.hop)
    named = settings.innocent_name is not None and _names(end, failed)
    if failed.step == "tcp" and again and again[-1].failure is not None:
        return _about_connect(settings, measurement, end, failed)
    if again and again[-1].failure is not None and may_be_size(failed):
        small = small_attempt(measurement.observations, end.hop)
        if small is None:
            attempt = _attempt(measurement, end, failed, "small_segments", settings)
            return [msgspec.structs.replace(attempt, max_segment=SMALL_SEGMENT)]
        if passes_small(failed, small):
            return []
    if not again:
        roles: list[Role] = ["innocent", *_other_path(measurement, end), "again"] if named else ["again"]
    elif not (named and innocent) or again[-1].failure is None:
        roles = []
    elif settings.listed_name is not None and failed.step == "tls":
        roles = _about_list(settings, measurement, end, failed)
    elif not presented(innocent[-1]):
        later = _after_a_wait(settings, measurement, end, failed, innocent)
        alike = method_of(innocent[-1]) == method_of(failed)
        return later or (_other_network(settings, measurement, end, failed) if alike else [])
    elif len(innocent) > 1 and len(again) == 1:
        roles = ["again"]  # it must fail also at a time when the innocent name passes
    else:
        roles = _elsewhere(settings, measurement, end, failed, again[-1])
    return [_attempt(measurement, end, failed, role, settings) for role in roles]


def _about_resolver(
    settings: FollowUpSettings, measurement: Measurement, end: Ending, asked: Observation
) -> list[Lookup | Attempt]:
    """The query to a resolver once more, and the innocuous name asked of the same resolver."""
    if attempts(measurement.observations, "again", end.hop):
        return []
    again = _attempt(measurement, end, asked, "again", settings)
    if settings.innocent_name in (None, asked.detail.name):
        return [again]
    other = f"/{settings.innocent_name}"
    return [msgspec.structs.replace(again, role="innocent", request_path=other), again]


def _other_path(measurement: Measurement, end: Ending) -> list[Role]:
    """Another page of the name, where the path may be what a request in the open is cut off for."""
    path = goal(measurement.target, measurement.observations, end.hop).path
    return ["other_page"] if end.scheme == "http" and path not in (None, "/") else []


def _about_connect(
    settings: FollowUpSettings, measurement: Measurement, end: Ending, failed: Observation
) -> list[Lookup | Attempt]:
    """A connect that failed twice: once more after a pause, where the server may limit connections; the same port of
    the A/B endpoint, where the network may close the port.
    """
    observations = measurement.observations
    again = _attempt(measurement, end, failed, "again", settings)
    tried = attempts(observations, "again", end.hop)
    if method_of(failed) == "tcp.timeout" and len(tried) + 1 < settings.connects:
        return [again]
    before = any(o.step == "tcp" and o.failure is None and o.address == failed.address for o in observations)
    if before and settings.pause_s and len(tried) == 1:
        return [msgspec.structs.replace(again, after_s=settings.pause_s)]
    if failed.port in (PLAIN, SECURE) or settings.ab_endpoint is None or settings.ab_endpoint[0] == failed.address:
        return []
    if attempts(observations, "elsewhere", end.hop):
        return []
    address = settings.ab_endpoint[0]
    return [msgspec.structs.replace(again, role="elsewhere", scheme="tcp", address=address, request_path=None)]


def _names(end: Ending, failed: Observation) -> bool:
    """Whether the name in what failed may be why: the SNI of a handshake, the Host of a request in the open.

    A stream that stalled had begun to be answered, and an innocent name's short answer would tell nothing of it.
    """
    if failed.step in HANDSHAKES:
        return failed.failure not in CERTIFICATE_FAILURES
    return failed.step == "http" and end.scheme == "http" and method_of(failed) in INTERFERED


def _about_list(settings: FollowUpSettings, measurement: Measurement, end: Ending, failed: Observation) -> list[Role]:
    """A listed name and a made-up one at this address, and where these differ the target's own once more after them."""
    roles: tuple[Role, ...] = ("listed", "made_up", "again")
    listed, strange, again = (attempts(measurement.observations, role, end.hop) for role in roles)
    if not listed:
        return ["listed"] if strange else ["listed", "made_up"]
    if not presented(listed[-1]):
        return []
    if strange and presented(strange[-1]):
        return _elsewhere(settings, measurement, end, failed, again[-1])
    return ["again"] if len(again) == 1 else []


def _after_a_wait(
    settings: FollowUpSettings, measurement: Measurement, end: Ending, failed: Observation, innocent: list[Observation]
) -> list[Lookup | Attempt]:
    """The innocent name again, until it passes: then it was residual blocking, and how long that lasts is measured."""
    tries = len(innocent) - 1
    cut = method_of(failed) in INTERFERED and method_of(innocent[-1]) in (*INTERFERED, "tcp.timeout", "tcp.refused")
    if not cut or tries >= len(settings.waits):
        return []
    observations = measurement.observations
    ended = [o.offset_s + o.duration_s for role in NAMED for o in attempts(observations, role, end.hop)]
    passed = max(o.offset_s + o.duration_s for o in observations) - max(ended)
    attempt = _attempt(measurement, end, failed, "innocent", settings)
    return [msgspec.structs.replace(attempt, after_s=max(0.0, settings.waits[tries] - passed))]


def _elsewhere(
    settings: FollowUpSettings, measurement: Measurement, end: Ending, failed: Observation, again: Observation
) -> list[Role]:
    """Both names at the A/B endpoint, where a handshake or a plain request fails by name here; a made-up name here
    where there is no such endpoint.
    """
    observations = measurement.observations
    if not (again.step in ("tcp", *HANDSHAKES) or again.step == failed.step):
        return []
    away = _ab_endpoint(settings, end, failed) is not None
    if away and not attempts(observations, "elsewhere", end.hop):
        return ["elsewhere_innocent", "elsewhere"]
    if away and presented(last_attempt(observations, "elsewhere_innocent", end.hop)):
        return []
    return [] if attempts(observations, "made_up", end.hop) else ["made_up"]


def _other_network(
    settings: FollowUpSettings, measurement: Measurement, end: Ending, failed: Observation
) -> list[Lookup | Attempt]:
    """Where any name fails: the same with the A/B endpoint, to see whether this network lets anything through."""
    asked = attempts(measurement.observations, "elsewhere_innocent", end.hop)
    if asked or _ab_endpoint(settings, end, failed) is None:
        return []
    return [_attempt(measurement, end, failed, "elsewhere_innocent", settings)]


def _ab_endpoint(settings: FollowUpSettings, end: Ending, failed: Observation) -> tuple[str, int] | None:
    """The A/B endpoint for what failed; None where there is none, or only the target's own address."""
    if settings.ab_endpoint is None or settings.ab_endpoint[0] == failed.address:
        return None
    address, port = settings.ab_endpoint
    if end.scheme != "http":
        return address, port
    return (address, PLAIN) if port == SECURE else None


def _attempt(
    measurement: Measurement, end: Ending, failed: Observation, role: Role, settings: FollowUpSettings
) -> Attempt:
    asked = goal(measurement.target, measurement.observations, end.hop)
    host = settings.listed_name or end.host if role == "listed" else end.host
    away = _ab_endpoint(settings, end, failed) if role.startswith("elsewhere") else None
    path = other_path(asked.path, measurement.id, failed) if role == "other_page" else asked.path
    names = {"made_up": f"{made_up(measurement.id)}.example.net"}
    step = schemes()[asked.scheme]
    fetches = role in ("again", "other_page", "small_segments") or asked.scheme == "http"
    return Attempt(
        role=role,
        hop=end.hop,
        scheme=asked.scheme if fetches or (step.answer == "responded" and not away) or step.attempt else "tls",
        host=host,
        server_name=settings.innocent_name if role.endswith("innocent") else names.get(role, host),
        address=away[0] if away else failed.address,
        port=away[1] if away else failed.port or asked.port,
        request_path=path if fetches else None,
    )
