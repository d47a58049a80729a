"""What no rule of a kind may say `blocked` without, and what always forbids it: each guard is here for a false block.

Situations show that a rule fires; that one of its many guards is missing they hardly ever show.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import NamedTuple

import pytest

from probe.steps import specs
from results.judge.rules import Rule, rules


class Guards(NamedTuple):
    """Of the rules whose ids match one of the patterns."""

    rules: str
    why: str
    needs: str = ""
    unless: str = ""


GUARDS = (
    Guards(
        "*_ab *_ab_control_too",
        "only the name may differ between what fails, twice, and what passes at two addresses",
        needs="again.fails innocent.passes_here innocent.passes_elsewhere",
    ),
    Guards("http.host_ab quic.sni_ab* tls.sni_ab* http.*_ab_control_too", "the name", needs="name.fails_elsewhere"),
    Guards("http.host_ab quic.sni_ab tls.sni_ab http.url_ab", "it is down for all", unless="control.all_fail_same"),
    Guards("*_ab_control_too", "both are behind one filter", needs="control.all_fail_same name.fails_alike"),
    Guards("quic.sni_ab* tls.sni_ab* quic.name_alone tls.name_alone", "a server's", unless="fails.tls.mitm"),
    Guards(
        "[hqst]*.control_passes* *.one_control_passes *.control_divided tcp.control_by_name tcp.port_unproven",
        "a control got through where this vantage failed twice, at an address that is the name's",
        needs="again.fails control.passes",
        unless="control.fails_same dns.bogon dns.contradicted",
    ),
    Guards(
        "[hqst]*.control_passes* *.one_control_passes tcp.control_by_name tcp.port_unproven",
        "a service that fails abroad in another way is unwell",
        unless="control.fails_otherwise",
    ),
    Guards(
        "*.control_passes_by_name *.one_control_passes *.control_divided http.control_passes quic.control_passes"
        " stun.control_passes tcp.control_passes tcp.control_by_name tcp.port_unproven tls.other_certificate",
        "the address itself fails for the control",
        unless="control.fails_there",
    ),
    Guards(
        "http.control_passes_by_address quic.control_passes_by_address tls.control_passes_by_address tcp.control_passes"
        " tcp.port_unproven tcp.one_control_passes",
        "by address needs a control at that very address",
        needs="control.passes_there",
    ),
    Guards(
        "http.control_passes_by_address http.one_control_passes quic.control_passes_by_address quic.one_control_passes"
        " tls.one_control_passes tcp.*",
        "a sibling got through to that address",
        unless="sibling.passes",
    ),
    Guards("tcp.one_control_passes tcp.control_divided tcp.control_by_name tcp.port_unproven", "our own doing",
           unless="sibling.cut_before"),
    Guards("http.one_control_passes http.control_divided quic.one_control_passes tls.one_control_passes"
           " tls.control_divided stun.control_passes tcp.control_divided http.control_passes quic.control_passes"
           " tls.control_passes", "the control was at another address", unless="control.elsewhere"),
    Guards("quic.control_passes_by_address quic.one_control_passes quic.control_passes stun.control_passes tcp.*",
           "a family that this network does not have", unless="family.unproven"),
    Guards("tls.other_certificate", "a certificate that is the service's", needs="again.fails control.passes",
           unless="control.same_leaf certificate.out_of_date control.fails_same dns.bogon dns.contradicted"),
    Guards(
        "*.name_alone",
        "without a control only names that pass at the same address tell, on an unrestricted network",
        needs="again.fails control.none innocent.passes_here made_up.passes",
        unless="name.passes_elsewhere network.restricted",
    ),
    Guards("allowlist.*", "an allow-list lets no name of ours pass at the name's own address, for this network alone",
           needs="again.fails", unless="control.fails_there name.passes_elsewhere dns.bogon dns.contradicted"),
    Guards("allowlist.listed_name_passes", "a dead server, or one that is strict about names",
           needs="listed.passes_here made_up.fails_same",
           unless="control.all_fail_same fails.tls.mitm fails.tls.alert"),
    Guards("allowlist.handshake allowlist.request", "it fails for everybody, or for another reason",
           needs="network.allowlist control.passes",
           unless="control.fails_same control.fails_otherwise control.elsewhere sibling.passes"),
    Guards("http.name_alone", "the path to one place", unless="name.passes_other_path"),
    Guards("quic.name_alone", "QUIC never worked here", unless="quic.unproven"),
    Guards(
        "history.repeats_by_name",
        "a dead site fails again and again too",
        needs="again.fails control.none innocent.passes_here",
        unless="dns.bogon dns.contradicted fails.http.eof fails.tls.eof fails.tls.mitm made_up.fails_same"
        " name.passes_elsewhere name.passes_other_path network.restricted",
    ),
    Guards("recording.*_for_hours", "a series of recordings", needs="history.repeats recording.single",
           unless="again.passes recording.no_route"),
    Guards("recording.*fails recording.forged", "a recording of one attempt", needs="recording.single",
           unless="again.passes control.fails_same"),
    Guards("recording.connect_fails recording.request_fails recording.next_name_fails", "a control got through",
           needs="control.passes"),
    Guards("recording.name_fails recording.next_name_fails recording.forged", "no route", unless="recording.no_route"),
    Guards("recording.handshake_fails recording.request_fails", "the address was forged",
           unless="dns.bogon dns.contradicted"),
    Guards("dns.trusted*", "the name fails for the trusted resolvers and the controls too",
           needs="again.lookup", unless="control.fails_same dns.trusted_fails_same"),
    Guards("dns.no_certificate dns.injected dns.says_blocked* dns.denies_a_proven_name dns.shared_address"
           " recording.forged* recording.name_fails* recording.next_name_fails dns.control_passes",
           "it fails the same elsewhere", unless="dns.trusted_fails_same control.fails_same"),
    Guards("dns.no_certificate dns.says_forged dns.leads_to_ban_notice dns.shared_address"
           " dns.trusted_works_not_the_shared_address dns.trusted_works_for_hours recording.forged*",
           "addresses may differ from place to place: a trusted resolver must contradict", needs="dns.contradicted"),
    Guards("dns.private*", "the service answered as it does the control", unless="control.agrees"),
    Guards(
        "http.injected* http.redirected* http.hinted http.block* dns.leads_to_ban_notice",
        "over valid TLS, or as the control has it, a page is the service's own",
        unless="control.agrees over.valid_tls",
    ),
    Guards("dns.leads_to_blockpage dns.says_forged", "the service's own certificate", unless="over.valid_tls"),
    Guards("http.injected* http.redirected* http.hinted dns.leads_to_ban_notice", "the service's own refusal",
           unless="refusal.known"),
    Guards("http.injected* http.redirected*", "another machine's page", unless="dns.contradicted"),
    Guards("http.injected* http.hinted", "a page that came once may be another's", needs="again.same_answer"),
    Guards("http.redirected*", "a redirect that came once", needs="chain.again chain.leaves_site"),
    Guards("quic.control_passes* quic.one_control_passes tls.control_passes* tls.control_divided",
           "a certificate has rules of its own", unless="fails.tls.mitm"),
    Guards("tls.control_passes stun.one_control_passes", "the control was elsewhere", unless="control.elsewhere"),
    Guards("tls.control_passes recording.handshake_fails recording.request_fails", "the address fails for the control",
           unless="control.fails_there"),
    Guards("stun.one_control_passes", "a family that this network does not have", unless="family.unproven"),
    Guards("http.control_passes_by_name quic.control_passes_by_name", "the name passes elsewhere",
           unless="name.passes_elsewhere"),
    Guards("http.one_control_passes", "the path to one place",
           unless="name.passes_other_path innocent.fails_elsewhere"),
    Guards("http.control_passes_by_address tls.control_passes_by_address", "one control may be refused",
           needs="control.several"),
    Guards("quic.one_control_passes stun.one_control_passes", "one control", needs="control.alone"),
    Guards("tcp.one_control_passes", "one control", needs="control.single"),
    Guards("dns.control_passes", "the same certificate, or an old one", needs="control.passes",
           unless="control.same_leaf certificate.out_of_date"),
    Guards("dns.trusted_works*", "a trusted address that proves the name", needs="fails dns.trusted_has_certificate"),
    Guards("stun.*", "only a STUN server answers so", needs="target.stun"),
    Guards("dns.leads_to_ban_notice", "the trusted address has it too", unless="trusted.block"),
    Guards("tcp.control_by_name", "a control elsewhere", needs="control.not_there"),
    Guards("tcp.port_unproven", "a port blocked as such", needs="port.unproven"),
    Guards("quic.control_passes_by_address", "any name fails there",
           needs="innocent.fails_same innocent.passes_elsewhere"),
    Guards("recording.connect_fails recording.handshake_fails recording.request_fails recording.fails_for_hours",
           "unwell abroad, or passes in the same recording", unless="control.fails_otherwise control.fails_same"),
    Guards("recording.connect_fails recording.handshake_fails recording.request_fails", "two attempts differ",
           unless="again.fails"),
    Guards("recording.connect_fails recording.fails_for_hours", "the address cannot be right", unless="dns.bogon"),
    Guards("recording.fails_for_hours", "the address is contradicted", needs="fails", unless="dns.contradicted"),
    Guards("recording.private_answer_for_hours", "the service answered", needs="fails", unless="control.agrees"),
    Guards("recording.forged*", "a trusted address that proves the name",
           needs="fails again.lookup dns.trusted_has_certificate"),
    Guards("recording.name_fails_for_hours dns.denies_a_proven_name", "the name exists", needs="dns.trusted_resolves"),
    Guards("dns.denies_a_proven_name", "a slow resolver", unless="again.passes dns.answered_late"),
    Guards("dns.private_answer_once dns.says_blocked_alone", "it passes by now", unless="again.passes"),
    Guards("dns.trusted_works* dns.control_passes", "once", needs="again.fails"),
    Guards("dns.says_blocked*", "the look-up failed", needs="fails.dns"),
    Guards("dns.says_blocked dns.leads_to_ban_notice", "asked once", needs="again.lookup"),
    Guards("http.injected* http.hinted dns.leads_to_ban_notice", "a part of a page is no page",
           needs="answer.complete"),
    Guards("http.injected_by_name http.hinted", "a site's own rule for one path", unless="page.by_path"),
    Guards("http.injected_by_name", "another kind of page, and not for the innocuous name",
           needs="control.differs_in_kind page.not_for_innocent"),
    Guards("http.url_ab", "one page of the name passes", needs="name.passes_other_path name.fails_elsewhere"),
    Guards("rate.control_is_fast", "our own rate", needs="rate.throttled control.fast",
           unless="alone.not_blocked alone.unmeasured page.block refusal"),
    Guards("resolver.*control_passes resolver.silent_for_the_name resolver.no_address_for_the_name",
           "a control got through at that very address where this vantage failed twice",
           needs="fails.resolver again.fails control.passes",
           unless="control.fails_same control.fails_otherwise control.fails_there control.elsewhere dns.bogon"
           " dns.contradicted"),
    Guards("resolver.*control_passes resolver.silent_for_the_name", "a family that this network does not have",
           needs="resolver.silent", unless="family.unproven"),
    Guards("resolver.one_control_passes", "one control", needs="control.alone"),
    Guards("resolver.control_passes", "several controls", unless="control.alone"),
    Guards("resolver.*_for_the_name resolver.injected_by_name", "the innocuous name passes",
           needs="resolver.innocent_passes"),
    Guards("resolver.no_address_for_the_name resolver.stub_address", "the resolver's own answer",
           unless="resolver.over_tls"),
    Guards("resolver.stub_address", "everyone gets it", needs="control.agrees", unless="dns.bogon dns.contradicted"),
    Guards("resolver.injected*", "a query may be duplicated once, or the resolver itself answer twice",
           needs="resolver.injected resolver.injected_again",
           unless="resolver.injected_for_control dns.bogon dns.contradicted"),
    Guards("resolver.impostor", "resolvers may change how they identify themselves: a control meets the owner's",
           needs="resolver.other_identity resolver.other_identity_again resolver.own_identity_for_control",
           unless="dns.bogon dns.contradicted"),
    Guards("residual.keeps_first", "it passes by now", needs="first.sharper fails",
           unless="again.passes control.fails_same"),
)  # fmt: skip
BLOCKS = {rule.id: rule for rule in rules() if rule.outcome == "blocked"}


def of(guards: Guards) -> list[Rule]:
    return [rule for name, rule in BLOCKS.items() if any(fnmatch(name, one) for one in guards.rules.split())]


@pytest.mark.parametrize("guards", GUARDS, ids=lambda guards: guards.why)
def test_no_block_of_a_kind_is_without_its_guards(guards: Guards) -> None:
    assert all(any(fnmatch(name, pattern) for name in BLOCKS) for pattern in guards.rules.split())
    unguarded = {
        (rule.id, signal)
        for rule in of(guards)
        for signals, held in ((guards.needs, rule.needs), (guards.unless, rule.unless))
        for signal in set(signals.split()) - held
    }
    assert unguarded == set(), guards.why


def test_every_block_by_other_than_a_fingerprint_has_guards() -> None:
    guarded = {rule.id for guards in GUARDS for rule in of(guards)}
    assert BLOCKS.keys() - guarded <= {"dns.stub_address", "dns.injected_and_contradicted"}


@pytest.mark.parametrize("rule", BLOCKS.values(), ids=lambda rule: rule.id)
def test_a_block_by_a_step_that_fails_again_needs_that_this_step_failed(rule: Rule) -> None:
    step = rule.id.split(".")[0]
    if step in specs() and step != "dns" and "again.fails" in rule.needs:
        assert any(need.startswith(f"fails.{step}") for need in rule.needs)
