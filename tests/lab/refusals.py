"""Worlds in which honest servers, or other countries' networks, do what looks like censorship here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import censorship
from tests.lab.kernel import INTERNET, inside
from tests.lab.sites import ALL, LOCAL_PORT, LOCAL_TLS_PORT, OTHER_SOCKS, OWN_VIEW, SITES, STUB, ipv6_of
from tests.lab.world import REACHABLE, World, both, http, https
from tests.situation import Expected

ABROAD = "192.0.2.0/24"
"""The country that some servers refuse: the client's."""
ANYBODY = "0.0.0.0/0"
IN_IPV6 = {ABROAD: "2001:db8:1::/64", ANYBODY: "::/0"}
OF_BOTH_FAMILIES = {site.name for site in ALL if 6 in site.families}
CHAIN = "world"


@contextmanager
def servers() -> Iterator[None]:
    """What is set by `refuse` and `leads` in here holds until its end."""
    for tool in censorship.BOTH:
        for words in (("-N", CHAIN), ("-I", "INPUT", "-j", CHAIN)):
            inside(INTERNET, tool, "-w", *words)
    try:
        yield
    finally:
        for tool in censorship.BOTH:
            for words in (("-D", "INPUT", "-j", CHAIN), ("-F", CHAIN), ("-X", CHAIN)):
                inside(INTERNET, tool, "-w", *words)
        for chain in ("PREROUTING", "OUTPUT"):
            inside(INTERNET, "iptables", "-w", "-t", "nat", "-F", chain)


def refuse(word: str, *how: str, source: str = ABROAD, port: int = 443) -> None:
    """A server's own firewall does `how` to what comes from `source`, in each of the server's families."""
    address = SITES[f"{word}.x.test"]
    for tool, at, sender in (("iptables", address, source), ("ip6tables", ipv6_of(address), IN_IPV6.get(source))):
        if sender is not None and (tool == "iptables" or f"{word}.x.test" in OF_BOTH_FAMILIES):
            to = ("-s", sender, "-d", at, "-p", "tcp", "--dport", str(port))
            inside(INTERNET, tool, "-w", "-A", CHAIN, *to, *how)


def leads(word: str, to: str, source: str = ABROAD, port: int = 443) -> None:
    """Connections from `source` end at another server."""
    chain = "PREROUTING" if source == ABROAD else "OUTPUT"
    what = ("-s", source, "-d", SITES[f"{word}.x.test"], "-p", "tcp", "--dport", str(port))
    inside(INTERNET, "iptables", "-w", "-t", "nat", "-A", chain, *what, "-j", "DNAT", "--to-destination", to)


RESET = ("-j", "REJECT", "--reject-with", "tcp-reset")
CLIENT_HELLO = ("-m", "string", "--algo", "bm", "--hex-string", "|160301|")


@contextmanager
def refuse_a_country() -> Iterator[None]:
    with servers():
        refuse("abroad-dropped", "-j", "DROP")
        refuse("abroad-reset", *RESET)
        refuse("abroad-prohibited", "-j", "REJECT", "--reject-with", "icmp-admin-prohibited")
        refuse("abroad-hello-reset", *CLIENT_HELLO, *RESET)
        leads("abroad-hello-alert", f"{SITES['abroad-hello-alert.x.test']}:{LOCAL_TLS_PORT}")
        yield


@contextmanager
def serve_a_country_otherwise() -> Iterator[None]:
    with servers():
        leads("abroad-backend", f"{SITES['abroad-backend.x.test']}:{LOCAL_TLS_PORT}")
        for word in ("abroad-page", "abroad-geoblock"):
            leads(word, f"{SITES[f'{word}.x.test']}:{LOCAL_PORT}", port=80)
        yield


@contextmanager
def limit_rates() -> Iterator[None]:
    few = ("--syn", "-m", "hashlimit", "--hashlimit-mode", "srcip,dstip", "--hashlimit-burst", "3")
    with servers():
        for word, how in (("few-dropped", ("-j", "DROP")), ("few-reset", RESET)):
            refuse(word, *few, "--hashlimit-name", word, "--hashlimit-above", "3/minute", *how)
        yield


