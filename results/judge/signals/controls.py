"""Controls: whether they got through where the vantage did not, and whether they see the same."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Http, Observation
from probe.steps import specs
from results.fingerprints import match
from results.judge.evidence_text import clean, tells
from results.judge.failure_point import FINAL, HANDSHAKES, STEPS, Ending, stopped_alike
from results.judge.input import Case, Control, answered
from results.judge.signals.answer import refusal

TOLD = 5
VAGUE = ("host_unreachable", "network_unreachable")
ORDINARY = {"date", "content-type", "content-length", "connection", "transfer-encoding"}
"""Header fields that any server sends."""
ALIKE = 0.7
"""The share of the longer body's length from which two bodies are alike (as OONI's web_connectivity has it)."""


def signs(case: Case) -> Iterator[tuple[str, str]]:
    for control in case.controls:
        if control.disqualified:
            yield "control.disqualified", f"control {clean(control.name)} is not counted: {control.disqualified}"
            yield from _same_page(case, control)
    if not case.qualified and not _trusted_for_dns(case):
        yield "control.none", "there is no control for this step"
    for control in case.qualified:
        yield from _beside_answer(case, control) if case.end.complete else _beside_failure(case, control)
    if case.qualified and not case.end.complete and all(_fails_same(case, control) for control in case.qualified):
        names = ", ".join(clean(control.name) for control in case.qualified)
        yield "control.all_fail_same", f"every control ({names}) fails in the same way"


def _trusted_for_dns(case: Case) -> bool:
    """A trusted resolver that answered is a control for the DNS step."""
    return case.end.step == "dns" and any(answers.trusted for answers in case.names)


def _beside_failure(case: Case, control: Control) -> Iterator[tuple[str, str]]:
    name, end = clean(control.name), control.end
    if _fails_same(case, control):
        yield "control.fails_same", f"control {name} fails in the same way"
        return
    leaf = _leaf(control.measurement.observations, case.end.host)
    if case.end.method == "tls.mitm" and leaf is not None and leaf == _leaf_of(case.end.observation):
        yield "control.same_leaf", f"control {name} was shown the very same certificate"
    if _passes(case.end, control):
        yield "control.passes", f"control {name} gets through: {_got(control, case.end)}"
    elif end.observation is not None and not end.complete:
        yield "control.fails_otherwise", f"control {name} fails in another way: " + tells(end.observation, end.method)


def _passes(here: Ending, control: Control) -> bool:
    """Whether the control got through the step at which the vantage failed, for the same host."""
    step = here.step
    if step is None or step not in STEPS:
        return False
    beyond = STEPS[STEPS.index(step) :]
    whole = control.end.complete and control.end.host == here.host
    return whole or any(
        o.role == "main" and o.failure is None and o.host == here.host and o.step in beyond
        for o in control.measurement.observations
    )


def _got(control: Control, here: Ending) -> str:
    passed = [o for o in control.measurement.observations if o.role == "main" and o.failure is None and o.step in STEPS]
    best = max((o for o in passed if o.host == here.host), key=lambda o: STEPS.index(o.step), default=None)
    if best is None:
        return "in full"
    if isinstance(best.detail, Http):
        return f"status {best.detail.status}, {best.detail.length or 0} bytes"
    return specs()[best.step].passes


def _fails_same(case: Case, control: Control) -> bool:
    """Whether a control's course ended at the same host, step and failure; a bad certificate must be the same one."""
    here, there = case.end, control.end
    if there.complete or here.host != there.host:
        return False
    if here.observation is None or there.observation is None:
        return here.observation is there.observation
    if here.method == "tls.mitm":
        return there.method == "tls.mitm" and _leaf_of(here.observation) == _leaf_of(there.observation)
    if here.method == there.method == "http.stall":
        return stopped_alike(here.observation, there.observation)
    if here.method == there.method and here.observation.failure == there.observation.failure:
        return True
    return here.method == there.method is not None or _proxy_cannot_say(here, there.observation)


def _proxy_cannot_say(here: Ending, there: Observation) -> bool:
    """A proxy that resolves names itself has one word for a name, an address and a silence that did not work."""
    vague = there.step == "tcp" and there.address is None and there.failure in VAGUE
    return vague and here.step in ("dns", "tcp")


def _leaf_of(observation: Observation | None) -> str | None:
    return observation.detail.fingerprint if observation and observation.step in HANDSHAKES else None


def _leaf(observations: tuple[Observation, ...], host: str) -> str | None:
    return next((_leaf_of(o) for o in observations if o.step in HANDSHAKES and o.host == host and _leaf_of(o)), None)


def _beside_answer(case: Case, control: Control) -> Iterator[tuple[str, str]]:
    name, there = clean(control.name), control.end
    if not there.complete:
        if there.observation is not None:
            yield "control.fails", f"control {name} gets no answer: " + tells(there.observation, there.method)
        return
    if FINAL[case.end.scheme] != "http":
        yield "control.agrees", f"control {name} gets as far"
        return
    answers = answered(control.measurement)
    if not answers or case.end.observation is None:
        return
    theirs, ours = answers[-1].detail, case.end.observation.detail
    for _, sentence in refusal(f"control {name}", theirs, match(theirs)):
        yield "control.refuses", sentence
    if there.host == case.end.host and alike(ours, theirs):
        yield "control.agrees", f"control {name} got an answer like it: status {theirs.status}, {theirs.length} bytes"
    else:
        yield "control.differs", f"control {name} got another answer: status {theirs.status}, {theirs.length} bytes"
        if there.host == case.end.host and wholly_other(ours, theirs):
            servers = " and ".join(clean(_header(answer, "server") or "none") for answer in (ours, theirs))
            yield (
                "control.differs_wholly",
                f"nothing of it is like control {name}'s: servers {servers}, fields and body",
            )


def _same_page(case: Case, control: Control) -> Iterator[tuple[str, str]]:
    """A control that is not believed, since it may stand behind the same censor, was given the very same answer."""
    answers = answered(control.measurement)
    ours = case.end.observation.detail if case.end.complete and case.end.observation else None
    if not answers or not isinstance(ours, Http) or control.country == case.country is not None:
        return
    if control.end.host == case.end.host and alike(ours, answers[-1].detail):
        yield "control.same_page", f"control {clean(control.name)} was given the very same page"


def wholly_other(ours: Http, theirs: Http) -> bool:
    """Whether server, header fields and body all differ at once, as where another machine answered."""
    if _header(ours, "server") == _header(theirs, "server") or alike(ours, theirs):
        return False
    one, other = ({name.lower() for name, _ in answer.headers} - ORDINARY for answer in (ours, theirs))
    if len(one & other) * 2 > len(one | other) or not one | other:
        return False
    short, long = sorted((ours.length or 0, theirs.length or 0))
    return ours.title != theirs.title and short < ALIKE * long


def _header(answer: Http, name: str) -> str | None:
    return next((value for key, value in answer.headers if key.lower() == name), None)


def alike(ours: Http, theirs: Http) -> bool:
    """The same status, and the same body, title, or nearly the same length."""
    if ours.status != theirs.status:
        return False
    if ours.body_sha256 == theirs.body_sha256 or (ours.title and ours.title == theirs.title):
        return True
    short, long = sorted((ours.length or 0, theirs.length or 0))
    return bool(long) and short / long > ALIKE and not (ours.title and theirs.title)
