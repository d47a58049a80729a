"""Whether the network works, by reference sites, so that a broken one is never read as a block; and facts about it:
DNS interception, address families with a route, and the clock.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from contextlib import closing
from gettext import gettext
from itertools import chain
from statistics import median
from typing import Literal, cast

import msgspec

from probe import target as targets
from probe.allow_list import allow_list_of
from probe.dns.identity import identify, owner_of
from probe.endpoint import look_up
from probe.failure import ProxyUnusable
from probe.measure import measure
from probe.model import AllowList, Http, Measurement, Observation
from probe.net.network import Network
from probe.net.resolver import DnsResolver, parse
from probe.recorder import Log, StepContext
from probe.session import Session, no_follow_up
from probe.steps import dns, schemes, specs
from probe.timestamps import epoch, http_date

WINDOW_S = 1.0
"""How long to wait for an answer that should never come; interceptors are near."""
DNS_PORT = 53
CLOCK_OFF_S = 60.0
"""Servers' clocks differ by less."""
PLAIN: tuple[Literal["udp", "tcp"], ...] = ("udp", "tcp")
"""Transports over which nothing proves who answers."""
OTHERS = ("other", "none")
GARBLED = "dns_server_misbehaving"
ABROAD = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}
"""Documentation addresses (RFC 5737, RFC 3849), which only a default route covers."""


ROUTES_SENTENCE, NO_ROUTES = "address families with a route: ", "none"
SITE_SENTENCE = re.compile(r"(?:reference site|canary) (\S+): (works|something else answers|no answer)")


class NetworkFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Signs of DNS interception, and `routes`: the address families with a route, None if unknown."""

    made_up: tuple[str, str] | None = None
    """A name that cannot exist, and the addresses that this network's resolver gives it."""
    intercepted: str | None = None
    """An address without a resolver that answered a DNS query."""
    impostors: tuple[str, ...] = ()
    """Public resolvers for which another party answers, as transport and address, such as `udp://8.8.8.8`."""
    routes: tuple[str, ...] | None = None
    clock_off_s: float | None = None
    """Seconds that this machine's clock is ahead of the reference sites'; None if unknown."""

    @property
    def interception(self) -> tuple[str, ...]:
        """A sentence for each sign of DNS interception, in the reader's language."""
        return self._interception(gettext)

    @property
    def clock(self) -> str | None:
        """A sentence if this machine's clock is wrong, in the reader's language."""
        return self._clock(gettext)

    @property
    def sentences(self) -> tuple[str, ...]:
        """All facts in English, to be stored."""
        clock = self._clock(str)
        said = (*self._interception(str), *([clock] if clock is not None else []))
        if self.routes is None:
            return said
        return (*said, ROUTES_SENTENCE + (", ".join(self.routes) or NO_ROUTES))

    def untrusted(self, resolvers: Iterable[str]) -> tuple[str, ...]:
        """Which of the resolvers, as configured, another party answers for, so that they confirm nothing."""
        plain = [(text, one) for text in resolvers for one in parse(text) if one.transport in PLAIN]
        return tuple(
            text
            for text, one in plain
            if _plainly(one) in self.impostors or (self.intercepted is not None and one.transport == "udp")
        )

    def _interception(self, _: Callable[[str], str]) -> tuple[str, ...]:
        found = []
        if self.made_up is not None:
            says = _("{name} cannot exist, but this network's resolver gives it {addresses}: it forges answers")
            found.append(says.format(name=self.made_up[0], addresses=self.made_up[1]))
        if self.intercepted is not None:
            says = _("{address} runs no resolver, but a DNS query to it is answered: this network intercepts DNS")
            found.append(says.format(address=self.intercepted))
        for resolver in self.impostors:
            says = _("{resolver} is answered by another party: it does not identify itself as the public resolver does")
            found.append(says.format(resolver=resolver))
        return tuple(found)

    def _clock(self, _: Callable[[str], str]) -> str | None:
        if self.clock_off_s is None or abs(self.clock_off_s) < CLOCK_OFF_S:
            return None
        seconds = abs(self.clock_off_s)
        units = ((_("{count} d"), 86400), (_("{count} h"), 3600), (_("{count} min"), 60), (_("{count} s"), 1))
        unit, length = next(one for one in units if seconds >= 2 * one[1])
        says = _("this machine's clock is {time} behind the reference sites: set it by NTP, it affects verdicts")
        if self.clock_off_s > 0:
            says = _("this machine's clock is {time} ahead of the reference sites: set it by NTP, it affects verdicts")
        return says.format(time=unit.format(count=round(seconds / length)))


async def facts(session: Session, *, every_resolver: bool = False) -> NetworkFacts:
    """Ask questions that have no true answer, and who answers for trusted resolvers, and look at the routes.

    Nothing if a proxy resolves names. Of trusted resolvers over TLS, only `every_resolver` asks who answers without it.
    """
    if session.network.remote_names:
        return NetworkFacts()
    made_up, intercepted, impostors, routes = await asyncio.gather(
        _made_up(session), _intercepted(session), _impostors(session, every_resolver), _routes(session)
    )
    return NetworkFacts(made_up=made_up, intercepted=intercepted, impostors=impostors, routes=routes)


