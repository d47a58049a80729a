"""Filters of 2024-26 on loopback, without root: what a middlebox that terminates TCP can do.

The lab has all of them (tests/lab/filters.py); uploads, UDP and address ranges only work there.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from schedules.demo import censor, sites
from schedules.demo.censor import Action
from schedules.demo.network import Site
from tests.lab import censor_actions, hello, site_answers
from tests.lab.network import LabNetwork
from tests.scenarios.loopback import Wire

OWN = hello.ciphers(hello.own("x.test"))
ECH = hello.ECH.to_bytes(2, "big")
NO_CLIENT_YET = "No other client is tried yet."


def _censored(action: Action, responder: sites.Responder | None = None) -> Callable[[LabNetwork, str], Site]:
    return lambda net, name: net.add_site(name, responder, censored=action)


def _honest(responder: sites.Responder) -> Callable[[LabNetwork, str], Site]:
    return lambda net, name: net.add_site(name, responder)


def _hangs(ciphers: bytes) -> Action:
    return censor_actions.on_first(lambda first: ciphers in first, censor.drops)


LARGE = sites.page("Large", kib=256)
FILTERED = (
    Wire(
        "our-hello-hangs",
        _censored(_hangs(OWN)),
        "blocked",
        "tls.timeout",
        "client",
        "probable",
        why="our ClientHello is dropped for any name, another client's passes at the same address",
        xfail=NO_CLIENT_YET,
    ),
    Wire(
        "chrome-s-hello-hangs",
        _censored(_hangs(hello.CHROME)),
        "reachable",
        confidence="confirmed",
        why="our own ClientHello passes, and no other client is configured",
    ),
    Wire(
        "ech-hangs",
        _censored(
            censor_actions.on_first(lambda first: ECH in first and b"\x00\x00\x01\x00\x01" in first, censor.drops)
        ),
        "reachable",
        confidence="confirmed",
        why="a plain ClientHello passes",
    ),
    Wire(
        "small-and-strangled",
        _censored(censor_actions.strangles(0.6, 15_000)),
        "reachable",
        confidence="confirmed",
        why="one slow handshake proves nothing; throttling takes several rounds",
    ),
    Wire(
        "policed",
        _censored(censor_actions.polices(censor.drops, 2, 1.0, 3.0, time.monotonic)),
        "reachable",
        confidence="confirmed",
        why="a single connection passes",
    ),
    Wire(
        "clipped",
        _honest(site_answers.ends_after(16_384, 262_144)),
        "down",
        None,
        None,
        "probable",
        why="for every client",
    ),
    Wire(
        "halted",
        _honest(site_answers.stalls_after(16_384, 262_144)),
        "down",
        None,
        None,
        "probable",
        why="for every client",
    ),
    Wire("whole", _honest(LARGE), "reachable", confidence="confirmed", why="no filter is at work"),
)
