"""Filters by address range: freezes after some kilobytes, connection policing, UDP that arms a filter; look-alikes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from tests.lab import censorship, filters, hello
from tests.lab.kernel import INTERNET, inside
from tests.lab.refusals import own_view
from tests.lab.sites import ANNEX, ANNEX6, HOSTER, HOSTER6
from tests.lab.world import NOT_BLOCKED, REACHABLE, World, both, https, in_ipv6, quic
from tests.situation import Expected

HOSTERS, ANNEXES = (HOSTER, HOSTER6), (ANNEX, ANNEX6)
NO_NETWORK_YET = "No other address of the same network is tried yet."
NO_UPLOAD_YET = "There is no upload leg yet, and no --deep."
OWN = hello.ciphers(hello.own("x.test"))
MINUTE_S = 9
"""A minute, scaled to a timeout of 1.5 s instead of 10 s."""


def frozen(why: str, xfail: str | None = NO_NETWORK_YET) -> Expected:
    return Expected("blocked", "http.stall", "network", why=why, xfail=xfail)


WHOLE = Expected("reachable", why="all of the page came: it ends before the mark")
LISTED = Expected("reachable", why="its name is let through in the network that freezes")
ELSEWHERE = Expected("reachable", why="it is at another network")
CUT = Expected("down", also=("inconclusive",), why="the server itself stops there, for every client")
FREEZES = {
    https("bulky"): frozen("it stalls at the byte mark; so do an innocuous name and another address of the network"),
    https("solid"): frozen("the same with TLS records so large that none is complete"),
    https("tiny"): WHOLE,
    https("vouched"): LISTED,
    https("large"): ELSEWHERE,
    https("clipped"): CUT,
    https("stalled"): CUT,
}
ALONE = Expected(
    "reachable",
    also=("inconclusive",),
    why="a single connection passes: only our own burst causes the freeze",
)
AFTER_TCP = Expected("reachable", also=("inconclusive",), why="it passes until our own UDP arms the filter")


def by_bytes() -> None:
    filters.freezes(HOSTERS, but=("vouched.x.test",))


def by_packets() -> None:
    filters.freezes(HOSTERS, packets=True, but=("vouched.x.test",))


def over_udp_too() -> None:
    censorship.spares()
    filters.freezes(HOSTERS)
    filters.freezes(HOSTERS, protocol="udp")


def uploads() -> None:
    filters.freezes(HOSTERS, counts="original")


def polices() -> None:
    filters.polices(HOSTERS, OWN, MINUTE_S)


def arms() -> None:
    filters.arms_by_udp(HOSTERS, ANNEXES, for_s=600)


def shuts_udp() -> None:
    censorship.spares()
    filters.arms_by_udp(HOSTERS, HOSTERS, for_s=600, protocol="udp")


def narrow_to_one_network() -> None:
    for prefix in HOSTERS:
        censorship.forward(
            "-s", prefix, "-m", "length", "--length", "1300:65535", "-j", "DROP", tools=censorship.tool_for(prefix)
        )


@contextmanager
def at_the_server(word: str, *rule: str) -> Iterator[None]:
    """A rule of the server's own firewall, for any client."""
    own = [(tool, ("-s", address, *rule)) for tool, address in zip(censorship.BOTH, both(word), strict=True)]
    for tool, words in own:
        inside(INTERNET, tool, "-w", "-A", "OUTPUT", *words)
    try:
        yield
    finally:
        for tool, words in own:
            inside(INTERNET, tool, "-w", "-D", "OUTPUT", *words)


def metered() -> AbstractContextManager[None]:
    """A quota of 300 KB per client, then 8 KB/s."""
    limit = ("--hashlimit-above", "8kb/s", "--hashlimit-burst", "300kb", "--hashlimit-mode", "dstip")
    return at_the_server(
        "metered", "-p", "tcp", "-m", "hashlimit", "--hashlimit-name", "metered", *limit, *filters.DROP
    )


def overloaded() -> AbstractContextManager[None]:
    return at_the_server("bulky", "-m", "statistic", "--mode", "random", "--probability", "0.3", *filters.DROP)


