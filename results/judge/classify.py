"""From a measurement, its controls and the context to a verdict: pure, so that judging again gives the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from probe.model import Measurement
from results.fingerprints.library import Library, own_library
from results.judge.dns_answers import by_resolver
from results.judge.input import Case
from results.judge.rule import Rule
from results.judge.rules import RULES_VERSION, rules
from results.judge.signals import answer, network, signs_of, throughput
from results.judge.verdict import Confidence, Context, Verdict

ALWAYS_TOLD = (
    "network.restricted",
    "family.ipv4_fails",
    "family.ipv6_fails",
    "family.ipv4_name_fails",
    "family.ipv6_name_fails",
    "quic.fails_beside",
    "quic.unproven",
    "dns.injected",
    "control.disqualified",
    "control.recorded_only",
    "name.passes_elsewhere",
    "innocent.passes_later",
    "system.differs",
    "again.differs",
)
"""Signs that a reader must see whatever decided."""
REACHED = 3
UNDECIDED = ("refusal", "rate.throttled")
"""Signs beside which more has to be known of a complete answer over valid TLS."""


def classify(
    measurement: Measurement, controls: Sequence[Measurement], context: Context, library: Library | None = None
) -> Verdict:
    """The first rule that applies, with the evidence for what it needed.

    `controls` are measurements of the same target from elsewhere; which of them count is decided here. `library` is
    what pages and addresses are known by, our own set where none is given; `context.fingerprints` names it.
    """
    case = Case(measurement, controls, context, library or own_library())
    early = dict(network.signs(case))
    early.update(answer.signs(case))
    early.update(throughput.signs(case))
    if "over.valid_tls" in early and early.keys().isdisjoint(UNDECIDED):
        # Nothing beyond these signs can change what a complete answer over valid TLS means, and most targets give one.
        for rule in rules():
            if rule.tier <= REACHED and rule.applies(early.keys()):
                return _verdict(case, rule, early)
    signs = signs_of(case)
    return _verdict(case, next(rule for rule in rules() if rule.applies(signs.keys())), signs)


def nearly(
    measurement: Measurement, controls: Sequence[Measurement], context: Context, library: Library | None = None
) -> tuple[tuple[Rule, str], ...]:
    """The rules that one missing sign kept from applying, each with that sign."""
    signs = signs_of(Case(measurement, controls, context, library or own_library())).keys()
    close = ((rule, rule.needs - signs) for rule in rules() if rule.unless.isdisjoint(signs))
    return tuple((rule, next(iter(missing))) for rule, missing in close if len(missing) == 1)


def _verdict(case: Case, rule: Rule, signs: Mapping[str, str]) -> Verdict:
    blocked = rule.outcome == "blocked"
    return Verdict(
        outcome=rule.outcome,
        method=(rule.method or case.end.method) if blocked else None,
        trigger=rule.trigger if blocked else None,
        confidence=_confidence(rule, signs),
        rules=(rule.id,),
        evidence=_evidence(rule, signs),
        control=_control(case, rule.needs),
        rules_version=RULES_VERSION,
    )


def _confidence(rule: Rule, signs: Mapping[str, str]) -> Confidence | None:
    """A block that nothing but an earlier record speaks for may be a site that has gone down since."""
    by_control = rule.outcome == "blocked" and any(need.startswith("control.") for need in rule.needs)
    return "possible" if by_control and "control.recorded_only" in signs else rule.confidence


def _evidence(rule: Rule, signs: Mapping[str, str]) -> tuple[str, ...]:
    told = (sentence for name, sentence in signs.items() if _is_told(rule, name))
    return tuple(dict.fromkeys(told))


def _is_told(rule: Rule, name: str) -> bool:
    inconclusive = rule.outcome == "inconclusive"
    return name in rule.needs or name in ALWAYS_TOLD or inconclusive


def _control(case: Case, needs: Iterable[str]) -> str | None:
    """What the rule held the measurement against: the qualified controls, or the trusted resolvers."""
    if any(sign.startswith("control.") and sign != "control.none" for sign in needs):
        return ", ".join(control.name for control in case.qualified) or None
    if any(sign.startswith("dns.trusted") or sign == "dns.contradicted" for sign in needs):
        asked = dict.fromkeys(name for answers in case.names for name in by_resolver(answers.observations, "trusted"))
        return ", ".join(asked) or None
    return None
