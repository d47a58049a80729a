"""Signals from the controls: whether they got through where the vantage point did not, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Http, Observation
from probe.steps import specs
from probe.timestamps import parse_time
from results.fingerprints import match
from results.fingerprints.hints import hint_in
from results.judge.control_standing import AssessedControl, answered, is_proven
from results.judge.failure_point import (
    BEGINS,
    FINAL,
    HANDSHAKES,
    STEPS,
    Ending,
    is_answered,
    off_site_hop,
    same_site,
    stopped_alike,
)
from results.judge.input import Case
from results.judge.likeness import alike, differs_in_kind, differs_wholly, server
from results.judge.signals import Evidence, SignalTable
from results.judge.signals.answer import refusal
from results.judge.step_text import clean, failure_text

VAGUE_FAILURES = ("host_unreachable", "network_unreachable")
MIN_WHOLE = 0.98
"""The share of a control's page that counts as all of it: pages differ a little each time."""
SAME_BEGINNING = 64
MINUTE_S, HOUR_S = 60, 3600

SIGNALS = SignalTable(
    {
        "control.disqualified": "control {control} is not counted: {reason}",
        "control.doubtful": "control {control} may have been answered by its own network: {reason}",
        "control.same_page": "control {control} was given the very same page",
        "control.none": "there is no control for this step",
        "control.unusable": "none of the controls that are configured could be used for it",
        "control.in_the_open": "control {control} got its answer in the open, which proves no service, and it is alone",
        "control.all_fail_same": "every control ({controls}) fails in the same way",
        "control.fails_same": "control {control} fails in the same way",
        "control.same_leaf": "control {control} was shown the very same certificate",
        "answer.whole_before_the_reset": "all {bytes} bytes came before the reset, as many as control {control} got",
        "control.passes": "control {control} gets through: {result}",
        "control.fails_otherwise": "control {control} fails in another way: {failure}",
        "control.connects_only": "control {control} connects and gets nothing, and its proxy may accept any connect",
        "control.fails": "control {control} gets no answer: {failure}",
        "control.agrees": "control {control} got an answer like it: status {status}, {length} bytes",
        "control.agrees:endpoint": "control {control} gets as far",
        "control.refuses": "{refusal}",
        "control.differs": "control {control} got another answer: status {status}, {length} bytes",
        "control.differs_in_kind": "neither title, fields nor structure are like those of control {control}'s answer",
        "control.differs_wholly": "nothing of it is like control {control}'s: servers {servers}, fields and body",
        "control.recorded_only": "control {control} was recorded {age} before, not made for this",
    }
)


def signals(case: Case) -> Iterator[Evidence]:
    for control in case.controls:
        if control.disqualified:
            yield SIGNALS("control.disqualified", control=clean(control.name), reason=control.disqualified)
            yield from _same_page(case, control)
        elif control.doubt:
            yield SIGNALS("control.doubtful", control=clean(control.name), reason=clean(control.doubt))
    if not case.qualified and not _trusted_for_dns(case):
        yield SIGNALS("control.none")
        if any(control.is_dead for control in case.controls) or (case.context.control_configured and not case.controls):
            yield SIGNALS("control.unusable")
    if (alone := _alone_in_the_open(case)) is not None:
        yield SIGNALS("control.in_the_open", control=clean(alone.name))
    for control in case.qualified:
        yield from _with_answer(case, control) if case.end.complete else _with_failure(case, control)
    if case.qualified and not case.end.complete and all(_fails_same(case, control) for control in case.qualified):
        yield SIGNALS("control.all_fail_same", controls=", ".join(clean(control.name) for control in case.qualified))


def recorded(case: Case) -> Iterator[Evidence]:
    """Whether every control is from a record: of another moment than the measurement's own."""
    if not case.qualified or any(c.measurement.control_of == case.measurement.id for c in case.qualified):
        return
    newest = max(case.qualified, key=lambda control: control.measurement.started_at)
    ours, theirs = (parse_time(m.started_at) for m in (case.measurement, newest.measurement))
    age_s = abs((ours - theirs).total_seconds())
    age = f"{age_s / HOUR_S:.1f} hours" if age_s >= HOUR_S else f"{max(1, round(age_s / MINUTE_S))} minutes"
    yield SIGNALS("control.recorded_only", control=clean(newest.name), age=age)


