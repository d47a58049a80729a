"""Situations in the lab: what the gateway does, and what the program has to say of it.

A `World` is a gateway's rules and everything that is measured behind them in one run of the program.
"""

from __future__ import annotations

from dataclasses import replace

from tests.lab import allowlists, censorship, finer, hellos, hosters, layouts, outages, rates, refusals, resolvers
from tests.lab.sites import HONEST_RESOLVERS, SITES, SOCKS
from tests.lab.world import (
    IN_THE_OPEN,
    NOT_BLOCKED,
    NOT_REACHED,
    OFFLINE,
    REACHABLE,
    UNTOLD,
    World,
    blocked,
    both,
    http,
    https,
)
from tests.situation import Expected

FINE = {
    https("honest"): REACHABLE,
    https("large"): REACHABLE,
    https("slow"): REACHABLE,
    http("plain"): IN_THE_OPEN,
    "tls://neighbour.x.test:443": REACHABLE,
}
REFUSING = {
    https("challenge"): Expected("denied", confidence="confirmed"),
    https("geoblock"): Expected("denied", confidence="confirmed"),
}
DEAD = ("dead", "silent", "expired", "misnamed", "closing", "no-such-name", "dnssec-broken")
DOWN = {https(word): Expected("down") for word in DEAD}
BY_HOST = "It was probable, without a trigger, until an innocuous Host was tried at an address set aside."
BY_NAME = {
    https("wechat"): blocked("tls.reset", "name", "confirmed"),
    https("line"): blocked("tls.timeout", "name", "confirmed"),
    http("host-reset"): blocked("http.reset", "name", "confirmed", BY_HOST),
    http("host-dropped"): blocked("http.timeout", "name", "confirmed", BY_HOST),
    https("frozen"): blocked("http.stall"),
    https("frozen-deep"): blocked("http.stall", changed="The method was left open until unread bytes were counted."),
}
BY_ONE_CONTROL = "One control is no proof of a block by address: the service may refuse this country itself."
BY_ADDRESS = {
    https("address-dropped"): blocked("tcp.timeout", None, "possible", changed=BY_ONE_CONTROL),
    https("address-refused"): blocked("tcp.refused", None, "possible", changed=BY_ONE_CONTROL),
    https("address-prohibited"): blocked("tcp.unreachable", None, "possible", changed=BY_ONE_CONTROL),
    https("intercepted"): blocked("tls.mitm"),
    http("news"): blocked("http.blockpage", None, "confirmed"),
}
OPEN = {https("host-reset"): REACHABLE, https("news"): REACHABLE}
"""What the censor that reads port 80 alone lets through on 443."""
ONE_FAMILY = {
    https("no-ipv6"): Expected("reachable", confidence="confirmed", evidence=("2001:db8:2::",)),
    https("no-ipv4"): Expected("reachable", confidence="confirmed", evidence=("198.51.100.",)),
}
BY_DNS = {
    https("linkedin"): blocked("dns.forged", "name", "confirmed"),
    https("bbm"): blocked("dns.nxdomain", "name"),
    https("dns-refused"): blocked("dns.refused", "name"),
    https("dns-empty"): blocked("dns.empty", "name"),
    https("dns-silent"): blocked("dns.timeout", "name"),
    https("dns-servfail"): blocked("dns.servfail", "name"),
}
THROTTLED = {
    https("pinched"): Expected("reachable", also=("inconclusive",)),
    https("strangled"): Expected("inconclusive", also=("reachable",)),
}


def censors_names() -> None:
    censorship.resets_name("wechat.x.test")
    censorship.drops_name("line.x.test")
    censorship.resets_name("host-reset.x.test", port=80)
    censorship.drops_name("host-dropped.x.test", port=80)
    censorship.freezes_name("frozen.x.test", after=16384)
    censorship.freezes_name("frozen-deep.x.test", after=16384)


