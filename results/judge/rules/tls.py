"""Handshakes: who breaks them, and whether by the name in them."""

from results.judge.rules import Rule, signals

SAME = "control.fails_same fails.tls.mitm"

RULES = (
    Rule(
        id="answer.valid_handshake",
        tier=3,
        needs=signals("answer.handshake over.valid_tls"),
        outcome="reachable",
        confidence="confirmed",
        says="The endpoint completed a handshake, over TLS or QUIC, with a certificate valid for its name.",
    ),
    Rule(
        id="tls.sni_ab",
        tier=4,
        needs=signals("fails.tls again.fails innocent.passes_here name.fails_elsewhere innocent.passes_elsewhere"),
        unless=signals(SAME),
        outcome="blocked",
        trigger="name",
        confidence="confirmed",
        says="The name fails wherever it is sent, and an innocent name passes at the very same addresses.",
    ),
    Rule(
        id="tls.control_passes_by_name",
        tier=5,
        needs=signals("fails.tls again.fails control.passes innocent.passes_here"),
        unless=signals(f"{SAME} control.fails_otherwise"),
        outcome="blocked",
        trigger="name",
        confidence="probable",
        says="A control's handshake passes; here it fails twice with the name and passes with an innocent one.",
    ),
    Rule(
        id="tls.control_passes_by_address",
        tier=5,
        needs=signals("fails.tls again.fails control.passes innocent.fails_same"),
        unless=signals(f"{SAME} control.fails_otherwise"),
        outcome="blocked",
        trigger="address",
        confidence="probable",
        says="A control's handshake passes; here it fails twice, with an innocent name as well.",
    ),
    Rule(
        id="tls.control_passes",
        tier=5,
        needs=signals("fails.tls again.fails control.passes"),
        unless=signals(f"{SAME} control.fails_otherwise"),
        outcome="blocked",
        confidence="probable",
        says="A control's handshake passes, here it fails, twice.",
    ),
    Rule(
        id="tls.control_divided",
        tier=5,
        needs=signals("fails.tls again.fails control.passes control.fails_otherwise"),
        unless=signals(SAME),
        outcome="blocked",
        confidence="possible",
        says="The handshake fails, twice; one control passes, another failed in another way.",
    ),
    Rule(
        id="tls.other_certificate",
        tier=5,
        needs=signals("fails.tls.mitm again.fails control.passes"),
        unless=signals("control.fails_same control.same_leaf"),
        outcome="blocked",
        method="tls.mitm",
        confidence="probable",
        says="The certificate is not valid for the name, twice, while a control was shown another that is.",
    ),
)
