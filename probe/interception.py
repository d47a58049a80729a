"""Facts about the network: DNS interception, address families with a route, and the clock."""

from __future__ import annotations

import asyncio
from contextlib import closing

import msgspec

from probe.failure import ProxyUnusable
from probe.lookup import look_up
from probe.net.network import Network
from probe.net.resolver import parse
from probe.recorder import Log, StepContext
from probe.session import Session
from probe.steps import dns

WINDOW_S = 1.0
"""How long to wait for an answer that should never come; interceptors are near."""
DNS_PORT = 53
CLOCK_OFF_S = 60.0
"""Servers' clocks differ by less."""
GARBLED = "dns_server_misbehaving"
ABROAD = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}
"""Documentation addresses (RFC 5737, RFC 3849), which only a default route covers."""


class NetworkFacts(msgspec.Struct, frozen=True, kw_only=True):
    """`interception`: a sentence for each sign of it. `routes`: the address families with a route, None if unknown."""

    interception: tuple[str, ...] = ()
    routes: tuple[str, ...] | None = None
    clock_off_s: float | None = None
    """Seconds that this machine's clock is ahead of the reference sites'; None if unknown."""

    @property
    def clock(self) -> str | None:
        """A sentence if this machine's clock is wrong."""
        if self.clock_off_s is None or abs(self.clock_off_s) < CLOCK_OFF_S:
            return None
        which = "ahead" if self.clock_off_s > 0 else "behind"
        says = f"this machine's clock is {_length(abs(self.clock_off_s))} {which}, by what the canaries say"
        return f"{says}; times and certificates are judged by it: have it set by NTP"

    @property
    def sentences(self) -> tuple[str, ...]:
        said = (*self.interception, *([self.clock] if self.clock is not None else []))
        if self.routes is None:
            return said
        return (*said, f"families with a way out: {', '.join(self.routes) or 'none'}")


def _length(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


async def facts(session: Session) -> NetworkFacts:
    """Ask questions that have no true answer, and look at the routes; nothing if a proxy resolves names."""
    if session.network.remote_names:
        return NetworkFacts()
    made_up, intercepted, routes = await asyncio.gather(_made_up(session), _intercepted(session), _routes(session))
    return NetworkFacts(interception=made_up + intercepted, routes=routes)


async def _made_up(session: Session) -> tuple[str, ...]:
    """Whether a name that cannot exist is given addresses."""
    name = session.settings.no_such_name
    if not name:
        return ()
    quick = _with_short_timeout(session)
    with closing(Log(session.network.token(), session.network)) as log:
        answers = await look_up(name, 0, "main", session.settings.resolvers, log, quick)
    found = dict.fromkeys(address for answer in answers for address in answer.detail.addresses)
    if not found:
        return ()
    return (f"{name} cannot exist, and this network's resolver gives it {', '.join(found)}: it makes up answers",)


async def _intercepted(session: Session) -> tuple[str, ...]:
    """Whether an address that runs no resolver answers a question."""
    where = session.settings.no_resolver
    if not where:
        return ()
    (resolver,) = parse(f"udp://{where}")
    about = StepContext(role="main", hop=0, host="example.com", address=resolver.address, port=resolver.port)
    with closing(Log(session.network.token(), session.network)) as log:
        answer = await dns.ask(log, about, resolver, "A", _with_short_timeout(session).settings)
    if answer.detail.rcode is None and answer.failure != GARBLED:
        return ()
    return (f"{where} runs no resolver, and a question sent to it is answered: this network intercepts DNS",)


async def _routes(session: Session) -> tuple[str, ...] | None:
    try:
        return tuple([f for f in session.settings.families if await _has_route(session.network, ABROAD[f])])
    except ProxyUnusable:
        return None


async def _has_route(network: Network, address: str) -> bool:
    """Whether there is a route; connecting a datagram socket sends nothing."""
    try:
        (await network.datagrams(address, DNS_PORT)).close()
    except ProxyUnusable:
        raise
    except OSError:
        return False
    return True


def _with_short_timeout(session: Session) -> Session:
    wait = min(WINDOW_S, session.settings.timeout_s)
    settings = msgspec.structs.replace(session.settings, timeout_s=wait, families=("ipv4",))
    return msgspec.structs.replace(session, settings=settings)
