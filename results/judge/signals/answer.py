"""The end of the main course: an answer and what vouches for it, or the failure that decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probe.model import Http, Observation
from probe.net.address_policy import family_of
from probe.steps import schemes
from results.fingerprints import Match, refusals
from results.judge.evidence_text import clean, place, tells
from results.judge.failure_point import (
    BEGINS,
    ENDPOINT_STEPS,
    OWN_NETWORK,
    last_attempt,
    method_of,
    plain_hops,
    same_site,
    vouched,
)
from results.judge.input import Case

TOLD = 1
WORDS = {"ipv4": "IPv4", "ipv6": "IPv6"}
REFUSING = {403: "Forbidden", 429: "Too Many Requests", 451: "Unavailable For Legal Reasons"}


def signs(case: Case) -> Iterator[tuple[str, str]]:
    end, observations = case.end, case.measurement.observations
    if end.observation is None:
        return
    if not end.complete:
        yield from _failure(case, end.observation)
        return
    where = f"{clean(end.host)} at {place(end.observation)}"
    valid = vouched(observations, end)
    if valid:
        yield "over.valid_tls", f"{where}: the certificate is valid for the name"
    answer = end.observation.detail
    if isinstance(answer, Http):
        size = f"{answer.length} bytes" if answer.length is not None else "no body"
        cut = ", as much as is ever read" if answer.truncated else ""
        yield "answer.complete", f"{where}: status {answer.status}, {size}{cut}"
        yield from refusal(where, answer, refusals(answer) if valid else case.match(end.observation))
        yield from _strayed(case)
    else:
        spec = schemes()[end.scheme]
        yield f"answer.{spec.answer}", f"{where}: {spec.passed} in {end.observation.duration_s:.2f} s"
    beside = last_attempt(observations, "offered", end.hop)
    if beside is not None and beside.failure is not None:
        says = f"QUIC to the same host, which it offers, fails: {method_of(beside) or clean(beside.failure)}"
        yield "quic.fails_beside", f"{says} after {beside.duration_s:.2f} s at {place(beside)}"
    yield from _families(case, [o for o in observations if o.role == "main" and o.hop == end.hop])


def _failure(case: Case, failed: Observation) -> Iterator[tuple[str, str]]:
    sentence = tells(failed, case.end.method)
    yield "fails", sentence
    if case.end.method is None:
        return  # No rule may call this blocked: the closed list has no word for it.
    yield f"fails.{failed.step}", sentence
    yield f"fails.{case.end.method}", sentence
    if failed.step in BEGINS and failed.address and (family := family_of(failed.address)) not in _working(case):
        word = WORDS[family]
        says = f"only {word} addresses failed here, and nothing shows that {word} works on this network"
        yield "family.unproven", says


def refusal(where: str, answer: Http, found: tuple[Match, ...]) -> Iterator[tuple[str, str]]:
    """The sign that a service turns the visitor away: a known challenge or geoblock page, or a status that says so."""
    if any(one.is_block for one in found):
        return
    known = next((one for one in found if one.is_refusal), None)
    if known is not None:
        sentence = f"{where}: {known.tells} (status {answer.status})"
        yield "refusal", sentence
        yield "refusal.known", sentence
    elif answer.status in REFUSING:
        yield "refusal", f"{where}: status {answer.status} {REFUSING[answer.status]}"


def _strayed(case: Case) -> Iterator[tuple[str, str]]:
    """A redirect in the open that left the site: anybody could have written it."""
    observations = case.measurement.observations
    hosts = {o.hop: o.host for o in observations if o.role == "main"}
    for hop in plain_hops(observations):
        there = hosts.get(hop + 1)
        if there is not None and not same_site(hosts[hop], there):
            yield "chain.leaves_site", f"{clean(hosts[hop])} leads in the open to {clean(there)}"


def _working(case: Case) -> tuple[str, ...]:
    """The families that a failure may be held against; IPv4 where the canaries showed nothing."""
    return case.context.families or ("ipv4",)


def _families(case: Case, here: Sequence[Observation]) -> Iterator[tuple[str, str]]:
    """A family or address that failed beside one that answered stays in the evidence.

    A family of which the canaries showed another alone to work is no anomaly: this network has none.
    """
    last = {o.address: o for o in here if o.step in ENDPOINT_STEPS and o.address}
    reached = {family_of(address) for address, o in last.items() if address and o.failure is None}
    shown = case.context.families
    for o in here:
        if o.failure is None:
            continue
        if o.step == "dns" and o.failure != "dns_no_answer":
            family = "ipv6" if o.detail.query_type == "AAAA" else "ipv4"
            yield f"family.{family}_name_fails", f"in one family only: {tells(o, method_of(o))} ({family})"
        elif o.step in ENDPOINT_STEPS and o.address:
            family = family_of(o.address)
            if family in reached or shown is None:
                own = " (this network may have none)" if o.failure in OWN_NETWORK else ""
                yield f"family.{family}_fails", f"another address did not work: {place(o)}, {clean(o.failure)}{own}"
            elif family in shown:
                says = f"over {WORDS[family]} alone it does not work, though that works on this network"
                yield f"family.{family}_fails", f"{says}: {place(o)}, {clean(o.failure)}"
