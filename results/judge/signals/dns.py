"""Names: the network's answers against those of trusted resolvers, and who is found at the addresses."""

from __future__ import annotations

from collections.abc import Iterator

from probe.failure import CERTIFICATE_FAILURES
from probe.model import Dns, Http, Observation, Tls
from probe.net.address_policy import is_public, literal
from results.judge.dns_answers import SAYS, Answers, by_resolver, comparable, failure_of, share_network, word_of
from results.judge.evidence_text import HOW, clean, listed, place
from results.judge.failure_point import HANDSHAKES, last_attempt, method_of, secured
from results.judge.input import Case

TOLD = 3


def signs(case: Case) -> Iterator[tuple[str, str]]:
    if literal(case.measurement.target.host) and case.end.hop == 0:
        yield "dns.confirmed", "the target is an address: there is no name to forge"
    for answers in case.names:
        yield from _answer(case, answers)
        yield from _injection(answers)
        yield from _second_opinion(answers, _confirming(case, answers))
        yield from _at_the_addresses(case, answers)
        yield from _system(answers)


def _system(answers: Answers) -> Iterator[tuple[str, str]]:
    """What people's programs are told, where the machine itself says otherwise than the resolver on the wire."""
    asked = [o for o in answers.observations if o.role == "system"]
    told = tuple(dict.fromkeys(address for o in asked for address in o.detail.addresses))
    differs = comparable(told, answers.main) and not share_network(told, answers.main)
    if asked and (differs or bool(told) != bool(answers.main)):
        says = f"{clean(answers.host)}: programs on this machine are told {listed(told) or 'no address'} (getaddrinfo)"
        yield "system.differs", f"{says}, the resolver on the wire says {listed(answers.main) or 'no address'}"


def _answer(case: Case, answers: Answers) -> Iterator[tuple[str, str]]:
    """The answer by itself: stubs, addresses that are not public, addresses shared by unrelated names."""
    host = clean(answers.host)
    given = [a for o in answers.observations if o.role == "main" for a in o.detail.addresses]
    aliases = [a.value for o in answers.observations if o.role == "main" for a in o.detail.answers if a.type == "CNAME"]
    for value in dict.fromkeys(given + aliases):
        if (known := case.library.stub(value, case.country)) is not None:
            says = f"{host} leads to {clean(value)}, known to serve a provider's block page ({clean(known)})"
            yield "dns.stub_address", says
    for address in dict.fromkeys(given):
        if address in case.context.shared_addresses:
            yield "dns.shared_address", f"{host} leads to {address}, like many unrelated names of this round"
        if not is_public(address) and not (case.context.allow_private and _undisputed(address, answers)):
            yield "dns.bogon", f"{host} leads to {address}, which is no public address"


def _injection(answers: Answers) -> Iterator[tuple[str, str]]:
    """Two answers that disagree to a question that was sent once: one of them was written on the way."""
    for late in (o for o in answers.observations if o.role == "late"):
        for first in (o for o in answers.observations if o.role in ("main", "again")):
            one, other = first.detail, late.detail
            asked_once = (one.resolver, one.query_type, one.sendings) == (other.resolver, other.query_type, 1)
            if asked_once and one.rcode is not None and not _agree(one, other):
                says = f"{clean(answers.host)}: to one question sent once {clean(one.resolver)} answered {_said(one)}"
                yield "dns.injected", f"{says}, then {_said(other)}"


def _agree(one: Dns, other: Dns) -> bool:
    if one.rcode != other.rcode:
        return False
    return (not one.addresses and not other.addresses) or share_network(one.addresses, other.addresses)


def _said(answer: Dns) -> str:
    return listed(answer.addresses) if answer.addresses else f"rcode {answer.rcode} and no address"


def _undisputed(address: str, answers: Answers) -> bool:
    return not answers.trusted or share_network([address], answers.trusted)


def _confirming(case: Case, answers: Answers) -> str | None:
    """A control that asked its own resolver, and was led to the same network."""
    for control in case.qualified:
        own = [o for o in control.measurement.observations if o.step == "dns" and o.host == answers.host]
        if share_network(answers.main, (address for o in own if o.failure is None for address in o.detail.addresses)):
            return control.name
    return None


def _second_opinion(answers: Answers, confirming: str | None) -> Iterator[tuple[str, str]]:
    host = clean(answers.host)
    opinions = {name: word_of(asked) for name, asked in by_resolver(answers.observations, "trusted").items()}
    resolves = tuple(name for name in by_resolver(answers.observations, "trusted") if opinions[name] is None)
    failed = failure_of(answers.observations, "main")
    if resolves:
        yield "dns.trusted_resolves", f"{listed(resolves)} (trusted) gives {host} the address {listed(answers.trusted)}"
    if failed is not None and (word := method_of(failed)) in SAYS:
        same = tuple(name for name, said in opinions.items() if said == word)
        if same:
            yield "dns.trusted_fails_same", f"{listed(same)} (trusted) {HOW[word]} as well: {host}"
        if same and all(said == word or said not in SAYS for said in opinions.values()) and not resolves:
            yield "dns.trusted_all_fail_same", f"every trusted resolver that answered {HOW[word]}: {host}"
    yield from _agreement(answers, failed, confirming)


def _agreement(answers: Answers, failed: Observation | None, confirming: str | None) -> Iterator[tuple[str, str]]:
    host, main, trusted = clean(answers.host), listed(answers.main), listed(answers.trusted)
    if answers.confirmed:
        yield "dns.confirmed", f"{host}: the trusted answer {trusted} agrees with {main}"
    elif confirming is not None:
        yield "dns.confirmed", f"{host}: control {clean(confirming)} was led to the same network as {main}"
    elif answers.contradicted:
        yield "dns.contradicted", f"{host}: this network says {main}, trusted resolvers say {trusted}"
    if not answers.asked("again"):
        return
    again = failure_of(answers.observations, "again")
    if failed is not None and again is not None:
        yield "again.lookup", f"asked again, {clean(again.detail.resolver)} {HOW.get(method_of(again) or '', 'fails')}"
    elif answers.contradicted and answers.again and not share_network(answers.again, answers.trusted):
        yield "again.lookup", f"asked again, this network says {listed(answers.again)}"


def _at_the_addresses(case: Case, answers: Answers) -> Iterator[tuple[str, str]]:
    """Who presents a certificate for the name: the address given here, the one the trusted resolvers give."""
    observations = case.measurement.observations
    hop = next(o.hop for o in answers.observations if o.role == "main")
    hop = case.end.hop if case.end.host == answers.host else hop
    for o in observations:
        if o.step in HANDSHAKES and o.role == "main" and o.host == answers.host and o.failure in CERTIFICATE_FAILURES:
            subject = "another name" if o.failure == "ssl_invalid_hostname" else "nobody we trust"
            yield "dns.answer_has_no_certificate", f"{place(o)} presents a certificate by {subject} for {clean(o.host)}"
    trusted = last_attempt(observations, "trusted", hop)
    if trusted is None:
        return
    if trusted.failure is None and _proved(observations, trusted):
        sentence = f"{place(trusted)}, from a trusted resolver, has a valid certificate for {clean(trusted.host)}"
        yield "dns.trusted_has_certificate", sentence
    if isinstance(trusted.detail, Http) and any(found.is_block for found in case.match(trusted)):
        yield "trusted.block", f"{place(trusted)}, from a trusted resolver, shows a known block page too"


def _proved(observations: tuple[Observation, ...], trusted: Observation) -> bool:
    if isinstance(trusted.detail, Tls):
        return trusted.detail.verify_code == 0
    return secured(observations, trusted)
