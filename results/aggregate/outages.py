"""When a network was offline or restricted, and when nothing was measured: intervals whose ends are ranges. Pure, but
for `rounds_of`, which reads a database.

Only direct measurements count: a tunnel or proxy that fails says nothing about a network.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby, islice, pairwise
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from probe.reference_sites import answers_in, routes_in
from probe.steps import specs
from probe.text import bounded
from probe.timestamps import epoch, rfc3339_of_epoch
from results.aggregate.changes import BLOCKED, OPEN, certain_history
from results.sql import statements

if TYPE_CHECKING:
    import sqlite3

    from sqlite_utils import Database


def _names(steps: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in steps)


SQL = statements(
    __file__,
    OVER_UDP=_names(name for name, spec in specs().items() if spec.over_udp),
    ADDRESSED=_names(name for name, spec in specs().items() if spec.begins == "address"),
)
OutageKind = Literal["all", "abroad", "udp", "ipv6", "port-443"]
NoDataReason = Literal["not-measured", "moved", "no-link", "portal", "tunnel"]
"""No round ran; rounds ran on another network; the machine had no route; a captive portal; packets left by a VPN."""
HOST_KINDS: tuple[OutageKind, ...] = ("udp", "ipv6", "port-443")
"""Kinds that the measured hosts show, while the reference sites work."""
MIN_ROUNDS, MIN_SITES, MIN_HOSTS = 2, 2, 3
"""Rounds in a row that must agree; reference sites that may agree in one round instead; hosts that must agree."""
GAP_INTERVALS = 2.5
"""Longer without a round, in intervals of the schedule, and there is no data; one lost round is no gap."""
DEFAULT_GAP_S = 2 * 86400.0
"""The same where neither a schedule nor MIN_GAPS pairs of rounds tell the interval."""
MIN_GAPS = 5
MAX_PLACES = 100
"""Networks of one vantage point, the first ones."""
TUNNEL_SENTENCE = "packets leave via "
Place = str


class HostAnswers(msgspec.Struct, frozen=True):
    """Whether a host, or any host of a service, answered over UDP, IPv6 and on TCP port 443; None if not tried."""

    host: str
    udp: bool | None = None
    ipv6: bool | None = None
    port_443: bool | None = None

    def of(self, kind: OutageKind) -> bool | None:
        return {"udp": self.udp, "ipv6": self.ipv6, "port-443": self.port_443}.get(kind)


class RoundFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One direct round: the state of the network, and which hosts answered."""

    at: float
    """Seconds since 1970."""
    vantage: str
    country: str | None = None
    asn: int | None = None
    network_name: str | None = None
    network_key: str | None = None
    state: str
    evidence: tuple[str, ...] = ()
    hosts: tuple[HostAnswers, ...] = ()


class MomentRange(msgspec.Struct, frozen=True):
    """After `earliest` and not after `latest`, in seconds since 1970; None where no measurement shows it."""

    earliest: float | None
    latest: float | None


class NetworkInterval(msgspec.Struct, frozen=True, kw_only=True):
    """An outage, or a time without data."""

    vantage: str
    country: str | None
    asn: int | None
    network_name: str | None
    state: Literal["offline", "restricted", "no-data"]
    kind: OutageKind | None = None
    reason: NoDataReason | None = None
    """Why there is no data."""
    begin: MomentRange
    end: MomentRange
    rounds: int = 0
    """Rounds that saw the outage."""
    ongoing: bool = False
    """Whether the newest round of the vantage point saw it."""

    @property
    def hours(self) -> tuple[float, float | None]:
        """The least and the most that it lasted; None if its beginning or end was not seen."""
        least = (self.end.earliest or 0.0) - (self.begin.latest or 0.0)
        if self.begin.earliest is None or self.end.latest is None:
            return round(least / 3600, 2), None
        return round(least / 3600, 2), round((self.end.latest - self.begin.earliest) / 3600, 2)

    @property
    def network(self) -> str | None:
        return f"AS{self.asn}" if self.asn is not None else self.network_name


def line_of(interval: NetworkInterval) -> dict[str, Any]:
    """The documented JSON of an interval."""
    fields = ("vantage", "country", "asn", "network_name", "state", "kind", "reason")
    ends = {name: _times(getattr(interval, name)) for name in ("begin", "end")}
    rest = {"hours": interval.hours, "rounds": interval.rounds, "ongoing": interval.ongoing}
    return {name: getattr(interval, name) for name in fields} | ends | rest


def _times(moment: MomentRange) -> dict[str, str | None]:
    ends = (("earliest", moment.earliest), ("latest", moment.latest))
    return {name: rfc3339_of_epoch(at, "seconds") if at is not None else None for name, at in ends}


