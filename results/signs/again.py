"""The second tries, and the A/B steps with an innocent name."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Http, Observation
from results.case import Case
from results.course import HANDSHAKES, OWN_NETWORK, STEPS, last_attempt, method_of, presented
from results.dns_answers import failure_of
from results.sentences import clean, place, tells
from results.signs.controls import alike

TOLD = 2
INTERFERED = ("tls.reset", "tls.timeout", "tls.eof", "quic.timeout")
"""Ways for a handshake to end that a server set aside for it does not choose by itself; an alert it may."""


def signs(case: Case) -> Iterator[tuple[str, str]]:
    end = case.end
    if end.observation is None:
        return
    if end.complete:
        yield from _same_answer(case, end.observation)
        return
    failed = end.observation
    yield from _second_lookup(case) if failed.step == "dns" else _second_try(case, failed)
    if failed.step in HANDSHAKES:
        yield from _innocent_here(case, failed)
        yield from _elsewhere(case)


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
    if again.failure is None:
        yield "again.passes", f"{clean(again.host)} at {place(again)}: a second try got through"
    elif STEPS.index(again.step) <= STEPS.index(failed.step):
        yield "again.fails", "a second try: " + tells(again, method_of(again))
    else:
        yield "again.differs", "a second try got further: " + tells(again, method_of(again))


def _innocent_here(case: Case, failed: Observation) -> Iterator[tuple[str, str]]:
    innocent = last_attempt(case.measurement.observations, "innocent", case.end.hop)
    if innocent is None or innocent.address != failed.address:
        return
    if presented(innocent):
        yield (
            "innocent.passes_here",
            f"with the innocent name {_sni(innocent)}, {place(innocent)} answers the handshake",
        )
    elif method_of(innocent) == case.end.method:
        yield "innocent.fails_same", f"the innocent name {_sni(innocent)} fails at {place(innocent)} in the same way"


def _elsewhere(case: Case) -> Iterator[tuple[str, str]]:
    observations, hop = case.measurement.observations, case.end.hop
    innocent = last_attempt(observations, "elsewhere_innocent", hop)
    if innocent is not None and presented(innocent):
        yield "innocent.passes_elsewhere", f"the innocent name {_sni(innocent)} passes at {place(innocent)} as well"
    named = last_attempt(observations, "elsewhere", hop)
    if named is None:
        return
    if presented(named):
        yield "name.passes_elsewhere", f"{clean(named.host)} is let through to {place(named)}"
    elif method_of(named) in INTERFERED and case.end.method in INTERFERED:
        yield "name.fails_elsewhere", "at an address set aside for it: " + tells(named, method_of(named))


def _sni(observation: Observation) -> str:
    return clean(getattr(observation.detail, "server_name", None) or "(none)")