def _trusted_for_dns(case: Case) -> bool:
    """A trusted resolver that answered is a control for the DNS step."""
    return case.end.step == "dns" and any(answers.trusted for answers in case.names)


def _alone_in_the_open(case: Case) -> AssessedControl | None:
    """The one control that got an answer, where no certificate vouches for it: its own network may have written it."""
    got = [c for c in case.qualified if _passes(case.end, c) or _stays_on_site(case, c)]
    if len(got) != 1 or FINAL[case.end.scheme] not in (*HANDSHAKES, "http"):
        return None
    return None if is_proven(got[0], got[0].end.host) else got[0]


def _stays_on_site(case: Case, control: AssessedControl) -> bool:
    """Whether a control ended on the site that the vantage point was led away from."""
    hop = off_site_hop(case.measurement.observations)
    host = next((o.host for o in case.measurement.observations if o.role == "main" and o.hop == hop), None)
    return host is not None and control.end.complete and not control.doubt and same_site(control.end.host, host)


def _with_failure(case: Case, control: AssessedControl) -> Iterator[Evidence]:
    name, end = clean(control.name), control.end
    if (length := _whole_length(case.end, control)) is not None:
        yield SIGNALS("answer.whole_before_the_reset", control=name, bytes=length)
    if _fails_same(case, control):
        yield SIGNALS("control.fails_same", control=name)
        return
    leaf = _leaf(control.measurement.observations, case.end.host)
    if case.end.method == "tls.mitm" and leaf is not None and leaf == _leaf_of(case.end.observation):
        yield SIGNALS("control.same_leaf", control=name)
    if _passes(case.end, control):
        yield SIGNALS("control.passes", control=name, result=_result(control, case.end))
    elif case.end.step == "tcp" and not _is_answered_by(control, case.end.host):
        yield SIGNALS("control.connects_only", control=name)
    elif end.observation is not None and not end.complete:
        yield SIGNALS("control.fails_otherwise", control=name, failure=failure_text(end.observation, end.method))


def _whole_length(here: Ending, control: AssessedControl) -> int | None:
    """How much came before a reset, where a control got no more in all, of the same page; None where it did."""
    if here.method != "http.reset" or here.observation is None:
        return None
    if not control.end.complete and control.end.method != "http.reset":
        return None
    ours, answers = here.observation.detail, answered(control.measurement)
    if control.end.host != here.host or not answers or not alike(ours, theirs := answers[-1].detail):
        return None
    if ours.header("content-length") or ours.header("transfer-encoding"):
        return None  # it told where its end is, and that did not come
    return ours.length if ours.length and ours.length >= MIN_WHOLE * (theirs.length or 0) else None


def _passes(here: Ending, control: AssessedControl) -> bool:
    """Whether the control got through the step at which the vantage point failed, for the same host."""
    step = here.step
    if step is None or step not in STEPS or control.doubt:
        return False
    if step in BEGINS and control.end.method == "tls.mitm" and control.end.host == here.host:
        return False  # who presents a certificate of another may have completed the connect too
    if step == "tcp" and not _is_answered_by(control, here.host):
        return False
    beyond = STEPS[STEPS.index(step) :]
    whole = control.end.complete and control.end.host == here.host
    return whole or any(
        o.role == "main" and o.failure is None and o.host == here.host and o.step in beyond
        for o in control.measurement.observations
    )


def _is_answered_by(control: AssessedControl, host: str) -> bool:
    """Whether more than a connect, which a proxy may accept by itself, shows that the host answered a control."""
    return is_answered([o for o in control.measurement.observations if o.role == "main" and o.host == host])


def _result(control: AssessedControl, here: Ending) -> str:
    passed = [o for o in control.measurement.observations if o.role == "main" and o.failure is None and o.step in STEPS]
    best = max((o for o in passed if o.host == here.host), key=lambda o: STEPS.index(o.step), default=None)
    if best is None:
        return "in full"
    if isinstance(best.detail, Http):
        return f"status {best.detail.status}, {best.detail.length or 0} bytes"
    return specs()[best.step].passes


