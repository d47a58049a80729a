"""Signals from the end of the main course: an answer and what vouches for it, block pages, or the failure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import cast

from probe.model import Http, Observation, Tls
from probe.net.address_policy import family_of
from probe.steps import schemes
from results.fingerprints import Match, refusals
from results.i18n.translator import Phrase, Value
from results.judge.failure_point import (
    BEGINS,
    CLIENT_CERTIFICATE_ALERTS,
    ENDPOINT_STEPS,
    OWN_NETWORK,
    had_begun,
    is_out_of_date,
    last_attempt,
    method_of,
    secured,
    vouched,
    wants_client_certificate,
)
from results.judge.input import Case
from results.judge.verdict import Evidence
from results.judge.wording import FAMILIES, evidence, failed_step, method, place, word

HTML = re.compile(rb"\s*(?:<|HTTP\b)", re.IGNORECASE)
"""What an answer without a head begins with that a browser shows, or follows."""
STATUS_OK = 200
REFUSING = {403: "Forbidden", 429: "Too Many Requests", 451: "Unavailable For Legal Reasons"}


def signals(case: Case) -> Iterator[Evidence]:
    end, observations = case.end, case.measurement.observations
    if end.observation is None:
        return
    last_step = schemes()[end.scheme]
    if last_step.answer == "responded" and last_step.begins == "address":
        yield evidence(f"target.{last_step.name}", host=end.host)
    if not end.complete:
        yield from _failure(case, end.observation)
        return
    where: dict[str, Value] = {"host": end.host, "place": place(end.observation)}
    valid = vouched(observations, end)
    if valid:
        yield evidence("over.valid_tls", **where)
    answer = end.observation.detail
    if isinstance(answer, Http):
        shown = where | {"status": answer.status or 0, "count": answer.length or 0}
        if end.observation.failure is not None:
            yield evidence("answer.complete:open", **shown, seconds=end.observation.duration_s)
        elif answer.truncated:
            yield evidence("answer.complete:cut", **shown)
        else:
            yield evidence("answer.complete:empty" if answer.length is None else "answer.complete", **shown)
        if answer.quirks:
            yield evidence("answer.quirks", **where, quirks=_quirks(answer))
        yield from refusal("refusal", where, answer, refusals(answer) if valid else case.match(end.observation))
    else:
        yield evidence(f"answer.{last_step.answer}", **where, seconds=end.observation.duration_s)
    if (lenient := _lenient(observations, end.observation)) is not None:
        yield evidence("tls.lenient", **where, version=lenient.version or "TLS")
    offered = last_attempt(observations, "offered", end.hop)
    if offered is not None and offered.failure is not None:
        yield evidence(
            "quic.fails_beside",
            failure=method(how) if (how := method_of(offered)) else word("failure", offered.failure),
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
    found = failed_step(failed, case.end.method)
    yield evidence("fails", failure=found)
    yield from _own_limits(case, failed)
    where = {"host": failed.host, "place": place(failed)}
    if isinstance(failed.detail, Http) and had_begun(failed.detail):
        yield evidence("answer.began", **where)
    elif is_out_of_date(failed):
        yield evidence("certificate.out_of_date", **where)
    if case.end.method is None or (case.end.method == "tls.mitm" and case.clock_is_off):
        return  # No rule may call this blocked: the closed list has no method for it.
    yield evidence(f"fails.{failed.step}", failure=found)
    yield evidence(f"fails.{case.end.method}", failure=found)
    if failed.step in BEGINS and failed.address and (family := family_of(failed.address)) not in _working(case):
        yield evidence("family.unproven", family=FAMILIES[family])


def _own_limits(case: Case, failed: Observation) -> Iterator[Evidence]:
    """What our client, or its lack of a certificate, contributed to the failure."""
    where, detail = {"host": failed.host, "place": place(failed)}, failed.detail
    if isinstance(detail, Tls) and detail.refused is not None:
        yield evidence("client.limit", **where, reason=detail.refused.replace("_", " "))
    elif isinstance(detail, Tls) and wants_client_certificate(detail):
        yield evidence("refusal.client_certificate_asked", **where)
    elif isinstance(detail, Http) and failed.failure == "ssl_failed_handshake":
        if failed.error_code in CLIENT_CERTIFICATE_ALERTS and secured(case.measurement.observations, failed):
            yield evidence("refusal.client_certificate", **where, alert=failed.error_code)
    elif isinstance(detail, Http) and detail.status is None and detail.quirks and not detail.body:
        yield evidence("client.limit:http", **where, quirks=_quirks(detail))
    elif isinstance(detail, Http) and detail.status is None and HTML.match(detail.body or b""):
        yield evidence("answer.headless_page", **where)


def _quirks(answer: Http) -> list[str | Phrase]:
    return [word("quirk", quirk) for quirk in answer.quirks[:8]]


def refusal(signal: str, where: dict[str, Value], answer: Http, found: tuple[Match, ...]) -> Iterator[Evidence]:
    """Whether a service turns the visitor away: by a known challenge or geoblock page, or by its status."""
    if any(match.is_block for match in found):
        return
    known = next((match for match in found if match.is_refusal), None)
    if known is not None:
        shown = where | {"fingerprint": known.tells, "status": answer.status or 0}
        yield evidence(f"{signal}:page", **shown)
        if signal == "refusal":
            yield evidence("refusal.known", **shown)
    elif answer.status in REFUSING:
        yield evidence(signal, **where, status=answer.status, reason=REFUSING[answer.status])


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
            yield evidence(f"family.{family}_name_fails", failure=failed_step(o, method_of(o)), family=FAMILIES[family])
        elif o.step in ENDPOINT_STEPS and o.address:
            family = family_of(o.address)
            shown_at = {"place": place(o), "failure": word("failure", o.failure), "family": FAMILIES[family]}
            if family in reached or shown is None:
                own = ":own" if o.failure in OWN_NETWORK else ""
                yield evidence(f"family.{family}_fails{own}", **shown_at)
            elif family in shown:
                yield evidence(f"family.{family}_fails:alone", **shown_at)


def pages(case: Case) -> Iterator[Evidence]:
    """Known block pages and block hosts in what was answered in the open."""
    for observation in (*case.answers, *case.malformed):
        answer = observation.detail
        if not isinstance(answer, Http) or secured(case.measurement.observations, observation):
            continue
        for found in case.match(observation):
            shown_at: dict[str, Value] = {
                "host": observation.host,
                "place": place(observation),
                "fingerprint": found.tells,
                "name": found.name,
            }
            if found.is_block and found.name in case.shown_abroad:
                yield evidence("page.shown_abroad", **shown_at)
            elif found.is_block:
                yield evidence("page.block", **shown_at)
                yield evidence(f"page.{found.kind}", **shown_at)
                if answer.status == STATUS_OK:
                    yield evidence("page.as_content", **shown_at)
            elif found.is_page:
                yield evidence("page.vague" if found.scope == "vbw" else "page.hint", **shown_at)
            elif found.kind == "false_positive":
                yield evidence("page.false_positive", **shown_at)