@contextmanager
def censor_the_other_control() -> Iterator[None]:
    """The second control's own country drops one address, resets another, and shows its block page for two."""
    with servers():
        refuse("other-dropped", "-j", "DROP", source=OTHER_SOCKS)
        refuse("honest", *RESET, source=OTHER_SOCKS)
        refuse("other-reset", *CLIENT_HELLO, *RESET, source=OTHER_SOCKS)
        for word in ("other-page", "other-dead"):
            leads(word, f"{STUB}:80", OTHER_SOCKS, 80)
        yield


def two_controls(config: str) -> str:
    other = f'[[path]]\nname = "other"\nproxy = "socks5://{OTHER_SOCKS}:1080"\ncountry = "TR"\n'
    return config.replace('path = "control"', 'paths = ["control", "other"]') + other


def own_view(config: str) -> str:
    return config.replace('resolvers = ["udp://198.51.100.53"]', f'resolvers = ["udp://{OWN_VIEW}"]')


def censors_beside_the_other_control() -> None:
    censorship.drops_address(both("other-dropped")[0])
    censorship.drops_address(both("address-dropped")[0])
    censorship.drops_address(both("address-dropped")[1])
    censorship.resets_name("other-reset.x.test")


def firewall(why: str) -> Expected:
    """A service that refuses this country cannot be told from a block by address with one control alone."""
    return Expected("inconclusive", also=("blocked", "denied"), at_most="possible", why=why)


def unblocked(why: str) -> Expected:
    return Expected("inconclusive", also=("reachable",), why=why)


def stale(why: str) -> Expected:
    return Expected("inconclusive", why=why)


def limited(word: str) -> dict[str, Expected]:
    """The first connections get through, the last do not."""
    why = "it answered this round's first connections"
    return {https(word) + path: unblocked(why) for path in FEW}


FEW = ("", "a", "b", "c", "d")
WORLDS = (
    World(
        "servers that refuse a country",
        lambda: None,
        {
            https("abroad-dropped"): firewall("its firewall drops this country's packets"),
            https("abroad-reset"): firewall("its firewall resets this country's connects"),
            https("abroad-prohibited"): firewall("its firewall says so by ICMP"),
            https("abroad-hello-reset"): firewall("it resets this country's handshakes, whatever the name"),
            https("abroad-hello-alert"): firewall("its edge for this country has no site of this name"),
            https("honest"): REACHABLE,
        },
        layout=refuse_a_country,
    ),
    World(
        "backends by country",
        lambda: None,
        {
            https("abroad-backend"): Expected("reachable", why="valid for the name, in another language"),
            http("abroad-page"): unblocked("another page than the control's, and no sign of a block"),
            http("abroad-geoblock"): Expected(
                "denied", also=("inconclusive",), why="451 in the open: the service may refuse this country"
            ),
            http("plain"): Expected("reachable", why="the same page for everyone"),
        },
        layout=serve_a_country_otherwise,
    ),
    World(
        "servers that limit connections",
        lambda: None,
        limited("few-dropped") | limited("few-reset") | {https("honest"): REACHABLE},
        layout=limit_rates,
    ),
    World(
        "two controls, one of them censored",
        censors_beside_the_other_control,
        {
            https("address-dropped"): Expected("blocked", "tcp.timeout", why="both controls get through"),
            https("other-dropped"): Expected(
                "blocked", "tcp.timeout", also=("inconclusive",), at_most="possible", why="the controls disagree"
            ),
            https("other-reset"): Expected(
                "blocked",
                "tls.reset",
                "name",
                "confirmed",
                why="an innocuous name passes at the same address",
            ),
            http("other-page"): Expected("reachable", why="one control gets this page, the other a block page"),
            http("other-dead"): Expected(
                "down", also=("inconclusive",), why="a block page for a dead site does not make it alive"
            ),
            https("honest"): REACHABLE,
        },
        layout=censor_the_other_control,
        edit=two_controls,
    ),
    World(
        "resolver with old answers",
        lambda: None,
        {
            https("moved-silent"): stale("the site moved; its old address is silent"),
            https("moved-refused"): stale("the site moved; its old address refuses"),
            https("two-nodes"): stale("the node for this region is out of order"),
            https("honest"): REACHABLE,
        },
        edit=own_view,
    ),
    World(
        "company with names of its own",
        lambda: None,
        {
            https("intranet"): Expected("reachable", why="only its resolver knows the name; the certificate is valid"),
            http("intranet"): unblocked("only its resolver knows the name; a whole page comes"),
            https("honest"): REACHABLE,
            http("two-views"): unblocked("inside, the name leads to another server with a page of its own"),
        },
        edit=own_view,
    ),
)
