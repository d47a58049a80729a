"""Signals from a target that is a DNS resolver: its answers, and what the innocuous name gets."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Answer, Measurement, Observation
from probe.net.address_policy import is_public
from probe.steps.resolver import ResolverAnswer
from results.i18n.translator import Phrase, Value
from results.judge.failure_point import last_attempt, secured
from results.judge.input import Case, share_network
from results.judge.verdict import Evidence
from results.judge.wording import evidence, failed_step, listed, place

REFUSED = "dns_refused_error"
NOT_ITS_OWN = ("other", "none")
NOT_ALLOWED = "dns_bogon_error"
"""Without an answer, the failure of a query that the address policy refuses to send."""
SAYS_NO = ("dns_nxdomain_error", "dns_no_answer", "dns_servfail_error", "dns_bogon_error")
"""Answers that give no usable address."""


def signals(case: Case) -> Iterator[Evidence]:
    asked = case.end.observation
    if asked is None or not isinstance(asked.detail, ResolverAnswer):
        return
    where: dict[str, Value] = {"place": place(asked), "name": asked.detail.name or ""}
    observations = case.measurement.observations
    if case.end.method is not None:
        yield evidence("fails.resolver", failure=failed_step(asked, case.end.method))
    if case.end.complete:
        yield evidence("resolver.answers", **where, addresses=listed(asked.detail.addresses))
    elif asked.detail.rcode is None and asked.failure != NOT_ALLOWED:
        yield evidence("resolver.silent", **where)
    elif asked.failure == REFUSED:
        yield evidence("resolver.refuses", **where)
    elif asked.failure in SAYS_NO:
        yield evidence("resolver.no_address", **where, answer=_worded(asked.detail.rcode, asked.detail.answers))
    if asked.detail.rcode is not None and secured(observations, asked):
        yield evidence("resolver.over_tls", **where)
    stub = next((a for a in asked.detail.addresses if case.library.stub(a, case.country)), None)
    if stub is not None:
        yield evidence("resolver.stub_address", **where, address=stub)
    yield from _second(case, asked, where)
    yield from _identity(case, asked, where)
    innocent = last_attempt(observations, "innocent", case.end.hop)
    if innocent is not None and innocent.failure is None and not _injected(innocent):
        yield evidence("resolver.innocent_passes", place=place(innocent), name=innocent.detail.name or "")


def _second(case: Case, asked: Observation, where: dict[str, Value]) -> Iterator[Evidence]:
    """Two answers to one question, once and again, which only a device on the way gives."""
    if not _injected(asked):
        return
    first, second = asked.detail, asked.detail.second_answers
    said, other = _worded(first.rcode, first.answers), _worded(first.second_rcode, second)
    yield evidence("resolver.injected", **where, first=said, second=other)
    again = last_attempt(case.measurement.observations, "again", case.end.hop)
    if again is not None and _injected(again):
        yield evidence("resolver.injected_again", **where)
    for control in case.qualified:
        if _is_injected_there(control.measurement):
            yield evidence("resolver.injected_for_control", **where, control=control.name)


def _identity(case: Case, asked: Observation, where: dict[str, Value]) -> Iterator[Evidence]:
    """Another party's identity, or none, at an address where a control meets the owner's over the same transport."""
    if asked.detail.identity not in NOT_ITS_OWN:
        return
    again = last_attempt(case.measurement.observations, "again", case.end.hop)
    if again is not None and isinstance(again.detail, ResolverAnswer) and again.detail.identity in NOT_ITS_OWN:
        yield evidence("resolver.other_identity_again", **where)
    yield evidence("resolver.other_identity", **where)
    for control in case.qualified:
        met = (o for o in control.measurement.observations if (o.step, o.address) == (asked.step, asked.address))
        if any(o.detail.identity == "own" for o in met):
            yield evidence("resolver.own_identity_for_control", **where, control=control.name)


def _is_injected_there(control: Measurement) -> bool:
    return any(o.role == "main" and _injected(o) for o in control.observations)


def _injected(asked: Observation) -> bool:
    """Whether two answers disagree: in their code, or with addresses of unrelated networks, or none that is public."""
    answer = asked.detail
    if not isinstance(answer, ResolverAnswer) or answer.second_rcode is None:
        return False
    one, other = answer.addresses, tuple(a.value for a in answer.second_answers if a.type in ("A", "AAAA"))
    if answer.rcode != answer.second_rcode or not (one and other):
        return (answer.rcode, bool(one)) != (answer.second_rcode, bool(other))
    return not share_network(one, other) or not all(map(is_public, (*one, *other)))


def _worded(rcode: int | None, answers: tuple[Answer, ...]) -> Value:
    found = [answer.value for answer in answers if answer.type in ("A", "AAAA")]
    return listed(found) if found else Phrase("evidence.rcode", {"rcode": str(rcode)})
