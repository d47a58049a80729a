"""Signals from the retries, and from the A/B steps with an innocuous name."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Http, Observation
from results.fingerprints import host_of
from results.i18n.translator import Phrase
from results.judge.failure_point import (
    HANDSHAKES,
    INTERFERED,
    METHOD_SPECS,
    OWN_NETWORK,
    STEPS,
    attempts,
    is_out_of_date,
    last_attempt,
    method_of,
    presented,
    stopped_alike,
)
from results.judge.input import Case, failure_of
from results.judge.likeness import alike
from results.judge.packet_size import NAMED
from results.judge.verdict import Evidence
from results.judge.wording import evidence, failed_step, listed, place

SILENCES = tuple(method.name for method in METHOD_SPECS.values() if method.is_silence)
"""What packet loss does too, now at one step and now at another; interference with a name stays at one step."""
FAILS_ELSEWHERE = tuple(method for method in INTERFERED if method != "http.eof")
"""Closing without an answer is how servers turn away a Host that they do not know."""


def signals(case: Case) -> Iterator[Evidence]:
    end = case.end
    if end.observation is None:
        return
    if end.complete:
        yield from _same_answer(case, end.observation)
        yield from _innocent_page(case)
        yield from _other_page(case)
        return
    failed = end.observation
    yield from _second_lookup(case) if failed.step == "dns" else _second_try(case, failed)
    if failed.step in (*HANDSHAKES, "http"):
        yield from _innocent_here(case, failed)
        yield from _made_up(case, failed)
        yield from _listed_here(case, failed)
        yield from _other_path(case, failed)
        yield from _elsewhere(case)
    if failed.step == "quic":
        yield from _unproven_quic(case)


def _same_answer(case: Case, first: Observation) -> Iterator[Evidence]:
    again = last_attempt(case.measurement.observations, "again", case.end.hop)
    if again is None or again.failure is not None or not isinstance(again.detail, Http):
        return
    if isinstance(first.detail, Http) and alike(again.detail, first.detail):
        yield evidence("again.same_answer", place=place(again))


def _second_lookup(case: Case) -> Iterator[Evidence]:
    for answers in case.names:
        if answers.host == case.end.host and answers.asked("again"):
            failed = failure_of(answers.observations, "again")
            if failed is None:
                yield evidence("again.passes:lookup", host=answers.host)
            else:
                yield evidence("again.fails", failure=failed_step(failed, method_of(failed)))


def _second_try(case: Case, failed: Observation) -> Iterator[Evidence]:
    again = last_attempt(case.measurement.observations, "again", case.end.hop)
    if again is None or again.failure in OWN_NETWORK or again.address != failed.address:
        return
    if again.failure is None:
        yield evidence("again.passes", host=again.host, place=place(again))
        return
    first, second = case.end.method, method_of(again)
    variant = "again.fails"
    if STEPS.index(again.step) > STEPS.index(failed.step):
        variant = "again.differs:further"
    elif first == second == "http.stall" and not stopped_alike(failed, again):
        variant = "again.differs:stalled"
    elif first in SILENCES and second not in (None, first):
        variant = "again.differs:silent"
    elif second is None and first is not None:
        variant = "again.differs"
    yield evidence(variant, failure=failed_step(again, second))


def _innocent_here(case: Case, failed: Observation) -> Iterator[Evidence]:
    """What an innocuous name gets at the same address, right after, and where that failed some time later."""
    tries = attempts(case.measurement.observations, "innocent", case.end.hop)
    if not tries or tries[-1].address != failed.address:
        return
    innocent, name, where = tries[-1], _sent_name(tries[-1]), place(tries[-1])
    if presented(innocent) and (failed.step in HANDSHAKES or innocent.step == failed.step):
        handshake = ":handshake" if failed.step in HANDSHAKES else ""
        yield evidence(f"innocent.passes_here{handshake}", name=name, place=where)
        if len(tries) > 1:
            yield evidence("innocent.passes_later", place=where, seconds=_seconds_after_name(case, innocent))
    elif method_of(innocent) == case.end.method:
        if len(tries) == 1:
            yield evidence("innocent.fails_same", name=name, place=where)
        else:
            yield evidence(
                "innocent.fails_same:repeatedly",
                name=name,
                place=where,
                count=len(tries),
                seconds=_seconds_after_name(case, innocent),
            )


def _made_up(case: Case, failed: Observation) -> Iterator[Evidence]:
    """Whether the server answers a name that nobody has, or is strict about names."""
    made_up = last_attempt(case.measurement.observations, "made_up", case.end.hop)
    if made_up is None or made_up.address != failed.address:
        return
    if presented(made_up) and (failed.step in HANDSHAKES or made_up.step == failed.step):
        yield evidence("made_up.passes", name=_sent_name(made_up), place=place(made_up))
    elif method_of(made_up) == case.end.method:
        yield evidence("made_up.fails_same", name=_sent_name(made_up), place=place(made_up))


def _listed_here(case: Case, failed: Observation) -> Iterator[Evidence]:
    """What a name of the allow-list gets at the same address; its own server there would say nothing of the network."""
    listed = last_attempt(case.measurement.observations, "listed", case.end.hop)
    if listed is None or listed.address != failed.address or listed.step not in HANDSHAKES:
        return
    if listed.failure is None or is_out_of_date(listed):
        yield evidence("listed.own_server", name=_sent_name(listed), place=place(listed))
    elif presented(listed):
        yield evidence("listed.passes_here", name=_sent_name(listed), place=place(listed))
    elif method_of(listed) == case.end.method:
        yield evidence("listed.fails_same", name=_sent_name(listed), place=place(listed))


def _other_path(case: Case, failed: Observation) -> Iterator[Evidence]:
    """Whether another page of the same name is answered at the same address, so that the name alone is not why."""
    other = last_attempt(case.measurement.observations, "other_page", case.end.hop)
    if other is not None and other.address == failed.address and presented(other) and other.step == "http":
        yield evidence("name.passes_other_path", host=other.host, place=place(other), status=other.detail.status)


def _seconds_after_name(case: Case, last: Observation) -> float:
    """Seconds from the last step with the target's name before `last` to the end of `last`."""
    hop = case.end.hop
    named = (o for o in case.measurement.observations if o.role in NAMED and o.hop == hop)
    ends = [o.offset_s + o.duration_s for o in named if o.offset_s < last.offset_s]
    return last.offset_s + last.duration_s - max(ends, default=0.0)


