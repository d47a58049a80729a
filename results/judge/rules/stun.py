"""STUN: servers that answer a binding request, which proves no identity."""

from results.judge.rules import Rule, signals

RULES = (
    Rule(
        id="stun.answers_as_control",
        tier=3,
        needs=signals("target.stun answer.responded dns.confirmed control.agrees"),
        unless=signals("dns.stub_address"),
        outcome="reachable",
        confidence="probable",
        says="The STUN server answers, as it does for the control.",
    ),
    Rule(
        id="stun.answers",
        tier=3,
        needs=signals("target.stun answer.responded dns.confirmed"),
        unless=signals("dns.stub_address dns.bogon control.fails"),
        outcome="reachable",
        confidence="possible",
        says="The STUN server answers at the right address; nothing proves who it is.",
    ),
    Rule(
        id="stun.control_passes",
        tier=5,
        needs=signals("target.stun fails.stun again.fails control.passes"),
        unless=signals("control.fails_same control.fails_otherwise dns.contradicted family.unproven"),
        outcome="blocked",
        confidence="probable",
        says="The STUN server answers a control, and fails here twice.",
    ),
    Rule(
        id="stun.no_control",
        tier=6,
        needs=signals("target.stun fails.stun control.none"),
        says="The STUN server fails, and no control shows that it works: servers may ignore requests as they like.",
    ),
)
