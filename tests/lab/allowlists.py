"""Allow-list networks, and honest networks that look like them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import censorship, filters
from tests.lab.kernel import RESOLVER
from tests.lab.refusals import ANYBODY, CLIENT_HELLO, refuse, servers
from tests.lab.world import IN_THE_OPEN, OFFLINE, REACHABLE, UNTOLD, World, both, http, https, in_ipv6
from tests.situation import Expected

AT_HOME = "canary-at-home.x.test"
NAMES = ("permitted.x.test", "branch.x.test", AT_HOME)
ADDRESSES = (*both("permitted"), *both("canary-at-home"))
NOT_YET = "Allow-lists are not detected yet: a restricted network is always inconclusive."
BY_A_LISTED_NAME = "The configured innocuous name is on no allow-list, so the A/B test points to the address."


def unlisted(why: str, method: str = "tls.timeout", xfail: str | None = NOT_YET) -> Expected:
    return Expected("blocked", method, "allowlist", why=why, xfail=xfail)


def passes(why: str, xfail: str | None = None) -> Expected:
    return Expected("reachable", why=why, xfail=xfail)


NEITHER = unlisted("neither its name nor its address is listed, and the control gets it")
PLAIN = unlisted("the same over port 80: a connect passes, the request is lost", "http.timeout")
GONE = Expected("inconclusive", also=("down",), why="it refuses every connection, and the list lets SYN pass")
BY_NAME = {
    https("permitted"): passes("its name is listed"),
    https("branch"): passes("its name is listed, its address is not"),
    https("guest"): unlisted("it shares a listed address, and its name is not listed"),
    https("honest"): NEITHER,
}
BY_ADDRESS = {
    https("permitted"): passes("its address is listed"),
    https("branch"): unlisted("a listed name at an address that is not: the address decides"),
    https("guest"): passes("a name that is not listed at a listed address: the address decides"),
    https("honest"): NEITHER,
}
BY_EITHER = BY_NAME | {https("guest"): passes("its address is listed, and that is enough")}
BY_BOTH = {
    https("permitted"): passes("its name and its address are listed"),
    https("branch"): unlisted("its name is listed, its address is not, and both are needed"),
    https("guest"): unlisted("its address is listed, its name is not, and both are needed"),
}
QUICK = {"timeout_s": 0.8}


def by_name() -> None:
    filters.spares_the_control()
    filters.allows_only(NAMES)


def by_address() -> None:
    filters.spares_the_control()
    filters.allows_only(addresses=ADDRESSES)


def by_either() -> None:
    filters.spares_the_control()
    filters.allows_only(NAMES, ADDRESSES)


def by_both() -> None:
    filters.spares_the_control()
    filters.allows_only(NAMES, ADDRESSES, both=True)


def has_our_reference_sites() -> None:
    filters.spares_the_control()
    filters.allows_only((*NAMES, "canary.x.test"))


def has_our_innocuous_name() -> None:
    filters.spares_the_control()
    filters.allows_only((*NAMES, "innocent.x.test"))


def slowly() -> None:
    filters.spares_the_control()
    filters.allows_only((*NAMES, "canary-heavy.x.test", "heavy.x.test"), slowly=True)


def abroad_is_gone() -> None:
    filters.cuts_off_but((*ADDRESSES, RESOLVER))


def company_allows_one_domain() -> None:
    """The company's firewall resets connections with any other name."""
    filters.allows_only(NAMES[:1], instead=filters.RESET)


def portal_with_a_garden() -> None:
    """The hotel's shop is reachable before login."""
    for address in both("permitted"):
        for way in ("-d", "-s"):
            censorship.forward(way, address, "-j", "ACCEPT", tools=censorship.tool_for(address))
    censorship.asks_for_login()


@contextmanager
def strict() -> Iterator[None]:
    """Servers that ignore a ClientHello without their own name, from any client."""
    with servers():
        for word in ("permitted", "canary-at-home"):
            other = ("-m", "string", "--algo", "bm", "!", "--string", f"{word}.x.test")
            refuse(word, *CLIENT_HELLO, *other, "-j", "DROP", source=ANYBODY)
        yield


STRICT = Expected("down", also=("inconclusive",), why="the server rejects other names for every client")
WORLDS = (
    World(
        "allow-list by name",
        by_name,
        BY_NAME | {http("plain"): PLAIN, https("dead"): GONE},
        "restricted",
        options=QUICK,
    ),
    in_ipv6(World("allow-list by name", by_name, BY_NAME, "restricted", options=QUICK)),
    World("allow-list by address", by_address, BY_ADDRESS, "restricted", options=QUICK),
    World("allow-list by name or address", by_either, BY_EITHER, "restricted", options=QUICK),
    World("allow-list by name and address", by_both, BY_BOTH, "restricted", options=QUICK),
    World(
        "allow-list by name, without a control",
        lambda: filters.allows_only(NAMES),
        {
            https("permitted"): passes("its name is listed"),
            https("honest"): unlisted("a listed name passes at its very address: that is proof without a control"),
            https("guest"): unlisted("a listed name passes at its very address"),
        },
        "restricted",
        options=QUICK,
    ),
    World(
        "allow-list by address, without a control",
        lambda: filters.allows_only(addresses=ADDRESSES),
        {
            https("permitted"): passes("its address is listed"),
            https("honest"): Expected(
                "inconclusive", why="a dead server looks the same: nothing passes at its address"
            ),
        },
        "restricted",
        options=QUICK,
    ),
    World(
        "allow-list that has our reference sites",
        has_our_reference_sites,
        {
            https("permitted"): passes("its name is listed"),
            https("honest"): unlisted("reference sites pass because they are listed", xfail=BY_A_LISTED_NAME),
            https("guest"): unlisted("its name is not listed, its address is", xfail=BY_A_LISTED_NAME),
        },
        also_network="restricted",
        options=QUICK,
    ),
    World(
        "allow-list that has our innocuous name",
        has_our_innocuous_name,
        {https("honest"): NEITHER, https("permitted"): passes("its name is listed")},
        "restricted",
        options=QUICK,
    ),
    World(
        "allow-list that slows what it does not list",
        slowly,
        {
            https("crawl"): unlisted("it comes at 14 KB a second, listed pages at full speed", "throttled"),
            https("heavy"): passes("its name is listed"),
            https("honest"): passes("a small page is over before its rate is limited"),
        },
        also_network="restricted",
        rounds=3,
        options={"canaries": ("https://canary-heavy.x.test/",), "timeout_s": 2},
    ),
    World(
        "abroad is gone, and servers at home are strict about names",
        abroad_is_gone,
        {
            https("permitted"): passes("it is at home"),
            https("guest"): STRICT,
            https("honest"): Expected("inconclusive", why="all of abroad is gone: no list of names is at work"),
            http("plain"): UNTOLD,
        },
        "restricted",
        layout=strict,
    ),
    World(
        "servers that are strict about names",
        lambda: None,
        {https("permitted"): REACHABLE, https("guest"): STRICT, https("honest"): REACHABLE, http("plain"): IN_THE_OPEN},
        layout=strict,
    ),
    World(
        "company that lets out one domain alone",
        company_allows_one_domain,
        {
            https("honest"): Expected("offline", why="no reference site answers: this network does not work"),
            https("permitted"): Expected("offline", also=("reachable",), why="the one domain is reached"),
        },
        "offline",
        69,
    ),
    World(
        "captive portal that lets one site through",
        portal_with_a_garden,
        {https("honest"): OFFLINE, https("permitted"): Expected("offline", also=("reachable",), why="the shop passes")},
        "portal",
        69,
    ),
)
