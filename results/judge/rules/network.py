"""The vantage's own network, what happened before, and what is left when nothing else applies."""

from results.judge.rule import Rule, signs

RULES = (
    Rule(
        id="network.offline",
        tier=1,
        needs=signs("network.offline"),
        outcome="offline",
        says="No canary works: this vantage has no working network.",
    ),
    Rule(
        id="network.portal",
        tier=1,
        needs=signs("network.portal"),
        outcome="offline",
        says="Something else answers in the canaries' place: a captive portal.",
    ),
    Rule(
        id="down.as_control",
        tier=6,
        needs=signs("fails control.all_fail_same"),
        unless=signs("again.passes"),
        outcome="down",
        confidence="probable",
        says="Every qualified control failed in the same way.",
    ),
    Rule(
        id="down.no_such_name",
        tier=6,
        needs=signs("fails.dns dns.trusted_all_fail_same"),
        unless=signs("control.passes"),
        outcome="down",
        confidence="probable",
        says="The trusted resolvers say the same of the name as the network's own.",
    ),
    Rule(
        id="history.repeats",
        tier=7,
        needs=signs("fails history.repeats control.none"),
        unless=signs("again.passes network.restricted fails.tls.mitm family.unproven quic.unproven"),
        outcome="blocked",
        confidence="possible",
        says="No control, but the same failure at least three times over at least six hours.",
    ),
    Rule(
        id="anomaly.passing",
        tier=8,
        needs=signs("again.passes"),
        outcome="inconclusive",
        says="The failure went away on a second try.",
    ),
    Rule(
        id="anomaly.controls_disagree",
        tier=8,
        needs=signs("fails control.passes control.fails_same"),
        outcome="inconclusive",
        says="One control got through, another failed in the same way.",
    ),
    Rule(
        id="anomaly.no_control",
        tier=8,
        needs=signs("fails control.none"),
        outcome="inconclusive",
        says="It failed, and there is no control to hold that against.",
    ),
    Rule(
        id="anomaly.unexplained",
        tier=8,
        outcome="inconclusive",
        says="Not enough to tell.",
    ),
)
