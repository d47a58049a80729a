"""Signals from names: the network's answers compared with trusted resolvers', and who is at the addresses."""

from __future__ import annotations

from collections.abc import Container, Iterator

from probe.failure import CERTIFICATE_FAILURES
from probe.model import Dns, Http, Measurement, Observation, Role, Tls
from probe.net.address_policy import is_public, kind_of, literal
from probe.timestamps import parse_time
from results.i18n.translator import Phrase, Value
from results.judge.failure_point import (
    HANDSHAKES,
    is_out_of_date,
    is_verified,
    last_attempt,
    method_of,
    same_site,
    secured,
)
from results.judge.input import (
    FILTERED,
    Case,
    DnsAnswers,
    by_resolver,
    comparable,
    failure_of,
    innocent_lookups,
    is_filtered,
    is_untrusted,
    method_at,
    share_network,
)
from results.judge.signals.context import earlier_run
from results.judge.verdict import Evidence
from results.judge.wording import evidence, listed, method, place, resolver_of

FAULTS = (1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 22, 23, 24, 25, 27)
"""Extended DNS errors of a zone that is bogus or lame, whoever asks (RFC 8914 section 4, and IANA's registry)."""
PROHIBITED = (18,)
"""The extended DNS error of a resolver that does not serve this client (RFC 8914 section 4.19)."""
LAME_FAILURES = ("dns.servfail", "dns.timeout")
"""What a resolver makes of name servers that others cannot use either."""
STATEMENTS = ("dns.nxdomain", "dns.empty", "dns.forged", "dns.servfail")
"""Failures of a trusted resolver that say something about the name. Silence and refusal do not."""


def signals(case: Case) -> Iterator[Evidence]:
    if literal(case.measurement.target.host) and case.end.hop == 0:
        yield evidence("dns.confirmed:address")
    for asked in case.measurement.observations:
        if is_untrusted(asked, case.context.untrusted):
            yield evidence("dns.trusted_intercepted", resolver=asked.detail.resolver)
            break
    for answers in case.names:
        yield from _addresses(case, answers)
        yield from _injection(answers)
        yield from _trusted(case, answers)
        yield from _once(case, answers)
        yield from _extended_errors(answers)
        yield from _chosen_filter(answers)
        yield from _late(case, answers)
        yield from _any_name(case, answers)
        yield from _certificates(case, answers)
        yield from _system(answers)


def _system(answers: DnsAnswers) -> Iterator[Evidence]:
    """Where the machine's own resolver gives programs another answer than the resolver on the wire."""
    asked = [o for o in answers.observations if o.role == "system"]
    given = tuple(dict.fromkeys(address for o in asked for address in o.detail.addresses))
    differs = comparable(given, answers.main) and not share_network(given, answers.main)
    if asked and (differs or bool(given) != bool(answers.main)):
        yield evidence(
            "system.differs",
            host=answers.host,
            system=_addresses_or_none(given),
            main=_addresses_or_none(answers.main),
        )


def _extended_errors(answers: DnsAnswers) -> Iterator[Evidence]:
    """What resolvers say themselves about why a name has no address, or about the one that they give."""
    host, failed = answers.host, failure_of(answers.observations, "main")
    for asked in (o for o in answers.observations if o.role in ("main", "again") and is_filtered(o)):
        named = _errors(asked, FILTERED)
        signal = "dns.says_forged" if asked.failure is None else "dns.says_blocked"
        yield evidence(signal, resolver=resolver_of(asked.detail.resolver), host=host, errors=named)
    if failed is None:
        return
    yield from _prohibited(answers)
    own: tuple[Role, ...] = ("main", "again", "late")
    asked_of: tuple[Role, ...] = (*own, "trusted") if method_of(failed) in LAME_FAILURES else own
    for asked in answers.observations:
        faulty = any(error.code in FAULTS for error in asked.detail.extended_errors)
        if asked.role in asked_of and asked.failure is not None and faulty and not is_filtered(asked):
            named = _errors(asked, FAULTS)
            yield evidence("dns.bogus_or_lame", resolver=resolver_of(asked.detail.resolver), host=host, errors=named)


def _prohibited(answers: DnsAnswers) -> Iterator[Evidence]:
    """Where the resolver says that it does not serve this client, whatever the name."""
    asked = [o for o in answers.observations if o.role == "main"]
    if all(any(error.code in PROHIBITED for error in o.detail.extended_errors) for o in asked):
        resolver = asked[0].detail.resolver
        yield evidence(
            "dns.says_prohibited", resolver=resolver, host=answers.host, errors=_errors(asked[0], PROHIBITED)
        )


def _chosen_filter(answers: DnsAnswers) -> Iterator[Evidence]:
    """Where every answer that is not the name's own came from a resolver that filters for those who choose it."""
    asked = [o for o in answers.observations if o.role == "main"]
    if answers.main and not answers.contradicted and any(map(is_public, answers.main)):
        return
    if asked and all(o.detail.filter is not None and o.detail.rcode is not None for o in asked):
        name, chosen = asked[0].detail.resolver, asked[0].detail.filter
        yield evidence("dns.filter_chosen", resolver=resolver_of(name), filter=chosen, host=answers.host)


