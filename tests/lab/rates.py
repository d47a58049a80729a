"""Worlds of slowness: by name from the handshake on, all of abroad, and slow lines and servers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.lab import censorship, filters
from tests.lab.finer import HEAVY_CANARY
from tests.lab.kernel import CLIENT, RESOLVER
from tests.lab.sites import SITES
from tests.lab.world import NOT_BLOCKED, REACHABLE, World, both, https
from tests.situation import Expected

NO_TRIGGER_YET = "A page that still flows at the time cap counts as complete, and no innocuous name's rate is measured."
NO_SMALL_YET = "Rates are compared for large pages only, and handshake times not at all."
SLOW = replace(NOT_BLOCKED, why="everything abroad is slow: a state of the network, not of a target")
LOADED = replace(NOT_BLOCKED, why="our own line is full")
RATES = {"timeout_s": 2, "canaries": HEAVY_CANARY}


def by_name() -> None:
    for word in ("crawl", "sluggish"):
        filters.strangles_name(f"{word}.x.test")


def abroad() -> None:
    filters.slows_abroad(600, (*both("canary-at-home"), RESOLVER), loss=0.03)


@contextmanager
def loaded() -> Iterator[None]:
    """Another machine at home downloads all the time."""
    url, address = "https://big.x.test/", SITES["big.x.test"]
    fetch = f"curl -sk -m 20 -o /dev/null --resolve big.x.test:443:{address} {url}"
    command = ["ip", "netns", "exec", CLIENT, "sh", "-c", f"while :; do {fetch} || sleep 0.2; done"]
    others = [subprocess.Popen(command) for _ in range(2)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()


WORLDS = (
    World(
        "a name throttled from its handshake on",
        by_name,
        {
            https("crawl"): Expected(
                "blocked", "throttled", "name", why="15 KB a second, the control and reference sites far more",
                xfail=NO_TRIGGER_YET,
            ),
            https("sluggish"): Expected(
                "blocked", "throttled", "name", why="handshakes take 0.6 s, those of reference sites do not",
                xfail=NO_SMALL_YET,
            ),
            https("heavy"): REACHABLE,
            https("slow-for-all"): REACHABLE,
            https("honest"): REACHABLE,
        },
        rounds=3,
        options=RATES,
    ),
    World(
        "all of abroad throttled",
        abroad,
        dict.fromkeys(map(https, ("heavy", "crawl", "sluggish", "honest")), SLOW),
        also_network="restricted",
        rounds=3,
        options=RATES,
    ),
    World(
        "own line full, with a deep queue",
        lambda: censorship.is_thin(1500, queue_ms=800),
        dict.fromkeys(map(https, ("crawl", "sluggish", "heavy", "honest")), LOADED),
        rounds=3,
        options=RATES,
        layout=loaded,
    ),
)  # fmt: skip
