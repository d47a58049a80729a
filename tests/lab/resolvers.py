"""Filters of DNS: extended errors, interception of one public resolver, encrypted resolvers blocked."""

from __future__ import annotations

from tests.lab import censorship, filters
from tests.lab.kernel import RESOLVER, SPARED
from tests.lab.sites import DOH_BY_NAME, DOT_BY_NAME, HONEST_RESOLVERS, OWN_VIEW
from tests.lab.world import REACHABLE, UNTOLD, World, blocked, https
from tests.situation import Expected

DOH = f"https://{DOH_BY_NAME}/dns-query"
DOT = f"tls://{DOT_BY_NAME}:853"
RESOLVERS_BY_NAME = {
    f"doh://{DOH_BY_NAME}/honest.x.test": "tls.reset",
    f"dot://{DOT_BY_NAME}/honest.x.test": "tls.reset",
}
WITHHELD = {
    https("ede-blocked"): Expected(
        "blocked", "dns.nxdomain", "name", why="EDE 15 Blocked; trusted resolvers have addresses"
    ),
    https("ede-censored"): Expected(
        "blocked", "dns.refused", "name", why="EDE 16 Censored; trusted resolvers have addresses"
    ),
    https("ede-filtered"): Expected(
        "blocked", "dns.empty", "name", why="EDE 17 Filtered, and no filtering resolver is configured"
    ),
    https("removed"): Expected(
        "blocked", "dns.nxdomain", "name", why="removed by a national DNS; trusted resolvers have addresses"
    ),
}
ANSWERED_FOR = WITHHELD | {
    https("ede-bogus"): Expected("inconclusive", also=("reachable",), why="EDE 6: the resolver calls the zone bogus"),
    https("ede-prohibited"): Expected(
        "blocked",
        "dns.refused",
        also=("inconclusive",),
        why="EDE 18 Prohibited is about the client, but it comes for one name only",
    ),
    https("alias"): Expected("blocked", "dns.forged", "name", "confirmed", why="an alias to a block page's host"),
    https("honest"): REACHABLE,
}


def answers_for_one() -> None:
    filters.answers_for(RESOLVER)


def answers_for_one_but_the_vpn() -> None:
    filters.answers_for(RESOLVER, spared=SPARED)


def cuts_encrypted_names() -> None:
    for name in (DOH_BY_NAME, DOT_BY_NAME):
        for port in (443, 853):
            censorship.resets_name(name, port)


def cuts_encrypted_addresses() -> None:
    filters.answers_for(RESOLVER)
    for address, kind in HONEST_RESOLVERS.items():
        if kind != "plain":
            censorship.drops_address(address)


WORLDS = (
    World("one resolver answered for by another over UDP", answers_for_one, ANSWERED_FOR),
    World(
        "encrypted resolvers cut off by name",
        cuts_encrypted_names,
        {
            DOH: blocked("tls.reset", "name", "confirmed"),
            DOT: Expected("blocked", "tls.reset", "name", why="an innocuous name passes at the same address"),
            https("honest"): REACHABLE,
            **{target: blocked(method, "name", "confirmed") for target, method in RESOLVERS_BY_NAME.items()},
        },
    ),
    World(
        "one resolver intercepted, resolvers measured",
        answers_for_one_but_the_vpn,
        {
            f"udp://{RESOLVER}/removed.x.test": Expected(
                "blocked", trigger="name", why="over TCP the same resolver has the address: this is not its own filter"
            ),
            f"tcp://{RESOLVER}/removed.x.test": Expected("reachable", why="TCP is not intercepted"),
            f"udp://{OWN_VIEW}/removed.x.test": Expected("reachable", why="another resolver is not intercepted"),
            f"udp://{RESOLVER}/honest.x.test": Expected(
                "reachable", also=("inconclusive",), why="the interceptor's answer for this name is the honest one"
            ),
        },
        options={"control": "vpn", "timeout_s": 1.0},
    ),
    World(
        "encrypted resolvers cut off by address, and one answered for",
        cuts_encrypted_addresses,
        {
            DOH: blocked("tcp.timeout", None, "possible"),
            DOT: blocked("tcp.timeout", None, "possible"),
            https("ede-blocked"): Expected("blocked", "dns.nxdomain", "name", why="the resolver says so itself"),
            https("removed"): Expected(
                "blocked", "dns.nxdomain", also=("inconclusive",), why="only the control's resolver has the name"
            ),
            https("no-such-name"): Expected("down", also=("inconclusive",), why="no resolver has the name"),
            https("honest"): REACHABLE,
        },
    ),
    World(
        "encrypted resolvers cut off and no control",
        lambda: (cuts_encrypted_addresses(), censorship.drops_address("198.51.100.99"))[0],
        {
            https("removed"): UNTOLD,
            https("honest"): REACHABLE,
            https("ede-blocked"): Expected(
                "blocked",
                "dns.nxdomain",
                "name",
                also=("inconclusive",),
                at_most="possible",
                why="only the resolver's own EDE says so",
            ),
        },
    ),
)