async def _made_up(session: Session) -> tuple[str, str] | None:
    """Whether a name that cannot exist is given addresses."""
    name = session.settings.no_such_name
    if not name:
        return None
    quick = _with_short_timeout(session)
    with closing(Log(session.network.token(), session.network)) as log:
        answers = await look_up(name, 0, "main", session.settings.resolvers, log, quick)
    found = dict.fromkeys(address for answer in answers for address in answer.detail.addresses)
    return (name, ", ".join(found)) if found else None


async def _intercepted(session: Session) -> str | None:
    """Whether an address that runs no resolver answers a question."""
    where = session.settings.no_resolver
    if not where:
        return None
    (resolver,) = parse(f"udp://{where}")
    about = StepContext(role="main", hop=0, host="example.com", address=resolver.address, port=resolver.port)
    with closing(Log(session.network.token(), session.network)) as log:
        answer = await dns.ask(log, about, resolver, "A", _with_short_timeout(session).settings)
    if answer.detail.rcode is None and answer.failure != GARBLED:
        return None
    return where


async def _impostors(session: Session, every_resolver: bool) -> tuple[str, ...]:
    """Resolvers that do not identify themselves as their owner's over UDP or TCP, and do over another transport.

    Where none does, the owner may have changed how they identify themselves, which proves nothing.
    """
    trusted = [one for text in session.settings.trusted_resolvers for one in parse(text)]
    asked = {one.address or "" for one in trusted if every_resolver or one.transport in PLAIN}
    known = [[one for one in trusted if one.address == address] for address in sorted(asked) if owner_of(address)]
    found = await asyncio.gather(*(_impostors_at(session, configured) for configured in known))
    return tuple(chain.from_iterable(found))


async def _impostors_at(session: Session, configured: list[DnsResolver]) -> list[str]:
    """The transports, of those configured and plain UDP and TCP, over which another party answers."""
    port = next((one.port for one in configured if one.transport in PLAIN), DNS_PORT)
    asked = [msgspec.structs.replace(configured[0], transport=transport, port=port) for transport in PLAIN]
    asked += [one for one in configured if one.transport not in PLAIN]
    said = await asyncio.gather(*(identify(session.network.lookups, one, session.settings) for one in asked))
    pairs = list(zip(asked, said, strict=True))
    known = any(identity == "own" for _, identity in pairs)
    return [_plainly(one) for one, identity in pairs if known and one.transport in PLAIN and identity in OTHERS]


def _plainly(resolver: DnsResolver) -> str:
    return f"{resolver.transport}://{resolver.address}"


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


State = Literal["online", "restricted", "portal", "offline"]
NO_CONTENT = 204
SUCCESS = b"success"
FULL_SIZE = ("https", "tls")
"""Whose handshake, with its certificates, needs packets of full size; plain reference sites answer in a few bytes."""


