"""Signals from the end of the main course: an answer and what vouches for it, block pages, or the failure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import cast

from probe.model import Http, Observation, Tls
from probe.net.address_policy import family_of
from probe.steps import schemes, specs
from results.fingerprints import Match, refusals
from results.judge.failure_point import (
    BEGINS,
    CLIENT_CERTIFICATE_ALERTS,
    ENDPOINT_STEPS,
    METHOD_SPECS,
    OWN_NETWORK,
    STEPS,
    had_begun,
    is_out_of_date,
    last_attempt,
    method_of,
    secured,
    vouched,
    wants_client_certificate,
)
from results.judge.input import Case
from results.judge.signals import Evidence, SignalTable
from results.judge.step_text import clean, failure_text, place

HTML = re.compile(rb"\s*(?:<|HTTP\b)", re.IGNORECASE)
"""What an answer without a head begins with that a browser shows, or follows."""
FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
STATUS_OK = 200
REFUSING = {403: "Forbidden", 429: "Too Many Requests", 451: "Unavailable For Legal Reasons"}
PAGE = "{host} at {place}: {fingerprint} ({name})"

SIGNALS = SignalTable(
    {
        **{
            f"target.{spec.name}": "{host} is asked without a connection, which a server may ignore"
            for spec in specs().values()
            if spec.answer == "responded"
        },
        "over.valid_tls": "{where}: the certificate is valid for the name",
        "answer.complete": "{where}: status {status}, {size}{cut}",
        "answer.complete:open": "{where}: status {status}, {size}, and the stream was still open after {seconds:.0f} s",
        "answer.quirks": "{where}: not valid HTTP, read as browsers read it: {quirks}",
        "answer.headless_page": "{where}: a page without the head of an HTTP answer, which some browsers show",
        "tls.lenient": "{where}: only where outdated TLS is allowed ({version}), which a browser may refuse",
        "client.limit:http": "{where}: the service sent {quirks}; a browser may read it",
        "client.limit": "{where}: our own TLS library ended the handshake ({reason}); a browser may not",
        **{
            f"answer.{spec.answer}": "{where}: {passed} in {seconds:.2f} s"
            for spec in specs().values()
            if spec.answer not in (None, "complete")
        },
        "refusal": "{where}: status {status} {reason}",
        "refusal:page": "{where}: {fingerprint} (status {status})",
        "refusal.client_certificate": "{where}: behind the handshake the server demands a client certificate ({alert})",
        "refusal.client_certificate_asked": "{where}: the server asks for a client certificate, and ends the handshake",
        "refusal.known": "{where}: {fingerprint} (status {status})",
        "quic.fails_beside": (
            "QUIC to the same host, which it offers, fails: {failure} after {seconds:.2f} s at {place}"
        ),
        "answer.began": "{where}: the answer had begun, so the service does not turn this visitor away",
        "certificate.out_of_date": "{where}: only the dates of the certificate fail; its name and issuer are right",
        "fails": "{failure}",
        **{f"fails.{name}": "{failure}" for name in (*STEPS, *METHOD_SPECS)},
        "family.unproven": "only {family} addresses failed here, and nothing shows that {family} works on this network",
        **{
            key.format(family): sentence
            for family in FAMILIES
            for key, sentence in (
                ("family.{}_name_fails", "in one family only: {failure} ({family})"),
                ("family.{}_fails", "another address did not work: {place}, {failure}{own_network}"),
                (
                    "family.{}_fails:alone",
                    "over {family} alone it does not work, though that works on this network: {place}, {failure}",
                ),
            )
        },
        "page.block": PAGE,
        "page.blockpage": PAGE,
        "page.block_host": PAGE,
        "page.hint": PAGE,
        "page.vague": PAGE,
        "page.false_positive": PAGE,
        "page.as_content": f"{PAGE}, with status {STATUS_OK} as a page of the service's own",
        "page.shown_abroad": f"{PAGE}, and a control where there is no such block is shown it too",
    }
)


def signals(case: Case) -> Iterator[Evidence]:
    end, observations = case.end, case.measurement.observations
    if end.observation is None:
        return
    last_step = schemes()[end.scheme]
    if last_step.answer == "responded":
        yield SIGNALS(f"target.{last_step.name}", host=clean(end.host))
    if not end.complete:
        yield from _failure(case, end.observation)
        return
    where = f"{clean(end.host)} at {place(end.observation)}"
    valid = vouched(observations, end)
    if valid:
        yield SIGNALS("over.valid_tls", where=where)
    answer = end.observation.detail
    if isinstance(answer, Http):
        size = f"{answer.length} bytes" if answer.length is not None else "no body"
        cut = ", as much as is ever read" if answer.truncated else ""
        if end.observation.failure is None:
            yield SIGNALS("answer.complete", where=where, status=answer.status, size=size, cut=cut)
        else:
            seconds = end.observation.duration_s
            yield SIGNALS("answer.complete:open", where=where, status=answer.status, size=size, seconds=seconds)
        if answer.quirks:
            yield SIGNALS("answer.quirks", where=where, quirks=clean(", ".join(answer.quirks)))
        yield from refusal(where, answer, refusals(answer) if valid else case.match(end.observation))
    else:
        passed, seconds = last_step.passed, end.observation.duration_s
        yield SIGNALS(f"answer.{last_step.answer}", where=where, passed=passed, seconds=seconds)
    if (lenient := _lenient(observations, end.observation)) is not None:
        yield SIGNALS("tls.lenient", where=where, version=clean(lenient.version or "TLS"))
    offered = last_attempt(observations, "offered", end.hop)
    if offered is not None and offered.failure is not None:
        yield SIGNALS(
            "quic.fails_beside",
            failure=method_of(offered) or clean(offered.failure),
            seconds=offered.duration_s,
            place=place(offered),
        )
    yield from _families(case, [o for o in observations if o.role == "main" and o.hop == end.hop])


def _lenient(observations: Sequence[Observation], end: Observation) -> Tls | None:
    """The handshake under an answer, where outdated TLS had to be allowed for it."""
    refused: Observation | None = None
    for o in observations:  # a plain loop, for most targets have an answer
        if o.step == "tls" and o.role == end.role and o.hop == end.hop and o.address == end.address:
            if o.failure is not None:
                refused = o
            elif refused is not None and o.detail.lenient:
                return cast(Tls, o.detail)
    return None  # where only HTTP/2 failed, nothing is outdated


def _failure(case: Case, failed: Observation) -> Iterator[Evidence]:
    sentence = failure_text(failed, case.end.method)
    yield SIGNALS("fails", failure=sentence)
    yield from _own_limits(case, failed)
    where = f"{clean(failed.host)} at {place(failed)}"
    if isinstance(failed.detail, Http) and had_begun(failed.detail):
        yield SIGNALS("answer.began", where=where)
    elif is_out_of_date(failed):
        yield SIGNALS("certificate.out_of_date", where=where)
    if case.end.method is None or (case.end.method == "tls.mitm" and case.clock_is_off):
        return  # No rule may call this blocked: the closed list has no method for it.
    yield SIGNALS(f"fails.{failed.step}", failure=sentence)
    yield SIGNALS(f"fails.{case.end.method}", failure=sentence)
    if failed.step in BEGINS and failed.address and (family := family_of(failed.address)) not in _working(case):
        yield SIGNALS("family.unproven", family=FAMILIES[family])


def _own_limits(case: Case, failed: Observation) -> Iterator[Evidence]:
    """What our client, or its lack of a certificate, contributed to the failure."""
    where, detail = f"{clean(failed.host)} at {place(failed)}", failed.detail
    if isinstance(detail, Tls) and detail.refused is not None:
        yield SIGNALS("client.limit", where=where, reason=clean(detail.refused.replace("_", " ")))
    elif isinstance(detail, Tls) and wants_client_certificate(detail):
        yield SIGNALS("refusal.client_certificate_asked", where=where)
    elif isinstance(detail, Http) and failed.failure == "ssl_failed_handshake":
        if failed.error_code in CLIENT_CERTIFICATE_ALERTS and secured(case.measurement.observations, failed):
            yield SIGNALS("refusal.client_certificate", where=where, alert=f"alert {failed.error_code}")
    elif isinstance(detail, Http) and detail.status is None and detail.quirks and not detail.body:
        yield SIGNALS("client.limit:http", where=where, quirks=clean(", ".join(detail.quirks)))
    elif isinstance(detail, Http) and detail.status is None and HTML.match(detail.body or b""):
        yield SIGNALS("answer.headless_page", where=where)


def refusal(where: str, answer: Http, found: tuple[Match, ...]) -> Iterator[Evidence]:
    """Whether a service turns the visitor away: by a known challenge or geoblock page, or by its status."""
    if any(match.is_block for match in found):
        return
    known = next((match for match in found if match.is_refusal), None)
    if known is not None:
        yield SIGNALS("refusal:page", where=where, fingerprint=known.tells, status=answer.status)
        yield SIGNALS("refusal.known", where=where, fingerprint=known.tells, status=answer.status)
    elif answer.status in REFUSING:
        yield SIGNALS("refusal", where=where, status=answer.status, reason=REFUSING[answer.status])


def _working(case: Case) -> tuple[str, ...]:
    """The families in which a failure counts; IPv4 where the reference sites showed nothing."""
    return case.context.families or ("ipv4",)


def _families(case: Case, here: Sequence[Observation]) -> Iterator[Evidence]:
    """A family or address that failed while another answered stays in the evidence.

    A family is no anomaly where the reference sites showed that only the other works here: this network has none.
    """
    last = {o.address: o for o in here if o.step in ENDPOINT_STEPS and o.address}
    works = {address for address, o in last.items() if o.failure is None or o is case.end.observation}
    reached = {family_of(address) for address in works if address}
    shown = case.context.families
    for o in here:
        if o.failure is None or (o.step in ENDPOINT_STEPS and o.address in works):
            continue
        if o.step == "dns" and o.failure != "dns_no_answer":
            family = "ipv6" if o.detail.query_type == "AAAA" else "ipv4"
            yield SIGNALS(f"family.{family}_name_fails", failure=failure_text(o, method_of(o)), family=family)
        elif o.step in ENDPOINT_STEPS and o.address:
            family = family_of(o.address)
            shown_at = {"place": place(o), "failure": clean(o.failure)}
            if family in reached or shown is None:
                own = " (this network may have none)" if o.failure in OWN_NETWORK else ""
                yield SIGNALS(f"family.{family}_fails", own_network=own, **shown_at)
            elif family in shown:
                yield SIGNALS(f"family.{family}_fails:alone", family=FAMILIES[family], **shown_at)


def pages(case: Case) -> Iterator[Evidence]:
    """Known block pages and block hosts in what was answered in the open."""
    for observation in (*case.answers, *case.malformed):
        answer = observation.detail
        if not isinstance(answer, Http) or secured(case.measurement.observations, observation):
            continue
        for found in case.match(observation):
            shown_at = {
                "host": clean(observation.host),
                "place": place(observation),
                "fingerprint": found.tells,
                "name": clean(found.name),
            }
            if found.is_block and found.name in case.shown_abroad:
                yield SIGNALS("page.shown_abroad", **shown_at)
            elif found.is_block:
                yield SIGNALS("page.block", **shown_at)
                yield SIGNALS(f"page.{found.kind}", **shown_at)
                if answer.status == STATUS_OK:
                    yield SIGNALS("page.as_content", **shown_at)
            elif found.is_page:
                yield SIGNALS("page.vague" if found.scope == "vbw" else "page.hint", **shown_at)
            elif found.kind == "false_positive":
                yield SIGNALS("page.false_positive", **shown_at)