def _fails_same(case: Case, control: AssessedControl) -> bool:
    """Whether a control ended at the same host, step and failure; an invalid certificate must be the same one."""
    here, there = case.end, control.end
    if there.complete or here.host != there.host:
        return False
    if here.observation is None or there.observation is None:
        return here.observation is there.observation
    if here.method == "tls.mitm":
        return there.method == "tls.mitm" and _leaf_of(here.observation) == _leaf_of(there.observation)
    if here.method == there.method == "http.malformed":
        return malformed_alike(here.observation.detail, there.observation.detail)
    if here.method == there.method == "http.stall":
        return stopped_alike(here.observation, there.observation)
    if here.method == there.method and here.observation.failure == there.observation.failure:
        return True
    return here.method == there.method is not None or _proxy_is_vague(here, there.observation)


def malformed_alike(one: Http, other: Http) -> bool:
    """Whether two answers that are not HTTP are the same: their bytes, or their title, or how they begin."""
    if one.body_sha256 == other.body_sha256 or (one.title and one.title == other.title):
        return True
    beginnings = {(answer.body or b"").strip()[:SAME_BEGINNING] for answer in (one, other)}
    return len(beginnings) == 1 and one.title == other.title


def _proxy_is_vague(here: Ending, there: Observation) -> bool:
    """A proxy that resolves names itself reports a name, an address and a silence in one way."""
    vague = there.step == "tcp" and there.address is None and there.failure in VAGUE_FAILURES
    return vague and here.step in ("dns", "tcp")


def _leaf_of(observation: Observation | None) -> str | None:
    return observation.detail.fingerprint if observation and observation.step in HANDSHAKES else None


def _leaf(observations: tuple[Observation, ...], host: str) -> str | None:
    course = (o for o in observations if o.role == "main" and o.step in HANDSHAKES and o.host == host)
    return next((leaf for leaf in map(_leaf_of, course) if leaf), None)


def _with_answer(case: Case, control: AssessedControl) -> Iterator[Evidence]:
    name, there = clean(control.name), control.end
    if not there.complete:
        if there.observation is not None:
            yield SIGNALS("control.fails", control=name, failure=failure_text(there.observation, there.method))
        return
    if FINAL[case.end.scheme] != "http":
        yield SIGNALS("control.agrees:endpoint", control=name)
        return
    answers = answered(control.measurement)
    if not answers or case.end.observation is None:
        return
    theirs, ours = answers[-1].detail, case.end.observation.detail
    for _, sentence in refusal(f"control {name}", theirs, match(theirs)):
        yield SIGNALS("control.refuses", refusal=sentence)
    shown = {"control": name, "status": theirs.status, "length": theirs.length}
    if there.host == case.end.host and alike(ours, theirs) and not _has_words_of_a_ban_alone(ours, theirs):
        yield SIGNALS("control.agrees", **shown)
    elif not control.doubt:
        yield SIGNALS("control.differs", **shown)
        if there.host == case.end.host and differs_in_kind(ours, theirs):
            yield SIGNALS("control.differs_in_kind", control=name)
        if there.host == case.end.host and differs_wholly(ours, theirs):
            servers = " and ".join(clean(server(answer) or "none") for answer in (ours, theirs))
            yield SIGNALS("control.differs_wholly", control=name, servers=servers)


def _same_page(case: Case, control: AssessedControl) -> Iterator[Evidence]:
    """A disqualified control, which may be behind the same censor, was given the very same answer."""
    answers = answered(control.measurement)
    ours = case.end.observation.detail if case.end.complete and case.end.observation else None
    if not answers or not isinstance(ours, Http) or control.country == case.country is not None:
        return
    if control.end.host == case.end.host and alike(ours, answers[-1].detail):
        yield SIGNALS("control.same_page", control=clean(control.name))


def _has_words_of_a_ban_alone(ours: Http, theirs: Http) -> bool:
    """Whether ours speaks of a ban and theirs does not, which a like length does not make one page."""
    if ours.body_sha256 == theirs.body_sha256 or (ours.title and ours.title == theirs.title):
        return False
    return hint_in(ours) is not None and hint_in(theirs) is None