QUICK = {"timeout_s": 1.0}
QUIC = {"control": "vpn", "more": "quic = true", "timeout_s": 1.0}
BY_BYTES = World("hoster's network freezes after some kilobytes", by_bytes, FREEZES, options=QUICK)
WORLDS = (
    BY_BYTES,
    in_ipv6(BY_BYTES),
    World("hoster's network freezes after some packets", by_packets, FREEZES, options=QUICK),
    World(
        "hoster's network freezes over UDP as well",
        over_udp_too,
        {
            https("triple"): frozen("over TCP it stalls at the byte mark"),
            quic("triple"): Expected("reachable", also=("blocked",), why="a handshake alone ends before the mark"),
            https("quic-open"): REACHABLE,
        },
        options=QUIC,
    ),
    World(
        "hoster's network freezes, small pages measured deeply",
        by_bytes,
        {
            https("tiny"): frozen("its page is complete, but an upload of padding stalls", None),
            https("vouched"): LISTED,
            https("honest"): ELSEWHERE,
        },
        deep=True,
        xfail=NO_UPLOAD_YET,
    ),
    World(
        "hoster's network freezes what is uploaded, measured deeply",
        uploads,
        {
            https("bulky"): frozen("an upload of padding stalls, a large page does not", None),
            https("tiny"): frozen("an upload of padding stalls", None),
            https("honest"): ELSEWHERE,
        },
        deep=True,
        xfail=NO_UPLOAD_YET,
    ),
    World(
        "servers that end after sixteen kilobytes",
        lambda: None,
        {
            https("clipped"): Expected("down", why="it closes there for every client"),
            https("stalled"): Expected("down", why="it stalls there for every client"),
            https("sick-node"): Expected(
                "inconclusive", also=("down",), why="the CDN node that this resolver returns is broken for every client"
            ),
            https("bulky"): REACHABLE,
        },
        edit=own_view,
    ),
    World(
        "server that limits what one client gets",
        lambda: None,
        {
            https("metered") + query: replace(NOT_BLOCKED, why="the server has a quota per client")
            for query in ("", "?a", "?b", "?c")
        }
        | {https("bulky"): REACHABLE},
        layout=metered,
    ),
    World(
        "overloaded server",
        lambda: None,
        {https("bulky"): replace(NOT_BLOCKED, why="it loses packets for every client"), https("honest"): REACHABLE},
        layout=overloaded,
    ),
    World(
        "narrow way to one network",
        narrow_to_one_network,
        {
            https("bulky"): replace(
                NOT_BLOCKED, why="full-size packets are lost: the same page passes in small segments"
            ),
            https("solid"): replace(NOT_BLOCKED, why="full-size packets are lost"),
            https("honest"): REACHABLE,
        },
    ),
    World(
        "connections of one fingerprint to a network policed",
        polices,
        dict.fromkeys(map(https, ("tiny", "hosted-a", "hosted-b", "hosted-c", "hosted-d")), ALONE)
        | {https("honest"): ELSEWHERE},
    ),
    World(
        "datagrams to one network shut another",
        arms,
        {
            https("annexed-a"): AFTER_TCP,
            https("annexed-b"): AFTER_TCP,
            https("triple"): Expected("reachable", why="its own network is not shut"),
            quic("triple"): Expected("reachable", also=("inconclusive",), why="datagrams themselves pass"),
        },
        options={"more": "quic = true"},
    ),
    World(
        "datagrams shut UDP to their own network",
        shuts_udp,
        {
            https("triple"): Expected("reachable", why="TCP is not touched"),
            quic("triple"): Expected(
                "blocked", "quic.timeout", also=("inconclusive",), why="UDP is dropped after the first datagram"
            ),
            quic("quic-open"): Expected("reachable", why="it is at another network"),
        },
        options=QUIC,
    ),
    World(
        "residual blocking behind a silent hello",
        lambda: censorship.resets_name_and_drops_after("residual.x.test", 3, first=censorship.drops_name),
        {
            https("residual"): Expected("blocked", "tls.timeout", "name", why="an innocuous name passes there later"),
            https("honest"): REACHABLE,
        },
    ),
    World(
        "residual blocking behind a silent hello, longer than anyone waits",
        lambda: censorship.resets_name_and_drops_after("residual.x.test", 120, first=censorship.drops_name),
        {
            https("residual"): Expected(
                "blocked", "tls.timeout", also=("inconclusive",), why="for two minutes every name times out after it"
            ),
            https("bystander"): Expected(
                "inconclusive", also=("reachable",), why="it shares the address and fails only after the other"
            ),
            https("honest"): REACHABLE,
        },
    ),
)