def _innocent_page(case: Case) -> Iterator[Evidence]:
    """Whether an innocuous name gets another page at the address where the target's name gets a block page."""
    innocent = last_attempt(case.measurement.observations, "innocent", case.end.hop)
    if innocent is not None and _is_page_without_block(case, innocent):
        status = innocent.detail.status
        yield evidence("innocent.no_block_page", name=_sent_name(innocent), place=place(innocent), status=status)


def _other_page(case: Case) -> Iterator[Evidence]:
    """Whether another page of the same name is no block page where this one is."""
    other = last_attempt(case.measurement.observations, "other_page", case.end.hop)
    if other is not None and _is_page_without_block(case, other):
        yield evidence("page.only_here", host=other.host, place=place(other), status=other.detail.status)


def _is_page_without_block(case: Case, answer: Observation) -> bool:
    if not isinstance(answer.detail, Http) or answer.detail.status is None:
        return False
    return not any(found.is_block for found in case.match(answer))


def _elsewhere(case: Case) -> Iterator[Evidence]:
    observations, hop = case.measurement.observations, case.end.hop
    innocent = last_attempt(observations, "elsewhere_innocent", hop)
    if innocent is not None and presented(innocent):
        yield evidence("innocent.passes_elsewhere", name=_sent_name(innocent), place=place(innocent))
    elif innocent is not None and innocent.step != "tcp" and method_of(innocent) == case.end.method is not None:
        yield evidence("innocent.fails_elsewhere", name=_sent_name(innocent), place=place(innocent))
    named = last_attempt(observations, "elsewhere", hop)
    if named is None:
        return
    if presented(named):
        yield evidence("name.passes_elsewhere", host=named.host, place=place(named))
    elif method_of(named) in FAILS_ELSEWHERE and case.end.method in INTERFERED:
        yield evidence("name.fails_elsewhere", failure=failed_step(named, method_of(named)))
        if method_of(named) == case.end.method:
            yield evidence("name.fails_alike", host=named.host, place=place(named))


def _unproven_quic(case: Case) -> Iterator[Evidence]:
    """Companies and some countries let no QUIC through, whatever its target."""
    tried = [o for o in case.measurement.observations if o.step == "quic"]
    if any(presented(o) for o in tried):
        return
    places = sorted({place(o) for o in tried if o.role == "elsewhere_innocent"})
    yield evidence("quic.unproven:elsewhere", places=listed(places)) if places else evidence("quic.unproven")


def _sent_name(observation: Observation) -> str | Phrase:
    """The name that was sent: the SNI, or the Host of a request."""
    sent = observation.detail
    name = host_of(sent.url) if isinstance(sent, Http) else getattr(sent, "server_name", None)
    return name or Phrase("evidence.none")
