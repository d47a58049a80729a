"""Signals from the controls: whether they got through where the vantage point did not, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Http, Observation
from probe.timestamps import parse_time
from results.fingerprints import match
from results.fingerprints.hints import hint_in
from results.i18n.translator import Phrase, Value
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
from results.judge.likeness import alike, differs_in_kind, differs_wholly
from results.judge.signals.answer import refusal
from results.judge.signals.open_answer import servers
from results.judge.verdict import Evidence
from results.judge.wording import evidence, failed_step, listed

VAGUE_FAILURES = ("host_unreachable", "network_unreachable")
MIN_WHOLE = 0.98
"""The share of a control's page that counts as all of it: pages differ a little each time."""
SAME_BEGINNING = 64
MINUTE_S, HOUR_S = 60, 3600


def signals(case: Case) -> Iterator[Evidence]:
    for control in case.controls:
        if control.disqualified:
            yield evidence("control.disqualified", control=control.name, reason=control.disqualified)
            yield from _same_page(case, control)
        elif control.doubt:
            yield evidence("control.doubtful", control=control.name, reason=control.doubt)
    if not case.qualified and not _trusted_for_dns(case):
        yield evidence("control.none")
        if any(control.is_dead for control in case.controls) or (case.context.control_configured and not case.controls):
            yield evidence("control.unusable")
    if (alone := _alone_in_the_open(case)) is not None:
        yield evidence("control.in_the_open", control=alone.name)
    for control in case.qualified:
        yield from _with_answer(case, control) if case.end.complete else _with_failure(case, control)
    if case.qualified and not case.end.complete and all(_fails_same(case, control) for control in case.qualified):
        yield evidence("control.all_fail_same", controls=listed([control.name for control in case.qualified]))


def recorded(case: Case) -> Iterator[Evidence]:
    """Whether every control is from a record: of another moment than the measurement's own."""
    if not case.qualified or any(c.measurement.control_of == case.measurement.id for c in case.qualified):
        return
    newest = max(case.qualified, key=lambda control: control.measurement.started_at)
    ours, theirs = (parse_time(m.started_at) for m in (case.measurement, newest.measurement))
    age_s = abs((ours - theirs).total_seconds())
    age = Phrase("evidence.minutes", {"count": max(1, round(age_s / MINUTE_S))})
    if age_s >= HOUR_S:
        age = Phrase("evidence.hours", {"hours": age_s / HOUR_S})
    yield evidence("control.recorded_only", control=newest.name, age=age)


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
    name, end = control.name, control.end
    if (length := _whole_length(case.end, control)) is not None:
        yield evidence("answer.whole_before_the_reset", control=name, count=length)
    if _fails_same(case, control):
        yield evidence("control.fails_same", control=name)
        return
    leaf = _leaf(control.measurement.observations, case.end.host)
    if case.end.method == "tls.mitm" and leaf is not None and leaf == _leaf_of(case.end.observation):
        yield evidence("control.same_leaf", control=name)
    if _passes(case.end, control):
        yield evidence("control.passes", control=name, result=_result(control, case.end))
    elif case.end.step == "tcp" and not _is_answered_by(control, case.end.host):
        yield evidence("control.connects_only", control=name)
    elif end.observation is not None and not end.complete:
        yield evidence("control.fails_otherwise", control=name, failure=failed_step(end.observation, end.method))


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


def _result(control: AssessedControl, here: Ending) -> Phrase:
    passed = [o for o in control.measurement.observations if o.role == "main" and o.failure is None and o.step in STEPS]
    best = max((o for o in passed if o.host == here.host), key=lambda o: STEPS.index(o.step), default=None)
    if best is None:
        return Phrase("evidence.in_full")
    if isinstance(best.detail, Http):
        return Phrase("evidence.status", {"status": best.detail.status or 0, "count": best.detail.length or 0})
    return Phrase(f"passed.{best.step}")


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
    name, there = control.name, control.end
    if not there.complete:
        if there.observation is not None:
            yield evidence("control.fails", control=name, failure=failed_step(there.observation, there.method))
        return
    if FINAL[case.end.scheme] != "http":
        yield evidence("control.agrees:endpoint", control=name)
        return
    answers = answered(control.measurement)
    if not answers or case.end.observation is None:
        return
    theirs, ours = answers[-1].detail, case.end.observation.detail
    yield from refusal("control.refuses", {"control": name}, theirs, match(theirs))
    shown: dict[str, Value] = {"control": name, "status": theirs.status or 0, "count": theirs.length or 0}
    if there.host == case.end.host and alike(ours, theirs) and not _has_words_of_a_ban_alone(ours, theirs):
        yield evidence("control.agrees", **shown)
    elif not control.doubt:
        yield evidence("control.differs", **shown)
        if there.host == case.end.host and differs_in_kind(ours, theirs):
            yield evidence("control.differs_in_kind", control=name)
        if there.host == case.end.host and differs_wholly(ours, theirs):
            yield evidence("control.differs_wholly", control=name, **servers(ours, theirs))


def _same_page(case: Case, control: AssessedControl) -> Iterator[Evidence]:
    """A disqualified control, which may be behind the same censor, was given the very same answer."""
    answers = answered(control.measurement)
    ours = case.end.observation.detail if case.end.complete and case.end.observation else None
    if not answers or not isinstance(ours, Http) or control.country == case.country is not None:
        return
    if control.end.host == case.end.host and alike(ours, answers[-1].detail):
        yield evidence("control.same_page", control=control.name)


def _has_words_of_a_ban_alone(ours: Http, theirs: Http) -> bool:
    """Whether ours speaks of a ban and theirs does not, which a like length does not make one page."""
    if ours.body_sha256 == theirs.body_sha256 or (ours.title and ours.title == theirs.title):
        return False
    return hint_in(ours) is not None and hint_in(theirs) is None
