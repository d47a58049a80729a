"""Filters by ClientHello: TLS fingerprints and ECH; and servers that reject a ClientHello themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import filters, hello
from tests.lab.hosters import HOSTERS, OWN
from tests.lab.refusals import ABROAD, ANYBODY, firewall, refuse, servers
from tests.lab.world import IN_THE_OPEN, REACHABLE, World, http, https, in_ipv6
from tests.situation import Expected

NO_CLIENT_YET = "No other client is tried yet: there is no [network] clients."
ALL_NETWORKS = ("0.0.0.0/0", "::/0")
NO_ECH_YET = "No ECH is sent yet, and there is no --deep."
QUICK = {"timeout_s": 1.0}
CLIENTS = {"more": 'clients = ["own", "chrome"]'}


def hanging(why: str, trigger: str | None = None) -> Expected:
    return Expected("blocked", "tls.timeout", trigger, why=why)


OURS_HANGS = {
    https("tiny"): hanging("our ClientHello is dropped for any name, and passes through the control"),
    https("honest"): REACHABLE,
}
OURS_ANYWHERE = {
    https("honest"): Expected(
        "blocked",
        "tls.timeout",
        also=("inconclusive",),
        why="without another client it looks like a path that loses full-size packets",
    ),
    http("plain"): IN_THE_OPEN,
}
ECH_FILTERED = Expected(
    "reachable", evidence=("ECH",), why="a plain ClientHello passes; the evidence says what happened to ECH"
)
PLAIN_PASSES = Expected("reachable", why="a plain ClientHello passes")


def ours(*prefixes: str) -> None:
    filters.spares_the_control()
    filters.hangs_client(OWN, prefixes or ALL_NETWORKS)


def chrome_s(*prefixes: str) -> None:
    filters.spares_the_control()
    filters.hangs_client(hello.CHROME, prefixes or ALL_NETWORKS)


LOST = ("-m", "string", "--algo", "bm", "--hex-string", f"|{OWN.hex()}|", "-j", "DROP")


@contextmanager
def picky_about_clients(source: str = ABROAD) -> Iterator[None]:
    """A server's firewall against bots: it drops our ClientHello and lets browsers' through."""
    with servers():
        refuse("tiny", *LOST, source=source)
        yield


@contextmanager
def brittle() -> Iterator[None]:
    """Servers that fail on the ECH extension, for any client."""
    unknown = ("-m", "string", "--algo", "bm", "--hex-string", f"|{hello.ECH:04x}|")
    with servers():
        for word in ("brittle", "sealed"):
            refuse(word, *unknown, *filters.RESET, source=ANYBODY)
        yield


def with_clients(world: World, expected: dict[str, Expected]) -> World:
    """The same, with Chrome's ClientHello sent as well."""
    return World(
        f"{world.name}, with another client", world.censor, expected, options=CLIENTS, layout=world.layout,
        xfail=NO_CLIENT_YET,
    )  # fmt: skip


BY_NETWORK = World("our fingerprint hangs at a network", lambda: ours(*HOSTERS), OURS_HANGS, options=QUICK)
EVERYWHERE = World("our fingerprint hangs everywhere", ours, OURS_ANYWHERE, options=QUICK)
CHROMES = World(
    "Chrome's fingerprint hangs at a network",
    lambda: chrome_s(*HOSTERS),
    {https("tiny"): Expected("reachable", why="our own ClientHello passes"), https("honest"): REACHABLE},
)
FIREWALL = World(
    "server that drops bots' ClientHellos",
    lambda: None,
    {
        https("tiny"): Expected(
            "down", also=("inconclusive", "denied"), why="our ClientHello fails there from every vantage point"
        ),
        https("honest"): REACHABLE,
        https("modern"): Expected("reachable", why="TLS 1.3 alone, which we speak"),
    },
    layout=lambda: picky_about_clients(ANYBODY),
)
OUR_OWN = "our ClientHello hangs, another client's passes at the same address"
THEIRS = "our ClientHello passes, Chrome's hangs at the same address: Chrome users are blocked"


def ech(how: tuple[str, ...], *, by_name: bool) -> World:
    words = f"{'reset' if how == filters.RESET else 'lost'}, {'by its outer name' if by_name else 'any'}"
    return World(
        f"ECH {words}",
        lambda: filters.blocks_ech(*how, by_name=by_name),
        {https("sealed"): ECH_FILTERED, https("honest"): Expected("reachable", why="it offers no ECH")},
        deep=True,
        xfail=NO_ECH_YET,
    )


def blocks_any_ech() -> None:
    filters.blocks_ech(*filters.DROP, by_name=False)


WORLDS = (
    BY_NETWORK,
    in_ipv6(BY_NETWORK),
    EVERYWHERE,
    CHROMES,
    FIREWALL,
    World(
        "server that drops bots' ClientHellos from one country",
        lambda: None,
        {
            https("tiny"): firewall("its firewall drops this country's ClientHellos by fingerprint"),
            https("honest"): REACHABLE,
        },
        layout=picky_about_clients,
    ),
    with_clients(BY_NETWORK, OURS_HANGS | {https("tiny"): hanging(OUR_OWN, "client")}),
    with_clients(EVERYWHERE, OURS_ANYWHERE | {https("honest"): hanging(OUR_OWN, "client")}),
    with_clients(CHROMES, {https("tiny"): hanging(THEIRS, "client"), https("honest"): REACHABLE}),
    with_clients(
        FIREWALL,
        {
            https("tiny"): Expected("denied", also=("inconclusive",), why="the server itself rejects this client"),
            https("honest"): REACHABLE,
        },
    ),
    ech(filters.DROP, by_name=True),
    ech(filters.RESET, by_name=True),
    ech(filters.DROP, by_name=False),
    ech(filters.RESET, by_name=False),
    World(
        "ECH lost, measured plainly",
        blocks_any_ech,
        {https("sealed"): PLAIN_PASSES, https("honest"): REACHABLE},
    ),
    World(
        "servers that fail on an unknown extension",
        lambda: None,
        {
            https("brittle"): Expected(
                "reachable", why="a plain ClientHello passes, and ECH fails through the control too"
            ),
            https("sealed"): Expected("reachable", why="it offers ECH, and fails on it for every client"),
            https("honest"): REACHABLE,
        },
        layout=brittle,
        deep=True,
        xfail=NO_ECH_YET,
    ),
)
