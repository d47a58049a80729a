"""Signals from answers in the open: what the page says, what its address gives for another path and another name."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Http, Observation
from probe.net.address_policy import is_public, literal
from results.fingerprints import host_of, leads_to
from results.fingerprints.hints import hint_in
from results.fingerprints.page_text import page_texts
from results.i18n.translator import Phrase, Value
from results.judge.control_standing import answered
from results.judge.failure_point import last_attempt, off_site_hop, same_site, secured, vouched
from results.judge.input import Case
from results.judge.likeness import other_machine, same_page, server
from results.judge.verdict import Evidence
from results.judge.wording import evidence, place

ERRORS, SERVER_ERROR = 400, 500
FEW_LETTERS = 8


def signals(case: Case) -> Iterator[Evidence]:
    """Nothing where TLS vouches for the whole chain."""
    observations, end = case.measurement.observations, case.end
    if vouched(observations, end):
        return
    hop = off_site_hop(observations)
    yield from _words(case, hop)
    if hop is not None:
        yield from _off_site(case, hop)
    answer = end.observation
    if not end.complete or answer is None or not isinstance(answer.detail, Http) or secured(observations, answer):
        return
    if case.context.page_sites:
        yield evidence("page.shared", count=case.context.page_sites)
    yield from _other_path(case, answer, answer.detail)
    yield from _other_name(case, answer, answer.detail)


def _words(case: Case, off_site: int | None) -> Iterator[Evidence]:
    """What pages say that anything on the path may have written; also a stranger's page behind a redirect."""
    for observation in case.answers:
        answer = observation.detail
        behind = off_site is not None and observation.hop > off_site
        if not isinstance(answer, Http) or (secured(case.measurement.observations, observation) and not behind):
            continue
        shown_at: dict[str, Value] = {"host": observation.host, "place": place(observation)}
        hint = hint_in(answer)
        if hint is not None:
            yield evidence("page.refuses" if hint.refuses else "page.words", words=hint.says, **shown_at)
        target = host_of(leads_to(answer))
        leads = target and literal(target) and not is_public(target)
        if leads and not _is_private(case, observation) and not _leads_any_name(case, observation, target):
            yield evidence("page.words:private", address=target or "", **shown_at)


def _is_private(case: Case, observation: Observation) -> bool:
    return case.context.allow_private or observation.address is None or not is_public(observation.address)


def _leads_any_name(case: Case, answer: Observation, target: str | None) -> bool:
    """Whether an innocuous name is led to the same host, as by the login page of a network that lets nobody through."""
    innocent = last_attempt(case.measurement.observations, "innocent", answer.hop)
    return innocent is not None and innocent.failure is None and _target(innocent) == target


def _off_site(case: Case, hop: int) -> Iterator[Evidence]:
    """A redirect over plain HTTP to another site, which anything on the path can write."""
    observations = case.measurement.observations
    first = next((o for o in case.answers if o.hop == hop and _target(o) is not None), None)
    if first is None:
        return
    target = _target(first)
    shown: dict[str, Value] = {"host": first.host, "target": target or ""}
    yield evidence("chain.leaves_site", **shown)
    again, innocent = (last_attempt(observations, role, hop) for role in ("again", "innocent"))
    if again is not None and target is not None and _target(again) == target:
        yield evidence("chain.again", **shown)
    if innocent is not None and innocent.failure is None and _target(innocent) != target:
        yield evidence("chain.not_for_innocent", place=place(innocent), target=shown["target"])
    for control in case.qualified:
        end = control.end
        hosts = {o.host for o in control.measurement.observations if o.role == "main"}
        got = answered(control.measurement)
        if (
            end.complete
            and not control.doubt
            and got
            and target not in hosts | {_target(got[-1])}
            and same_site(end.host, first.host)
        ):
            yield evidence("control.stays_on_site", control=control.name, status=got[-1].detail.status, **shown)


def _target(answer: Observation) -> str | None:
    """The host an answer redirects to."""
    return host_of(leads_to(answer.detail)) if isinstance(answer.detail, Http) else None


def _other_path(case: Case, answer: Observation, page: Http) -> Iterator[Evidence]:
    """Whether the page is the same whatever path of the name is asked for, which a service's own rarely is."""
    other = _answer(case, "other_page")
    if other is None or not isinstance(other.detail, Http):
        return
    host = answer.host
    if same_page(page, other.detail):
        yield evidence("page.any_path", host=host, place=place(other))
        innocent = _answer(case, "innocent")
        if innocent is not None and _is_other_machine(page, innocent):
            yield evidence("page.unproven:other_server")
        elif _is_blank(page):
            yield evidence("page.unproven:blank")
    elif other_machine(page, other.detail):
        yield evidence("page.other_server", host=host, **servers(page, other.detail))
    else:
        yield evidence("page.by_path", host=host, place=place(other), status=other.detail.status or 0)


def _other_name(case: Case, answer: Observation, page: Http) -> Iterator[Evidence]:
    """What an innocuous name in Host gets at the same address."""
    innocent = _answer(case, "innocent")
    if innocent is None or not isinstance(innocent.detail, Http) or innocent.address != answer.address:
        return
    if same_page(page, innocent.detail):
        yield evidence("page.for_innocent", place=place(innocent))
        return
    yield evidence("page.not_for_innocent", place=place(innocent), status=innocent.detail.status or 0)
    if _is_other_machine(page, innocent):
        yield evidence("page.other_machine", place=place(innocent), **servers(page, innocent.detail))


def _answer(case: Case, role: str) -> Observation | None:
    """The answer that a follow-up at the last hop got."""
    found = last_attempt(case.measurement.observations, role, case.end.hop)  # type: ignore[arg-type]
    answered = found is not None and isinstance(found.detail, Http) and found.detail.status is not None
    return found if answered else None


def _is_other_machine(page: Http, innocent: Observation) -> bool:
    """A balancer's error for a service without a working server is a machine of the service's own."""
    return (page.status or 0) < SERVER_ERROR and other_machine(page, innocent.detail)


def _is_blank(page: Http) -> bool:
    """Whether a page has hardly a word, and at most pictures."""
    read = page_texts(page)[:1]
    return all(len(found.text) - len(found.title) < FEW_LETTERS and not found.links for found in read)


def servers(ours: Http, theirs: Http) -> dict[str, Value]:
    """What two answers say of their servers, as values of a sentence."""
    return {name: server(one) or Phrase("evidence.none") for name, one in (("ours", ours), ("theirs", theirs))}


def trusted(case: Case) -> Iterator[Evidence]:
    """A trusted resolver's address that serves another page than a contradicted one."""
    answer = last_attempt(case.measurement.observations, "trusted", case.end.hop)
    ours = case.end.observation
    if answer is None or ours is None or not case.end.complete or not isinstance(ours.detail, Http):
        return
    page = answer.detail
    if not isinstance(page, Http) or answer.failure is not None or (page.status or ERRORS) >= ERRORS:
        return
    if hint_in(page) is None and not same_page(ours.detail, page):
        yield evidence("trusted.no_words", place=place(answer), host=answer.host)
