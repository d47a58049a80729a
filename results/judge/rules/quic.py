"""QUIC handshakes: datagrams that are dropped by the name in the first of them, by address, or all."""

from results.judge.rules import Rule, signals

SAME = "control.fails_same fails.tls.mitm"

RULES = (
    Rule(
        id="quic.sni_ab",
        tier=4,
        needs=signals("fails.quic again.fails innocent.passes_here name.fails_elsewhere innocent.passes_elsewhere"),
        unless=signals(SAME),
        outcome="blocked",
        trigger="name",
        confidence="confirmed",
        says="The name fails over QUIC wherever it is sent, and an innocent name passes at the very same addresses.",
    ),
    Rule(
        id="quic.control_passes_by_name",
        tier=5,
        needs=signals("fails.quic again.fails control.passes innocent.passes_here"),
        unless=signals(f"{SAME} control.fails_otherwise"),
        outcome="blocked",
        trigger="name",
        confidence="probable",
        says="A control's QUIC handshake passes; here it fails twice with the name and passes with an innocent one.",
    ),
    Rule(
        id="quic.control_passes_by_address",
        tier=5,
        needs=signals("fails.quic again.fails control.passes innocent.fails_same innocent.passes_elsewhere"),
        unless=signals(f"{SAME} control.fails_otherwise family.unproven"),
        outcome="blocked",
        trigger="address",
        confidence="probable",
        says="A control's QUIC handshake passes; here it fails twice, with an innocent name too, but not elsewhere.",
    ),
    Rule(
        id="quic.control_passes",
        tier=5,
        needs=signals("fails.quic again.fails control.passes"),
        unless=signals(f"{SAME} control.fails_otherwise family.unproven"),
        outcome="blocked",
        confidence="probable",
        says="A control's QUIC handshake passes, here it fails, twice.",
    ),
)
