"""Throttling: what comes through, but far slower than everything else does."""

from results.judge.rule import Rule, signs

ALONE = "alone.not_blocked alone.unmeasured"

RULES = (
    Rule(
        id="rate.control_is_fast",
        tier=3,
        needs=signs("rate.throttled control.fast"),
        unless=signs(f"{ALONE} page.block refusal"),
        outcome="blocked",
        method="throttled",
        confidence="probable",
        says="At least three times in a row it came at less than an eighth of a canary's rate; a control gets it fast.",
    ),
    Rule(
        id="rate.repeats",
        tier=3,
        needs=signs("rate.throttled rate.no_control"),
        unless=signs(f"{ALONE} page.block refusal network.restricted"),
        outcome="blocked",
        method="throttled",
        confidence="possible",
        says="No control, but for at least six hours it came at less than an eighth of a canary's rate, every time.",
    ),
)
