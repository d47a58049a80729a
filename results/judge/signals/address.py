"""Signals about the address at which it failed: what controls, other targets of the round and other ports got."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Observation
from probe.timestamps import parse_time
from results.judge.control_standing import AssessedControl
from results.judge.control_steps import failed_places
from results.judge.failure_point import (
    BEGINS,
    ENDPOINT_STEPS,
    INTERFERED,
    OWN_NETWORK,
    STEPS,
    is_answered,
    last_attempt,
    method_of,
)
from results.judge.input import Case, share_network
from results.judge.verdict import Evidence, SiblingContact
from results.judge.wording import evidence, failed_step, method, place

SEVERAL = 2
NOT_ALLOWED = "dns_bogon_error"
"""The failure of a connect that the address policy refuses."""
WEB_PORTS = (80, 443)
"""Ports that every network lets through; others, such as those of mail, may be closed whatever the address."""


def signals(case: Case) -> Iterator[Evidence]:
    failed = case.end.observation
    if case.end.complete or failed is None or failed.step not in ENDPOINT_STEPS:
        return
    if failed.address is None:  # a proxy looked the name up
        if len(case.qualified) < SEVERAL:
            yield evidence("control.alone", place=place(failed))
        return
    yield from _controls(case, failed)
    yield from _siblings(case, failed)
    yield from _first(case, failed)
    if failed.step == "tcp" and failed.port not in WEB_PORTS:
        yield from _port(case, failed)


def _controls(case: Case, failed: Observation) -> Iterator[Evidence]:
    places = failed_places(case.measurement, case.end) or (failed,)
    there = [(control, [_at(control, one) for one in places]) for control in case.qualified]
    passed = [control for control, tried in there if any(o is not None and o.failure is None for o in tried)]
    for control in passed[:1]:
        yield evidence("control.passes_there", control=control.name, place=place(failed))
    if len({control.name for control in passed}) >= SEVERAL:
        yield evidence("control.several", count=len(passed), place=place(failed))
        return
    yield evidence("control.alone:there" if passed else "control.alone", place=place(failed))
    if passed:
        yield evidence("control.single", place=place(failed))
    else:
        yield from _not_passed(case, failed, [(control, o) for control, tried in there for o in tried[:1] if o])


def _not_passed(
    case: Case, failed: Observation, failures: list[tuple[AssessedControl, Observation]]
) -> Iterator[Evidence]:
    for control, at in failures[:1]:
        yield evidence(
            "control.fails_there",
            control=control.name,
            place=place(failed),
            failure=failed_step(at, method_of(at)),
        )
    if failures or not case.qualified:
        return
    yield evidence("control.not_there", place=place(failed))
    trusted = [address for answers in case.names if answers.host == case.end.host for address in answers.trusted]
    elsewhere = [(control, o) for control in case.qualified if (o := _connected(control, case.end.host)) is not None]
    known = [o.address for _, o in elsewhere if o.address is not None]
    if known and len(known) == len(elsewhere) and not share_network([str(failed.address)], [*known, *trusted]):
        control, o = elsewhere[0]
        yield evidence("control.elsewhere", control=control.name, other=place(o), place=place(failed))


def _at(control: AssessedControl, failed: Observation) -> Observation | None:
    """What a control got at the vantage point's address, as far as the step that failed; None where it cannot tell."""
    tried = [
        o
        for o in control.measurement.observations
        if o.step in ENDPOINT_STEPS and (o.host, o.address, o.port) == (failed.host, failed.address, failed.port)
    ]
    if failed.step == "tcp" and not is_answered(tried):
        return None
    for o in tried:
        if o.failure is None and STEPS.index(o.step) >= STEPS.index(failed.step):
            return o
    last = tried[-1] if tried else None
    if last is None or last.failure is None or _is_own_fault(control, last):
        return None
    return last


def _is_own_fault(control: AssessedControl, failed: Observation) -> bool:
    """Whether a control's failure may be its own: what it may not connect to, or a family that it does not have."""
    if failed.failure in (*OWN_NETWORK, NOT_ALLOWED):
        return True
    others = (o.address for o in control.measurement.observations if o.failure is None and o.step in ENDPOINT_STEPS)
    return ":" in (failed.address or "") and not any(address and ":" in address for address in others)


def _connected(control: AssessedControl, host: str) -> Observation | None:
    """Where a control's own course got through for a host."""
    course = control.measurement.observations
    return next((o for o in course if o.role == "main" and o.host == host and _got_in(o)), None)


def _got_in(o: Observation) -> bool:
    return o.step in BEGINS and o.failure is None


def _siblings(case: Case, failed: Observation) -> Iterator[Evidence]:
    here = [contact for contact in case.context.contacts if contact.address == failed.address]
    passed = next((c for c in reversed(here) if c.port == failed.port and _passes(c, failed.step)), None)
    if passed is not None:
        yield evidence("sibling.passes", host=passed.host, place=place(failed))
    if failed.step not in BEGINS:
        return
    since = {c: (parse_time(failed.started_at) - parse_time(c.at)).total_seconds() for c in here}
    cut = [c for c in here if c.method in INTERFERED and since[c] > 0]
    if cut:
        last = min(cut, key=lambda contact: since[contact])
        yield evidence(
            "sibling.cut_before", host=last.host, method=method(last.method), place=place(failed), seconds=since[last]
        )


def _passes(contact: SiblingContact, step: str) -> bool:
    """Whether a contact got through a step, whatever became of it after that."""
    if contact.step not in STEPS or step not in STEPS:
        return False
    beyond = STEPS.index(contact.step) - STEPS.index(step)
    return beyond > 0 or (beyond == 0 and contact.method is None)


def _first(case: Case, failed: Observation) -> Iterator[Evidence]:
    """A re-test that only finds silence where the first measurement was cut off at a later step."""
    first = case.context.first
    if first is None or first.outcome != "blocked" or first.address != failed.address or failed.step not in BEGINS:
        return
    if first.method in INTERFERED and STEPS.index(first.method.partition(".")[0]) > STEPS.index(failed.step):
        yield evidence("first.sharper", method=method(first.method), place=place(failed))


def _port(case: Case, failed: Observation) -> Iterator[Evidence]:
    """Whether this network lets anything through to the port: many close those of mail, whatever the address."""
    at_other = (c for c in case.context.contacts if c.port == failed.port and c.address != failed.address)
    contact = next((c for c in at_other if _passes(c, failed.step)), None)
    tried = last_attempt(case.measurement.observations, "elsewhere", case.end.hop)
    if contact is not None:
        yield evidence("port.passes_elsewhere", port=failed.port or 0, place=f"{contact.address}:{contact.port}")
    elif tried is not None and tried.port == failed.port and _answers(tried, failed):
        yield evidence("port.passes_elsewhere", port=failed.port or 0, place=place(tried))
    else:
        yield evidence("port.unproven", port=failed.port or 0)


def _answers(tried: Observation, failed: Observation) -> bool:
    """Whether an address answered, be it by refusing where the other is silent."""
    silent = method_of(failed) == "tcp.timeout"
    return tried.failure is None or (silent and method_of(tried) == "tcp.refused")
