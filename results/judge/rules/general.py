"""Rules of no single protocol: the network itself, throttling, re-tests, history, and what is left."""

from results.judge.rules import Rule, signals

ALONE = "alone.not_blocked alone.unmeasured"

RULES = (
    Rule(
        id="network.offline",
        tier=1,
        needs=signals("network.offline"),
        outcome="offline",
        says="No canary works: this vantage has no working network.",
    ),
    Rule(
        id="network.portal",
        tier=1,
        needs=signals("network.portal"),
        outcome="offline",
        says="Something else answers in the canaries' place: a captive portal.",
    ),
    Rule(
        id="rate.control_is_fast",
        tier=3,
        needs=signals("rate.throttled control.fast"),
        unless=signals(f"{ALONE} page.block refusal"),
        outcome="blocked",
        method="throttled",
        confidence="probable",
        says="At least three times in a row it came at less than an eighth of a canary's rate; a control gets it fast.",
    ),
    Rule(
        id="rate.repeats",
        tier=3,
        needs=signals("rate.throttled rate.no_control"),
        unless=signals(f"{ALONE} page.block refusal network.restricted"),
        outcome="blocked",
        method="throttled",
        confidence="possible",
        says="No control, but for at least six hours it came at less than an eighth of a canary's rate, every time.",
    ),
    Rule(
        id="alone.not_blocked",
        tier=4,
        needs=signals("alone.not_blocked"),
        says="Measured again at the end of the round, alone, it was not blocked: our own load may have been the cause.",
    ),
    Rule(
        id="alone.unmeasured",
        tier=4,
        needs=signals("alone.unmeasured"),
        says="It was to be measured again, alone, before anything is said, and the round ended before that.",
    ),
    Rule(
        id="down.as_control",
        tier=6,
        needs=signals("fails control.all_fail_same"),
        unless=signals("again.passes"),
        outcome="down",
        confidence="probable",
        says="Every qualified control failed in the same way.",
    ),
    Rule(
        id="down.no_such_name",
        tier=6,
        needs=signals("fails.dns dns.trusted_all_fail_same"),
        unless=signals("control.passes"),
        outcome="down",
        confidence="probable",
        says="The trusted resolvers say the same of the name as the network's own.",
    ),
    Rule(
        id="history.repeats",
        tier=7,
        needs=signals("fails history.repeats control.none"),
        unless=signals("again.passes network.restricted fails.tls.mitm family.unproven quic.unproven"),
        outcome="blocked",
        confidence="possible",
        says="No control, but the same failure at least three times over at least six hours.",
    ),
    Rule(
        id="refusal.unconfirmed",
        tier=8,
        needs=signals("refusal"),
        says="In the open somebody turns this visitor away; nothing tells whether it is the service.",
    ),
    Rule(
        id="answer.unconfirmed",
        tier=8,
        needs=signals("answer.complete"),
        says="An answer came in the open, and nothing confirms that it is the service's own.",
    ),
    Rule(
        id="anomaly.passing",
        tier=8,
        needs=signals("again.passes"),
        says="The failure went away on a second try.",
    ),
    Rule(
        id="anomaly.controls_disagree",
        tier=8,
        needs=signals("fails control.passes control.fails_same"),
        says="One control got through, another failed in the same way.",
    ),
    Rule(
        id="anomaly.no_control",
        tier=8,
        needs=signals("fails control.none"),
        says="It failed, and there is no control to hold that against.",
    ),
    Rule(
        id="anomaly.unexplained",
        tier=8,
        says="Not enough to tell.",
    ),
)
