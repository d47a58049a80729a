"""Classifies a measurement with its controls and context. Pure: the same input gives the same verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from probe.failure import internal_error
from probe.model import Measurement
from results.fingerprints.library import Library, builtin_library
from results.i18n.translator import Phrase
from results.judge.input import Case, by_resolver
from results.judge.judged import JudgedMeasurement, agreement
from results.judge.rules import Rule, rules, rules_version
from results.judge.signals import answer, signals_of
from results.judge.signals import context as context_signals
from results.judge.verdict import Confidence, Context, Evidence, Trigger, Verdict
from results.judge.wording import evidence, sentence_of

ALWAYS_SHOWN = (
    "network.restricted",
    "network.allowlist",
    "family.ipv4_fails",
    "family.ipv6_fails",
    "family.ipv4_name_fails",
    "family.ipv6_name_fails",
    "quic.fails_beside",
    "quic.unproven",
    "dns.injected",
    "control.disqualified",
    "control.recorded_only",
    "control.in_the_open",
    "control.doubtful",
    "control.unusable",
    "name.passes_elsewhere",
    "innocent.fails_same",
    "innocent.passes_later",
    "system.differs",
    "dns.trusted_intercepted",
    "again.differs",
    "answer.quirks",
    "tls.lenient",
)
"""Signals that are part of the evidence whichever rule decided."""
WEAK_CONTROL = ("control.recorded_only", "control.in_the_open", "control.elsewhere")
FIRST = "first.sharper"
REACHABLE_TIER = 3
UNDECIDED = ("refusal", "rate.throttled")
"""Signals with which a complete answer over valid TLS does not decide."""


def classify(
    measurement: Measurement, controls: Sequence[Measurement], context: Context, library: Library | None = None
) -> Verdict:
    """The first rule that applies, with the evidence for what it needed.

    `controls` are measurements of the same target from elsewhere; which of them count is decided here. `library` is
    what pages and addresses are known by, our own set where none is given; `context.fingerprints` names it.
    """
    case = Case(measurement, controls, context, library or builtin_library())
    readers = (context_signals.circumstances, answer.signals, context_signals.throughput)
    early = {found.signal: found for read in readers for found in read(case)}
    if "over.valid_tls" in early and early.keys().isdisjoint(UNDECIDED):
        # No other signal can change what a complete answer over valid TLS means, and most targets give one.
        for rule in rules():
            if rule.tier <= REACHABLE_TIER and rule.applies(early.keys()):
                return _verdict(case, rule, early)
    signals = signals_of(case)
    return _verdict(case, next(rule for rule in rules() if rule.applies(signals.keys())), signals)


def verdict_or_error(
    measurement: Measurement, controls: Sequence[Measurement], context: Context, library: Library | None = None
) -> Verdict:
    """`classify`, where a bug of ours must cost this measurement alone its verdict."""
    try:
        return classify(measurement, controls, context, library)
    except Exception as bug:
        return error_verdict(measurement, bug)


def error_verdict(measurement: Measurement, bug: Exception) -> Verdict:
    """Inconclusive, with the bug that kept us from judging in its evidence and in the log."""
    error = internal_error(bug, measurement.target.text)
    return Verdict(
        outcome="inconclusive",
        rules=(context_signals.INTERNAL_ERROR,),
        evidence=(evidence(context_signals.INTERNAL_ERROR, error=error),),
        rules_version=rules_version(),
    )


def unjudged(
    measurement: Measurement, context: Context, bug: Exception, round_id: str | None = None
) -> JudgedMeasurement:
    """The record of a measurement that a bug kept us from judging or storing."""
    verdict = error_verdict(measurement, bug)
    agreed = agreement(None, verdict.outcome)
    return JudgedMeasurement(
        measurement=measurement, context=context, verdict=verdict, agreement=agreed, round_id=round_id
    )


def nearly(
    measurement: Measurement, controls: Sequence[Measurement], context: Context, library: Library | None = None
) -> tuple[tuple[Rule, str], ...]:
    """The rules that lack one signal to apply, each with that signal."""
    present = signals_of(Case(measurement, controls, context, library or builtin_library())).keys()
    close = ((rule, rule.needs - present) for rule in rules() if rule.unless.isdisjoint(present))
    return tuple((rule, next(iter(missing))) for rule, missing in close if len(missing) == 1)


def _verdict(case: Case, rule: Rule, signals: Mapping[str, Evidence]) -> Verdict:
    blocked = rule.outcome == "blocked"
    return Verdict(
        outcome=rule.outcome,
        method=_method(case, rule) if blocked else None,
        trigger=_trigger(case, rule) if blocked else None,
        confidence=_confidence(rule, signals),
        rules=(rule.id,),
        evidence=_evidence(rule, signals),
        control=_control(case, rule.needs),
        rules_version=rules_version(),
    )


def _method(case: Case, rule: Rule) -> str | None:
    """The rule's method, or as it failed: in the first measurement where the re-test only met what that left behind."""
    first = case.context.first if FIRST in rule.needs else None
    return rule.method or (first.method if first is not None else case.end.method)


def _trigger(case: Case, rule: Rule) -> Trigger | None:
    first = case.context.first if FIRST in rule.needs else None
    return rule.trigger or (first.trigger if first is not None else None)


def _confidence(rule: Rule, signals: Mapping[str, Evidence]) -> Confidence | None:
    """A block is only possible where its one control is an earlier record, was answered in the open, or elsewhere."""
    by_control = rule.outcome == "blocked" and any(need.startswith("control.") for need in rule.needs)
    return "possible" if by_control and not signals.keys().isdisjoint(WEAK_CONTROL) else rule.confidence


def _evidence(rule: Rule, signals: Mapping[str, Evidence]) -> tuple[Evidence, ...]:
    """The signals that are shown, the same sentence once."""
    shown = rule.needs.union(ALWAYS_SHOWN) if rule.outcome != "inconclusive" else signals.keys()
    found: list[Evidence] = []
    said: list[Phrase] = []
    for name, piece in signals.items():
        if name in shown and (sentence := sentence_of(piece)) not in said:
            found.append(piece)
            said.append(sentence)
    return tuple(found)


def evidence_of(finished: JudgedMeasurement, library: Library | None = None) -> tuple[Evidence | str, ...]:
    """A verdict's evidence; sentences of an older version as signals, where the same rule still decides."""
    old = finished.verdict
    if not any(isinstance(piece, str) for piece in old.evidence):
        return old.evidence
    new = verdict_or_error(finished.measurement, finished.controls, finished.context, library)
    same = (new.outcome, new.method, new.rules) == (old.outcome, old.method, old.rules)
    return new.evidence if same else old.evidence


def _control(case: Case, needs: Iterable[str]) -> str | None:
    """What the rule compared the measurement with: the qualified controls, or the trusted resolvers."""
    if any(signal.startswith("control.") and signal != "control.none" for signal in needs):
        return ", ".join(control.name for control in case.qualified) or None
    if any(signal.startswith("dns.trusted") or signal == "dns.contradicted" for signal in needs):
        asked = dict.fromkeys(name for answers in case.names for name in by_resolver(answers.observations, "trusted"))
        return ", ".join(asked) or None
    return None
