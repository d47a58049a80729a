"""Worlds that censor more finely: QUIC by what is in it, rates by queues, and what is left of a block for a while."""

from __future__ import annotations

from tests.lab import censorship
from tests.lab.world import REACHABLE, World, blocked, both, https, quic
from tests.situation import Expected

HEAVY_CANARY = ("https://canary-heavy.x.test/",)
QUIC_NAMED = Expected("blocked", "quic.timeout", "name", "confirmed", evidence=("at an unrelated server",))
QUIC_BESIDE = Expected("reachable", confidence="confirmed", evidence=("the host also offers QUIC, which fails",))
OVER_QUIC = {
    quic("quic-named"): QUIC_NAMED,
    quic("quic-dropped"): blocked("quic.timeout", None, "possible", changed="One control is no proof of an address."),
    quic("quic-open"): REACHABLE,
    quic("honest"): Expected("down"),
    https("quic-named"): QUIC_BESIDE,
    https("quic-dropped"): QUIC_BESIDE,
    https("quic-open"): REACHABLE,
    https("honest"): REACHABLE,
}
BOTH_RATES = Expected(
    "blocked",
    "throttled",
    confidence="probable",
    evidence=("a reference site of similar size", "gets the same at"),
)
AFTER_A_RESET = {
    https("residual"): Expected("blocked", "tls.reset", why="the first handshake that names it is reset"),
    https("bystander"): Expected(
        "inconclusive", also=("reachable",), why="it shares the address, and fails only after the other was named"
    ),
    "tls://residual.x.test:443": Expected(
        "blocked", "tls.reset", also=("inconclusive",), why="the same name, perhaps within the other's residual time"
    ),
    https("honest"): REACHABLE,
}
BY_RATE = {
    https("throttled-by-name"): BOTH_RATES,
    https("throttled-by-address"): BOTH_RATES,
    https("slow-for-all"): REACHABLE,
    **dict.fromkeys(map(https, ("heavy", "big", "large", "pinched")), REACHABLE),
}


def censors_quic() -> None:
    censorship.spares()
    for address in both("quic-dropped"):
        censorship.drops_quic(address)
    censorship.reads_quic(but="quic-dropped.x.test")


def drops_quic_of_all_but_the_vpn() -> None:
    censorship.spares()
    censorship.drops_quic()


def throttles() -> None:
    censorship.shapes_name("throttled-by-name.x.test", kbit_per_s=200)
    for address in both("throttled-by-address"):
        censorship.shapes_address(address, kbit_per_s=200)


WORLDS = (
    World(
        "QUIC by name and by address",
        censors_quic,
        OVER_QUIC,
        options={"control": "vpn", "timeout_s": 0.8, "more": "quic = true"},
    ),
    World(
        "QUIC dropped for everybody",
        drops_quic_of_all_but_the_vpn,
        {
            quic("quic-open"): Expected("blocked", "quic.timeout", evidence=("lets any QUIC through; it fails at",)),
            https("quic-open"): QUIC_BESIDE,
            https("honest"): REACHABLE,
        },
        options={"control": "vpn", "timeout_s": 0.8, "more": "quic = true"},
    ),
    World(
        "throttled by a queue",
        throttles,
        BY_RATE,
        rounds=3,
        options={"timeout_s": 2, "canaries": HEAVY_CANARY},
    ),
    World(
        "thin line, round after round",
        lambda: censorship.narrows("600kbit"),
        dict.fromkeys(map(https, ("heavy", "slow-for-all", "honest")), REACHABLE),
        rounds=3,
        options={"timeout_s": 2, "canaries": HEAVY_CANARY},
    ),
    World(
        "residual blocking",
        lambda: censorship.resets_name_and_drops_after("residual.x.test", for_s=3),
        {
            https("residual"): Expected("blocked", "tls.reset", "name", "confirmed", evidence=("residual blocking",)),
            https("honest"): REACHABLE,
        },
    ),
    World(
        "residual blocking by silence, longer than anyone waits",
        lambda: censorship.resets_name_and_drops_after("residual.x.test", for_s=120),
        AFTER_A_RESET,
    ),
    World(
        "residual blocking by reset",
        lambda: censorship.resets_name_and_drops_after("residual.x.test", 3, "reject with tcp reset"),
        AFTER_A_RESET,
    ),
)