def censors_addresses() -> None:
    for address in both("address-dropped"):
        censorship.drops_address(address)
    for address in both("address-refused"):
        censorship.refuses_address(address)
    for address in both("address-prohibited"):
        censorship.rejects_address(address)
    for address in both("intercepted"):
        censorship.intercepts(address)
    for address in both("news"):
        censorship.leads_http_astray(address)
    censorship.drops_address(both("no-ipv4")[0])
    censorship.drops_address(both("no-ipv6")[1])


def censors_all() -> None:
    censors_names()
    censors_addresses()
    censorship.leads_dns_astray()
    censorship.throttles_name("pinched.x.test", kib_per_s=128)
    censorship.throttles_name("strangled.x.test", kib_per_s=16)


def without_control() -> None:
    censors_all()
    censorship.drops_address(SOCKS)


def without_any_help() -> None:
    """Neither a control nor a trusted resolver can be reached: all that is left is the A/B by name."""
    without_control()
    for address, kind in HONEST_RESOLVERS.items():
        if kind != "plain":
            censorship.drops_address(address)


def censors_on_a_narrow_link() -> None:
    censors_names()
    censorship.is_narrow_and_mute(1280)


def cuts_off_abroad() -> None:
    """Only the domestic reference site and the resolver are let through."""
    kept = (SITES["canary-at-home.x.test"], "198.51.100.53")
    censorship.lets_through_only(kept)


def loses_a_tenth() -> None:
    censorship.loses_of_everything(0.1)


