"""The second tries, and the A/B steps with an innocent name."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Http, Observation
from results.fingerprints import host_of
from results.judge.dns_answers import failure_of
from results.judge.evidence_text import clean, place, tells
from results.judge.failure_point import (
    HANDSHAKES,
    INTERFERED,
    METHOD_SPECS,
    OWN_NETWORK,
    STEPS,
    attempts,
    last_attempt,
    method_of,
    presented,
    stopped_alike,
)
from results.judge.input import Case
from results.judge.signals.controls import alike

TOLD = 2
SILENCES = tuple(method.name for method in METHOD_SPECS.values() if method.is_silence)
"""What a lossy line does too, once here and once there; what stops a name stops it at one step."""
ELSEWHERE = tuple(method for method in INTERFERED if method != "http.eof")
"""Closing without an answer is how servers turn away a Host that they do not know."""


def signs(case: Case) -> Iterator[tuple[str, str]]:
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
        yield from _elsewhere(case)
    if failed.step == "quic":
        yield from _unproven_quic(case)


def _same_answer(case: Case, first: Observation) -> Iterator[tuple[str, str]]:
    again = last_attempt(case.measurement.observations, "again", case.end.hop)
    if again is None or again.failure is not None or not isinstance(again.detail, Http):
        return
    if isinstance(first.detail, Http) and alike(again.detail, first.detail):
        yield "again.same_answer", f"asked again, {place(again)} gave the same answer"


def _second_lookup(case: Case) -> Iterator[tuple[str, str]]:
    for answers in case.names:
        if answers.host == case.end.host and answers.asked("again"):
            failed = failure_of(answers.observations, "again")
            if failed is None:
                yield "again.passes", f"asked again, {clean(answers.host)} had addresses"
            else:
                yield "again.fails", "asked again: " + tells(failed, method_of(failed))


def _second_try(case: Case, failed: Observation) -> Iterator[tuple[str, str]]:
    again = last_attempt(case.measurement.observations, "again", case.end.hop)
    if again is None or again.failure in OWN_NETWORK or again.address != failed.address:
        return
    told = tells(again, method_of(again))
    if again.failure is None:
        yield "again.passes", f"{clean(again.host)} at {place(again)}: a second try got through"
    elif STEPS.index(again.step) > STEPS.index(failed.step):
        yield "again.differs", f"a second try got further: {told}"
    elif case.end.method == method_of(again) == "http.stall" and not stopped_alike(failed, again):
        yield "again.differs", f"a second try stood still elsewhere: {told}"
    elif case.end.method in SILENCES and method_of(again) not in (None, case.end.method):
        yield "again.differs", f"a second try fell silent elsewhere: {told}"
    elif method_of(again) is None and case.end.method is not None:
        yield "again.differs", f"a second try failed in another way: {told}"
    else:
        yield "again.fails", f"a second try: {told}"


def _innocent_here(case: Case, failed: Observation) -> Iterator[tuple[str, str]]:
    """What an innocent name gets at the same address, right after, and where that failed some time later."""
    tries = attempts(case.measurement.observations, "innocent", case.end.hop)
    if not tries or tries[-1].address != failed.address:
        return
    innocent, where = tries[-1], place(tries[-1])
    if presented(innocent) and (failed.step in HANDSHAKES or innocent.step == failed.step):
        what = "answers the handshake" if failed.step in HANDSHAKES else "answers"
        yield "innocent.passes_here", f"with the innocent name {_said(innocent)}, {where} {what}"
        if len(tries) > 1:
            waited = f"{_apart(case, tries):.1f} s after the name it passes"
            says = f"residual blocking: right after the name, the innocent one fails at {where} too; {waited}"
            yield "innocent.passes_later", says
    elif method_of(innocent) == case.end.method:
        over = f", {len(tries)} times, the last {_apart(case, tries):.1f} s after the name" if len(tries) > 1 else ""
        yield "innocent.fails_same", f"the innocent name {_said(innocent)} fails at {where} in the same way{over}"


def _apart(case: Case, tries: list[Observation]) -> float:
    """Seconds between the name's last step before the last try of the innocent one, and the end of that try."""
    last, hop = tries[-1], case.end.hop
    named = (o for o in case.measurement.observations if o.role in ("main", "again") and o.hop == hop)
    ends = [o.offset_s + o.duration_s for o in named if o.offset_s < last.offset_s]
    return last.offset_s + last.duration_s - max(ends, default=0.0)


def _innocent_page(case: Case) -> Iterator[tuple[str, str]]:
    """Whether an innocent name gets another page at the address where the name gets a block page."""
    innocent = last_attempt(case.measurement.observations, "innocent", case.end.hop)
    if innocent is None or not isinstance(innocent.detail, Http) or innocent.detail.status is None:
        return
    if not any(found.is_block for found in case.match(innocent)):
        says = f"with the innocent name {_said(innocent)}, {place(innocent)} answers {innocent.detail.status}"
        yield "innocent.no_block_page", f"{says} and no block page"


def _other_page(case: Case) -> Iterator[tuple[str, str]]:
    """Whether another page of the same name is no block page where this one is."""
    other = last_attempt(case.measurement.observations, "other_page", case.end.hop)
    if other is None or not isinstance(other.detail, Http) or other.detail.status is None:
        return
    if not any(found.is_block for found in case.match(other)):
        says = f"another page of {clean(other.host)} at {place(other)} answers {other.detail.status}"
        yield "page.only_here", f"{says} and is no block page"


def _elsewhere(case: Case) -> Iterator[tuple[str, str]]:
    observations, hop = case.measurement.observations, case.end.hop
    innocent = last_attempt(observations, "elsewhere_innocent", hop)
    if innocent is not None and presented(innocent):
        yield "innocent.passes_elsewhere", f"the innocent name {_said(innocent)} passes at {place(innocent)} as well"
    named = last_attempt(observations, "elsewhere", hop)
    if named is None:
        return
    if presented(named):
        yield "name.passes_elsewhere", f"{clean(named.host)} is let through to {place(named)}"
    elif method_of(named) in ELSEWHERE and case.end.method in INTERFERED:
        yield "name.fails_elsewhere", "at an address set aside for it: " + tells(named, method_of(named))


def _unproven_quic(case: Case) -> Iterator[tuple[str, str]]:
    """Companies and some countries let no QUIC through, whoever it is for."""
    tried = [o for o in case.measurement.observations if o.step == "quic"]
    if any(presented(o) for o in tried):
        return
    others = {place(o) for o in tried if o.role == "elsewhere_innocent"}
    says = "nothing shows that this network lets any QUIC through"
    yield "quic.unproven", f"{says}; it fails at {', '.join(sorted(others))} too" if others else says


def _said(observation: Observation) -> str:
    """The name that was sent: the SNI, or the Host of a request."""
    sent = observation.detail
    name = host_of(sent.url) if isinstance(sent, Http) else getattr(sent, "server_name", None)
    return clean(name or "(none)")
