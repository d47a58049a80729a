"""Connects: to addresses that do not answer, and endpoints where a connect is all there is to have."""

from results.judge.rules import Rule, signals

RULES = (
    Rule(
        id="endpoint.connects_as_control",
        tier=3,
        needs=signals("answer.connected dns.confirmed control.agrees"),
        unless=signals("dns.stub_address"),
        outcome="reachable",
        confidence="probable",
        says="The endpoint accepts connections, as it does for the control.",
    ),
    Rule(
        id="endpoint.connects",
        tier=3,
        needs=signals("answer.connected dns.confirmed"),
        unless=signals("dns.stub_address dns.bogon control.fails"),
        outcome="reachable",
        confidence="possible",
        says="The endpoint accepts connections at the right address; who answers there cannot be told from that.",
    ),
    Rule(
        id="tcp.control_passes",
        tier=5,
        needs=signals("fails.tcp again.fails control.passes"),
        unless=signals("control.fails_same control.fails_otherwise family.unproven"),
        outcome="blocked",
        trigger="address",
        confidence="probable",
        says="The address does not answer, twice, while a control connects.",
    ),
    Rule(
        id="tcp.control_divided",
        tier=5,
        needs=signals("fails.tcp again.fails control.passes control.fails_otherwise"),
        unless=signals("control.fails_same family.unproven"),
        outcome="blocked",
        trigger="address",
        confidence="possible",
        says="The address does not answer, twice; one control connects, another failed in another way.",
    ),
)