FILTERS = (allowlists, hosters, hellos, resolvers, rates, outages)
WORLDS = (
    World("free", lambda: None, FINE | REFUSING | DOWN | dict.fromkeys(map(https, ("wechat", "linkedin")), REACHABLE)),
    World(
        "everything",
        censors_all,
        BY_NAME | BY_ADDRESS | BY_DNS | ONE_FAMILY | THROTTLED | OPEN | FINE | REFUSING | DOWN,
    ),
    World(
        "no control",
        without_control,
        {
            https("wechat"): blocked("tls.reset", "name", "confirmed"),
            https("line"): blocked("tls.timeout", "name", "confirmed"),
            https("linkedin"): blocked("dns.forged", "name", "confirmed"),
            https("bbm"): blocked("dns.nxdomain", "name"),
            http("news"): blocked("http.blockpage", None, "confirmed"),
            http("plain"): Expected("inconclusive", changed="Reachable at first; a dead control is not none."),
            http("host-reset"): blocked("http.reset", "name", "confirmed"),
            https("address-dropped"): UNTOLD,
            https("address-refused"): UNTOLD,
            https("intercepted"): UNTOLD,
            https("frozen"): UNTOLD,
            https("no-such-name"): Expected("down"),
            https("honest"): REACHABLE,
            https("challenge"): Expected("denied"),
            **dict.fromkeys(map(https, ("dead", "silent", "expired", "misnamed", "closing")), UNTOLD),
        },
    ),
    World(
        "no help at all",
        without_any_help,
        {
            https("wechat"): blocked("tls.reset", "name", "confirmed"),
            https("line"): blocked("tls.timeout", "name", "confirmed"),
            https("bbm"): UNTOLD,
            https("linkedin"): Expected("inconclusive", changed="It might be blocked too; nothing here proves that."),
            http("news"): blocked("http.blockpage", None, "confirmed"),
            https("address-dropped"): UNTOLD,
            https("honest"): REACHABLE,
        },
    ),
    World(
        "the control leaves in the vantage's country",
        censors_all,
        {
            https("address-dropped"): UNTOLD,
            https("frozen"): UNTOLD,
            https("dead"): UNTOLD,
            https("wechat"): blocked("tls.reset", "name", "confirmed"),
            https("honest"): REACHABLE,
        },
        options={"control_country": "RU"},
    ),
    World(
        "by vpn",
        censors_all,
        dict.fromkeys((https(word) for word in ("wechat", "line", "frozen", "address-dropped", "linkedin")), REACHABLE)
        | {https("honest"): REACHABLE, https("bbm"): REACHABLE, https("challenge"): Expected("denied")}
        | dict.fromkeys(map(https, ("dead", "silent", "expired", "misnamed", "closing", "no-such-name")), NOT_REACHED),
        path="control",
    ),
    World(
        "lossy line",
        loses_a_tenth,
        dict.fromkeys([*FINE, https("wechat"), https("linkedin"), https("big"), http("news")], NOT_BLOCKED)
        | dict.fromkeys(map(https, ("dead", "silent", "expired")), NOT_REACHED),
        options={"timeout_s": 3},
    ),
    World(
        "thin line",
        lambda: censorship.narrows("1mbit"),
        dict.fromkeys(
            [*FINE, *map(https, ("wechat", "big", "frozen-deep", "dead"))],
            replace(
                NOT_BLOCKED,
                changed="The line has 1 Mbit/s; at first it had 256 kbit/s, and its dead site was not reached.",
            ),
        ),
        options={"timeout_s": 2},
    ),
    World(
        "small table of connections",
        lambda: censorship.allows_connections(6),
        dict.fromkeys(
            [*FINE, *map(https, ("wechat", "line", "linkedin", "big", "bbm", "address-dropped", "no-ipv4"))],
            NOT_BLOCKED,
        )
        | dict.fromkeys(map(https, ("dead", "silent", "expired")), NOT_REACHED),
    ),
    World(
        "IPv6 broken at home",
        lambda: censorship.drops_address("2001:db8:2::/64"),
        FINE | dict.fromkeys(map(https, ("wechat", "no-ipv4")), REACHABLE) | DOWN,
    ),
    World(
        "very lossy line",
        lambda: censorship.loses_of_everything(0.25),
        dict.fromkeys(
            (https("honest"), https("wechat"), https("big"), http("plain"), http("news")),
            replace(NOT_BLOCKED, changed="The timeout is 4 s; at first it was 2 s."),
        ),
        options={"timeout_s": 4},
    ),
    World(
        "large packets vanish",
        lambda: censorship.loses_large_packets(1200),
        dict.fromkeys((https("honest"), https("big"), http("plain"), "tls://neighbour.x.test:443"), NOT_BLOCKED),
    ),
    World(
        "very small packets only",
        lambda: censorship.loses_large_packets(620),
        dict.fromkeys((https("honest"), https("big"), https("large"), "tls://neighbour.x.test:443"), NOT_BLOCKED),
    ),
    World(
        "narrow link that tells nobody",
        lambda: censorship.is_narrow_and_mute(1280),
        dict.fromkeys((https("big"), https("large"), http("plain")), NOT_BLOCKED)
        | dict.fromkeys(map(https, ("dead", "silent")), NOT_REACHED),
    ),
    World(
        "narrow link and a censor",
        censors_on_a_narrow_link,
        {
            https("wechat"): blocked("tls.reset", "name", "confirmed"),
            https("line"): Expected("blocked", "tls.timeout", also=("inconclusive",)),
            https("big"): NOT_BLOCKED,
            https("large"): NOT_BLOCKED,
        },
    ),
    World(
        "resolver dead",
        lambda: censorship.drops_address("198.51.100.53"),
        dict.fromkeys(FINE, OFFLINE),
        "offline",
        69,
    ),
    World("captive portal", censorship.asks_for_login, dict.fromkeys(FINE, OFFLINE), network="portal", code=69),
    World("network gone", lambda: censorship.lets_through_only(()), dict.fromkeys(FINE, OFFLINE), "offline", 69),
    World(
        "cut off from abroad", cuts_off_abroad, dict.fromkeys((https("honest"), http("plain")), UNTOLD), "restricted"
    ),
    *finer.WORLDS,
    *refusals.WORLDS,
    *layouts.WORLDS,
    *(world for part in FILTERS for world in part.WORLDS),
)