def rounds_of(db: Database | sqlite3.Connection, since: str = "", until: str = "~") -> dict[str, RoundFacts]:
    """Round id -> its facts, of a database that may be foreign, without bad rows; times are UTC text."""
    hosts: dict[str, list[HostAnswers]] = defaultdict(list)
    for round_id, host, *answers in db.execute(SQL["ANSWERS"], [since, until]):
        if any(answer is not None for answer in answers):
            given = (None if answer is None else bool(answer) for answer in answers)
            hosts[round_id].append(HostAnswers(bounded(host), *given))
    found: dict[str, RoundFacts] = {}
    for round_id, at, state, evidence, key, vantage, country, asn, name in db.execute(SQL["ROUNDS"], [since, until]):
        with suppress(ValueError, TypeError, OverflowError, RecursionError):
            found[round_id] = RoundFacts(
                at=epoch(at, needs_zone=True),
                vantage=bounded(vantage),
                country=bounded(country) if country else None,
                asn=int(asn) if asn is not None else None,
                network_name=bounded(name) if name else None,
                network_key=key,
                state=state,
                evidence=msgspec.json.decode(evidence, type=tuple[str, ...]),
                hosts=tuple(hosts[round_id]),
            )
    return found


def network_intervals(
    rounds: Iterable[RoundFacts], every_s: Mapping[str, float] = MappingProxyType({})
) -> list[NetworkInterval]:
    """All outages and all times without data, oldest first.

    `every_s` is the longest interval of a vantage point's schedule, where that is known.
    """
    by_vantage: dict[str, list[RoundFacts]] = defaultdict(list)
    for one in rounds:
        by_vantage[one.vantage].append(one)
    found: list[NetworkInterval] = []
    for vantage, of_vantage in by_vantage.items():
        ordered = sorted(of_vantage, key=lambda one: one.at)
        limit_s = GAP_INTERVALS * max(every_s.get(vantage, 0.0), _usual_interval_s(ordered)) or DEFAULT_GAP_S
        found += _of_vantage(_VantageRounds(ordered, [one.at for one in ordered], _places(ordered), limit_s))
    return sorted(found, key=lambda one: (one.begin.latest or 0.0, one.vantage, one.kind or ""))


def _usual_interval_s(rounds: Sequence[RoundFacts]) -> float:
    """The median time between working rounds, 0 if unknown; offline ones are repeated sooner."""
    gaps = [after.at - before.at for before, after in pairwise(rounds) if before.state == after.state == "online"]
    return median(gaps) if len(gaps) >= MIN_GAPS else 0.0


class _VantageRounds(msgspec.Struct, frozen=True):
    """All rounds of a vantage point in order, the network of each, and from which gap on there is no data."""

    rounds: Sequence[RoundFacts]
    times: Sequence[float]
    places: Sequence[Place | None]
    limit_s: float


def _of_vantage(found: _VantageRounds) -> Iterator[NetworkInterval]:
    by_place: dict[Place, list[RoundFacts]] = defaultdict(list)
    for one, where in zip(found.rounds, found.places, strict=True):
        if where is not None:
            by_place[where].append(one)
    for place, here in islice(by_place.items(), MAX_PLACES):
        usable = [one for one in here if _why_unusable(one) is None]
        if not usable:
            continue
        network, parts = _network(here), _parts(usable, found.limit_s)
        for before, after in pairwise(parts):
            begin, end = before[-1].at, after[0].at
            yield NetworkInterval(
                **network,
                state="no-data",
                reason=_reason(begin, end, found, place),
                begin=MomentRange(begin, begin),
                end=MomentRange(end, end),
            )
        yield from _outages(parts, network, last=found.rounds[-1])


def _places(rounds: Sequence[RoundFacts]) -> list[Place | None]:
    """The network of each round; one whose network is unknown was where the rounds before and after it were.

    A round between two networks is at neither.
    """
    with_keys = any(one.network_key is not None for one in rounds)
    found = [one.network_key if with_keys else None if one.asn is None else str(one.asn) for one in rounds]
    if not any(found):
        return [""] * len(rounds)
    before = _carried(found)
    after = _carried(found[::-1])[::-1]
    return [a if b is None or a == b else b if a is None else None for a, b in zip(before, after, strict=True)]


def _carried(places: Sequence[Place | None]) -> list[Place | None]:
    found: list[Place | None] = []
    for place in places:
        found.append(place if place is not None or not found else found[-1])
    return found


def _network(rounds: Sequence[RoundFacts]) -> dict[str, Any]:
    """Vantage, country, ASN and network name, by the newest round that has them."""
    newest = next((one for one in reversed(rounds) if one.asn is not None or one.network_name), rounds[-1])
    return {name: getattr(newest, name) for name in ("vantage", "country", "asn", "network_name")}


def _why_unusable(one: RoundFacts) -> NoDataReason | None:
    """Why a round says nothing about its network."""
    if any(sentence.startswith(TUNNEL_SENTENCE) for sentence in one.evidence):
        return "tunnel"
    if one.state == "portal":
        return "portal"
    return "no-link" if one.state == "offline" and routes_in(one.evidence) == () else None


