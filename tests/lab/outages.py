"""Outages of abroad, of UDP and of one port; and a machine that slept. Others are in situations.py."""

from __future__ import annotations

from dataclasses import replace

from tests.lab import censorship, filters
from tests.lab.allowlists import abroad_is_gone
from tests.lab.world import NOT_BLOCKED, REACHABLE, UNTOLD, World, http, https, quic
from tests.situation import Expected


def drops_udp() -> None:
    censorship.spares()
    filters.drops_udp()


def resets_the_port() -> None:
    filters.resets_port(443)


PORT_OUT = Expected("inconclusive", why="the whole port is reset, for reference sites too: a state of the network")
SLEPT = replace(NOT_BLOCKED, why="our own machine slept while it was measured")
WORLDS = (
    World(
        "abroad is gone, in both families",
        abroad_is_gone,
        {
            https("permitted"): Expected("reachable", why="it is at home"),
            https("honest"): UNTOLD,
            http("plain"): UNTOLD,
            https("dead"): UNTOLD,
        },
        "restricted",
    ),
    World(
        "no datagrams",
        drops_udp,
        {
            quic("quic-open"): Expected(
                "blocked", "quic.timeout", evidence=("lets any QUIC through; it fails at",), why="the control's passes"
            ),
            https("quic-open"): REACHABLE,
            https("honest"): REACHABLE,
        },
        options={"control": "vpn", "timeout_s": 0.8, "more": "quic = true"},
    ),
    World(
        "port 443 reset for all",
        resets_the_port,
        {
            https("honest"): PORT_OUT,
            https("tiny"): PORT_OUT,
            http("plain"): Expected("reachable", also=("inconclusive",), why="port 80 passes"),
        },
        "restricted",
        also_network="online",
        options={"canaries": ("https://canary-heavy.x.test/",)},
    ),
    World(
        "a machine that slept",
        lambda: None,
        dict.fromkeys((https("honest"), https("large"), https("slow"), https("heavy"), http("plain")), SLEPT),
        nap_s=4,
    ),
)