class NetworkReport(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the network, with a sentence for each reference site."""

    state: State
    evidence: tuple[str, ...]
    measurements: tuple[Measurement, ...] = ()
    facts: NetworkFacts = NetworkFacts()
    """Other facts about the network; no verdict depends on them."""
    allow_list: AllowList | None = None
    """Set where only domestic reference sites work, and the names and addresses of both kinds show why."""

    @property
    def working_name(self) -> str | None:
        """The name of a reference site whose handshake passed, which this network permits."""
        passed = (o.host for m in self.measurements for o in m.observations if o.step == "tls" and o.failure is None)
        return next(passed, None)

    @property
    def families(self) -> tuple[str, ...]:
        """The families in which a reference site accepted a connection; the others are unknown."""
        connected = [o for m in self.measurements for o in m.observations if _connected(o)]
        return tuple(sorted({o.detail.family for o in connected} - {None}))

    @property
    def full_size_fails(self) -> bool:
        """Whether every reference site over TLS fell silent once connected, while a small answer came."""
        full = [m for m in self.measurements if m.target.scheme in FULL_SIZE]
        works = {m.target.text for m in self.measurements if answer_of(m) == "works"}
        silent = any(_fell_silent(m) for m in full)
        return silent and bool(works) and not any(m.target.text in works for m in full)

    @property
    def closed_ports(self) -> dict[str, str]:
        """Ports at which two reference sites or more fail to connect, all alike, while another port works -> how."""
        last = {(o.port, o.host): o for m in self.measurements for o in m.observations if _is_connect(o)}
        ended: dict[int, list[str | None]] = {}
        for (port, _), o in last.items():
            ended.setdefault(port or 0, []).append(o.failure)
        if not any(None in failures for failures in ended.values()):
            return {}
        alike = {port: failures for port, failures in ended.items() if len(failures) > 1 and len(set(failures)) == 1}
        return {str(port): failures[0] for port, failures in alike.items() if failures[0] is not None}


async def check(session: Session, *, every_resolver: bool = False) -> NetworkReport:
    """Measure every reference site once; without any the network counts as online. `every_resolver` as in `facts`."""
    foreign, domestic = session.settings.canaries, session.settings.domestic_canaries
    if not foreign and not domestic:
        said = "no reference sites are configured, so the network counts as online"
        return NetworkReport(
            state="online", evidence=(said,), facts=await facts(session, every_resolver=every_resolver)
        )
    plain = msgspec.structs.replace(session, follow_up=no_follow_up, follows_redirect=_never)
    measured, seen = await asyncio.gather(
        _measured(foreign + domestic, plain), facts(session, every_resolver=every_resolver)
    )
    answers = [answer_of(measurement) for measurement in measured]
    state = state_of(answers[: len(foreign)], answers[len(foreign) :])
    if state == "offline" and not domestic and session.settings.domestic_presets:
        measured += await _measured(session.settings.domestic_presets, plain)
        answers = [answer_of(measurement) for measurement in measured]
        state = state_of(answers[: len(foreign)], answers[len(foreign) :])
    working = [measurement for measurement, answer in zip(measured, answers, strict=True) if answer == "works"]
    tested, allow_list = await allow_list_of(measured, working, plain) if state == "restricted" else ((), None)
    return NetworkReport(
        state=state,
        evidence=tuple(f"reference site {m.target.text}: {a}" for m, a in zip(measured, answers, strict=True)),
        measurements=(*measured, *tested),
        facts=msgspec.structs.replace(seen, clock_off_s=clock_off(working)),
        allow_list=allow_list,
    )


async def _measured(urls: Iterable[str], session: Session) -> list[Measurement]:
    private = session.settings.allow_private
    return await asyncio.gather(*(measure(targets.parse(url, allow_private=private), session) for url in urls))


def clock_off(working: Iterable[Measurement]) -> float | None:
    """Seconds that our clock is ahead of the reference sites' (median), by Date and Age (RFC 9110, RFC 9111)."""
    found = [off for m in working for o in m.observations if o.step == "http" and (off := _off(o)) is not None]
    return median(found) if found else None


def _off(step: Observation) -> float | None:
    answer: Http = step.detail
    said = {name.lower(): value for name, value in answer.headers}
    age = said.get("age", "0").strip()
    came = epoch(step.started_at) + (answer.curve[0][0] if answer.curve else 0.0)
    made = http_date(said.get("date", ""))
    if made is None or not (age.isascii() and age.isdigit() and len(age) < 9):
        return None
    return came - (made.timestamp() + 0.5 + int(age))


SiteAnswer = Literal["works", "something else answers", "no answer"]


def answer_of(canary: Measurement) -> SiteAnswer:
    """Whether the reference site itself answered: over valid TLS, or with its known body."""
    last_step = schemes()[canary.target.scheme].name
    reached = [o for o in canary.observations if o.step == last_step and o.failure is None]
    if any(canary.target.scheme != "http" or _is_genuine(o.detail) for o in reached):
        return "works"
    return "something else answers" if reached or any(map(_is_forged, canary.observations)) else "no answer"


def answers_in(evidence: Iterable[str]) -> dict[str, SiteAnswer]:
    """URL of each reference site -> its answer, from the stored sentences of a report."""
    found = (SITE_SENTENCE.fullmatch(sentence) for sentence in evidence)
    return {match[1]: cast(SiteAnswer, match[2]) for match in found if match is not None}


def routes_in(evidence: Iterable[str]) -> tuple[str, ...] | None:
    """The address families with a route, from the stored sentences of a report; None if unknown."""
    for sentence in evidence:
        if sentence.startswith(ROUTES_SENTENCE):
            families = sentence.removeprefix(ROUTES_SENTENCE)
            return () if families == NO_ROUTES else tuple(families.split(", "))
    return None


def _connected(step: Observation) -> bool:
    return step.failure is None and _is_connect(step)


def _is_connect(step: Observation) -> bool:
    return specs()[step.step].begins == "address"


def _fell_silent(canary: Measurement) -> bool:
    """Whether a connection stood and then nothing more came in time."""
    connected = any(_connected(o) for o in canary.observations)
    timed_out = (o for o in canary.observations if o.failure == "generic_timeout_error")
    return connected and any(specs()[o.step].begins not in ("address", "name") for o in timed_out)


def _is_genuine(answer: Http) -> bool:
    return answer.status == NO_CONTENT or (answer.status == 200 and (answer.body or b"").strip() == SUCCESS)


def _is_forged(step: Observation) -> object:
    """A wrong certificate, or a name that resolves to a private address, as behind a captive portal."""
    return step.failure == "dns_bogon_error" or (step.failure is not None and step.step == "tls" and step.detail.chain)


def state_of(foreign: list[SiteAnswer], domestic: list[SiteAnswer]) -> State:
    """A working foreign reference site means online; only domestic ones mean restricted."""
    if "works" in foreign or (not foreign and "works" in domestic):
        return "online"
    if "works" in domestic:
        return "restricted"
    return "portal" if "something else answers" in foreign + domestic else "offline"


def _never(_: Http) -> bool:
    return False