def _errors(asked: Observation, known: Container[int]) -> list[str | Phrase]:
    """The errors of a kind, and what the resolver adds to them."""
    found = [(Phrase(f"dns_error.{e.code}"), e.text) for e in asked.detail.extended_errors if e.code in known]
    return [Phrase("evidence.dns_error", {"error": name, "text": text}) if text else name for name, text in found[:8]]


def _late(case: Case, answers: DnsAnswers) -> Iterator[Evidence]:
    """A first answer, with an address, to a question that had timed out."""
    unanswered = [o for o in answers.observations if o.role in ("main", "again") and o.detail.rcode is None]
    for late in (o for o in answers.observations if o.role == "late" and o.failure is None):
        asked = (late.detail.resolver, late.detail.query_type)
        first = next((o for o in unanswered if (o.detail.resolver, o.detail.query_type) == asked), None)
        stub = any(case.library.stub(address, case.country) for address in late.detail.addresses)
        if first is not None and not stub and not is_filtered(late):
            yield evidence(
                "dns.answered_late",
                resolver=resolver_of(asked[0]),
                host=answers.host,
                seconds=first.duration_s,
                addresses=listed(late.detail.addresses),
            )


def _any_name(case: Case, answers: DnsAnswers) -> Iterator[Evidence]:
    """A resolver that fails for the innocuous name in the same way: whatever ails it, it is not the name."""
    failed = failure_of(answers.observations, "main")
    if failed is None:
        return
    for resolver, asked in by_resolver(innocent_lookups(case.measurement.observations, failed.hop), "innocent").items():
        how = method_at(asked)
        if how is not None and how == method_of(failed) and resolver == failed.detail.resolver:
            yield evidence(
                "dns.fails_for_any_name", resolver=resolver_of(resolver), failure=method(how), innocent=asked[0].host
            )


def _addresses(case: Case, answers: DnsAnswers) -> Iterator[Evidence]:
    """The answer in itself: stubs, addresses that are not public, addresses shared by unrelated names."""
    host = answers.host
    given = [a for o in answers.observations if o.role == "main" for a in o.detail.addresses]
    aliases = [a.value for o in answers.observations if o.role == "main" for a in o.detail.answers if a.type == "CNAME"]
    for value in dict.fromkeys(given + [alias for alias in aliases if not same_site(alias, host)]):
        if (known := case.library.stub(value, case.country)) is not None:
            yield evidence("dns.stub_address", host=host, address=value, name=known)
    for address in dict.fromkeys(given):
        if address in case.context.shared_addresses:
            yield evidence("dns.shared_address", host=host, address=address)
        if not is_public(address) and not (case.context.allow_private and _is_own_network(case, address, answers)):
            yield evidence("dns.bogon", host=host, address=address)


def _injection(answers: DnsAnswers) -> Iterator[Evidence]:
    """Two answers that disagree to a question that was sent once: one of them was written on the way."""
    for late in (o for o in answers.observations if o.role == "late"):
        for first in (o for o in answers.observations if o.role in ("main", "again")):
            one, other = first.detail, late.detail
            asked_once = (one.resolver, one.query_type, one.sendings) == (other.resolver, other.query_type, 1)
            if asked_once and one.rcode is not None and not _agree(one, other):
                yield evidence(
                    "dns.injected",
                    host=answers.host,
                    resolver=resolver_of(one.resolver),
                    first=_answer(one),
                    second=_answer(other),
                )


def _agree(one: Dns, other: Dns) -> bool:
    if one.rcode != other.rcode:
        return False
    return (not one.addresses and not other.addresses) or share_network(one.addresses, other.addresses)


def _answer(answer: Dns) -> Value:
    return listed(answer.addresses) if answer.addresses else Phrase("evidence.rcode", {"rcode": str(answer.rcode)})


def _addresses_or_none(addresses: tuple[str, ...]) -> Value:
    return listed(addresses) if addresses else Phrase("evidence.no_address")


def _is_own_network(case: Case, address: str, answers: DnsAnswers) -> bool:
    """Whether a private address may be the organisation's own: nobody disputes it, trusted resolvers give one of the
    same kind, or a page came from it in full.
    """
    if not answers.trusted or share_network([address], answers.trusted):
        return True
    if any(not is_public(other) and kind_of(other) == kind_of(address) for other in answers.trusted):
        return True
    return any(o.address == address and o.host == answers.host and o.failure is None for o in case.answers)