def _parts(rounds: Sequence[RoundFacts], limit_s: float) -> list[list[RoundFacts]]:
    parts = [[rounds[0]]]
    for before, after in pairwise(rounds):
        if after.at - before.at > limit_s:
            parts.append([])
        parts[-1].append(after)
    return parts


def _reason(before: float, after: float, of_vantage: _VantageRounds, place: Place) -> NoDataReason:
    """Why there is no data of a place between two of its rounds."""
    times = of_vantage.times
    first, last = bisect_right(times, before), bisect_left(times, after)
    if any(b - a > of_vantage.limit_s for a, b in pairwise([before, *times[first:last], after])):
        return "not-measured"
    if any(of_vantage.places[n] != place for n in range(first, last)):
        return "moved"
    reasons = Counter(_why_unusable(one) for one in of_vantage.rounds[first:last])
    return reasons.most_common(1)[0][0] or "not-measured"


Sample = tuple[float, int, int]
"""When, OPEN or BLOCKED, and how many reference sites failed."""


def _outages(
    parts: Sequence[Sequence[RoundFacts]], network: Mapping[str, Any], last: RoundFacts
) -> Iterator[NetworkInterval]:
    """The outages of one vantage point on one network; `parts` have no gaps."""
    readers: dict[OutageKind, Callable[[RoundFacts], Sample | None]] = {"all": _offline, "abroad": _cut_off_abroad}
    for kind in HOST_KINDS:
        readers[kind] = _HostReader(kind)
    for kind, reader in readers.items():
        for part in parts:
            samples = _agreeing([sample for one in part if (sample := reader(one)) is not None], kind)
            times, states = [at for at, _, _ in samples], [state for _, state, _ in samples]
            for begin, end in _runs(times, states):
                rounds = [at for at, state in zip(times, states, strict=True) if state == BLOCKED]
                yield NetworkInterval(
                    **network,
                    state="offline" if kind == "all" else "restricted",
                    kind=kind,
                    begin=begin,
                    end=end,
                    rounds=sum((begin.latest or 0.0) <= at <= (end.earliest or 0.0) for at in rounds),
                    ongoing=end.earliest == last.at,
                )


def _offline(one: RoundFacts) -> Sample:
    return one.at, BLOCKED if one.state == "offline" else OPEN, 0


def _cut_off_abroad(one: RoundFacts) -> Sample | None:
    """Whether only reference sites inside the country work."""
    if one.state == "offline":
        return None
    silent = sum(answer != "works" for answer in answers_in(one.evidence).values())
    return one.at, BLOCKED if one.state == "restricted" else OPEN, silent


class _HostReader:
    """Whether all hosts fail that worked by the same means on this network before, while reference sites work."""

    def __init__(self, kind: OutageKind) -> None:
        self._kind, self._known = kind, set[str]()

    def __call__(self, one: RoundFacts) -> Sample | None:
        if one.state != "online" or not self._is_comparable(one):
            return None
        answers = {host.host: host.of(self._kind) for host in one.hosts}
        passed = {host for host, answer in answers.items() if answer}
        failed = {host for host, answer in answers.items() if answer is False and host in self._known}
        self._known |= passed
        if passed or (self._kind == "port-443" and self._https_works(one)):
            return one.at, OPEN, 0
        return (one.at, BLOCKED, 0) if len(failed) >= MIN_HOSTS else None

    def _is_comparable(self, one: RoundFacts) -> bool:
        routes = routes_in(one.evidence)
        return self._kind != "ipv6" or routes is None or "ipv6" in routes

    @staticmethod
    def _https_works(one: RoundFacts) -> bool:
        return any(url.startswith("https:") and said == "works" for url, said in answers_in(one.evidence).items())


def _agreeing(samples: Sequence[Sample], kind: OutageKind) -> list[Sample]:
    """Without failures that nothing confirms: another round, or for abroad a second reference site.

    One offline round may be our own line, however many sites fail in it.
    """
    found: list[Sample] = []
    for state, group in groupby(samples, key=lambda sample: sample[1]):
        run = list(group)
        agree = kind == "abroad" and max(sites for _, _, sites in run) >= MIN_SITES
        if state == OPEN or len(run) >= MIN_ROUNDS or agree:
            found += run
    return found


def _runs(times: Sequence[float], states: Sequence[int]) -> Iterator[tuple[MomentRange, MomentRange]]:
    """The beginning and end of each run of failures."""
    history = certain_history(times, states)
    begin = MomentRange(None, times[0]) if history.blocked_at_first else None
    for change in history.changes:
        if change.blocked:
            begin = MomentRange(change.earliest, change.latest)
        elif begin is not None:
            yield begin, MomentRange(change.earliest, change.latest)
            begin = None
    if begin is not None:
        yield begin, MomentRange(times[-1], None)