def _confirmation(case: Case, answers: DnsAnswers) -> Evidence | None:
    """What shows that the network's answer is right: a certificate at its address, or a control led to its network."""
    host, main = answers.host, listed(answers.main)
    if (proved := _proving(case.measurement, answers)) is not None:
        return evidence("dns.confirmed:certificate", host=host, place=place(proved))
    for control in case.qualified:
        if (proved := _proving(control.measurement, answers)) is not None:
            return evidence("dns.confirmed:control_there", host=host, place=place(proved), control=control.name)
        own = [o for o in control.measurement.observations if o.step == "dns" and o.host == answers.host]
        if share_network(answers.main, (address for o in own if o.failure is None for address in o.detail.addresses)):
            return evidence("dns.confirmed:control", host=host, control=control.name, main=main)
    return None


def _proving(measurement: Measurement, answers: DnsAnswers) -> Observation | None:
    """A handshake at one of the network's addresses whose certificate is valid for the name."""
    for o in measurement.observations:
        named = o.step in HANDSHAKES and o.host == answers.host and o.role in ("main", "again")
        if named and o.address in answers.main and o.failure is None and is_verified(o):
            return o
    return None


def _once(case: Case, answers: DnsAnswers) -> Iterator[Evidence]:
    """Whether one question is all there is, and whether the failure has outlived what a cache may hold."""
    if not answers.asked("again"):
        yield evidence("dns.asked_once", host=answers.host)
    ttls = [a.ttl for o in answers.observations if o.role in ("main", "trusted") for a in o.detail.answers if a.ttl]
    run = earlier_run(case)
    if run and ttls:
        seconds = (parse_time(case.measurement.started_at) - parse_time(run[-1])).total_seconds()
        if seconds > max(ttls):
            yield evidence("dns.ttl_passed", host=answers.host, hours=seconds / 3600, ttl=max(ttls))


def _trusted(case: Case, answers: DnsAnswers) -> Iterator[Evidence]:
    host = answers.host
    asked_of = by_resolver(answers.observations, "trusted")
    methods = {name: method_at(asked) for name, asked in asked_of.items() if not any(map(is_filtered, asked))}
    resolves = tuple(name for name, method in methods.items() if method is None)
    failed = failure_of(answers.observations, "main")
    if resolves and (case.context.allow_private or any(map(is_public, answers.trusted))):
        yield evidence("dns.trusted_resolves", resolvers=listed(resolves), host=host, addresses=listed(answers.trusted))
    if failed is not None and (how := method_of(failed)) in STATEMENTS:
        same = tuple(name for name, trusted in methods.items() if trusted == how)
        failure = method(how)
        if same:
            yield evidence("dns.trusted_fails_same", resolvers=listed(same), failure=failure, host=host)
        if same and all(m == how or m not in STATEMENTS for m in methods.values()) and not resolves:
            yield evidence("dns.trusted_all_fail_same", failure=failure, host=host)
    yield from _agreement(answers, failed, _confirmation(case, answers))


def _agreement(answers: DnsAnswers, failed: Observation | None, confirming: Evidence | None) -> Iterator[Evidence]:
    host, main, trusted = answers.host, listed(answers.main), listed(answers.trusted)
    if answers.confirmed:
        yield evidence("dns.confirmed", host=host, trusted=trusted, main=main)
    elif confirming is not None:
        yield confirming
    elif answers.contradicted:
        yield evidence("dns.contradicted", host=host, main=main, trusted=trusted)
    if not answers.asked("again"):
        return
    again = failure_of(answers.observations, "again")
    if failed is not None and again is not None:
        how = method_of(again)
        failure = method(how) if how is not None else Phrase("evidence.fails")
        yield evidence("again.lookup", resolver=resolver_of(again.detail.resolver), failure=failure)
    elif answers.contradicted and answers.again and not share_network(answers.again, answers.trusted):
        yield evidence("again.lookup:addresses", addresses=listed(answers.again))


def _certificates(case: Case, answers: DnsAnswers) -> Iterator[Evidence]:
    """Who presents a certificate for the name: the address given here, the one that trusted resolvers give."""
    observations = case.measurement.observations
    hop = next(o.hop for o in answers.observations if o.role == "main")
    hop = case.end.hop if case.end.host == answers.host else hop
    for o in observations:
        if case.clock_is_off or method_of(o) is None or is_out_of_date(o):
            continue
        if o.step in HANDSHAKES and o.role == "main" and o.host == answers.host and o.failure in CERTIFICATE_FAILURES:
            which = "other_name" if o.failure == "ssl_invalid_hostname" else "untrusted"
            yield evidence(f"dns.answer_has_no_certificate:{which}", place=place(o), host=o.host)
    trusted = last_attempt(observations, "trusted", hop)
    if trusted is None:
        return
    if trusted.failure is None and _proves_name(observations, trusted):
        yield evidence("dns.trusted_has_certificate", place=place(trusted), host=trusted.host)
    if isinstance(trusted.detail, Http) and any(found.is_block for found in case.match(trusted)):
        yield evidence("trusted.block", place=place(trusted))


def _proves_name(observations: tuple[Observation, ...], trusted: Observation) -> bool:
    if isinstance(trusted.detail, Tls):
        return is_verified(trusted)
    return secured(observations, trusted)
