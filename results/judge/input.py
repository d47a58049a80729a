"""What rules are applied to: a measurement with its DNS answers, its controls and their standing, and the context."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network

import msgspec

from probe.model import Measurement, Observation, Role
from probe.net.address_policy import is_public, literal
from results.fingerprints import Match
from results.fingerprints.library import Library, builtin_library
from results.judge.control_standing import AssessedControl, answered, assess, malformed
from results.judge.failure_point import Ending, ending, method_of, plain_hops
from results.judge.verdict import Context

MAX_CLOCK_OFF_S = 24 * 3600
NAT64 = 0x64FF9B << 64
"""The well-known prefix 64:ff9b::/96, as the upper 96 bits."""


@dataclass(frozen=True)
class Case:
    """What signals are read from; everything derived is computed once, on first use."""

    measurement: Measurement
    everything: Sequence[Measurement]
    context: Context
    library: Library = field(default_factory=builtin_library)

    @cached_property
    def end(self) -> Ending:
        return ending(self.measurement.target, self.measurement.observations)

    @cached_property
    def controls(self) -> tuple[AssessedControl, ...]:
        """Every control that was given, with its standing."""
        return assess(self.everything, self.context, self.library)

    @cached_property
    def qualified(self) -> tuple[AssessedControl, ...]:
        return tuple(control for control in self.controls if control.disqualified is None)

    @cached_property
    def names(self) -> tuple[DnsAnswers, ...]:
        """What was said of the names in question: behind the first plain hop, and of the last one."""
        observations = self.measurement.observations
        hops = sorted({*list(plain_hops(observations))[:1], self.end.hop})
        found = (answers_for(observations, hop, self.context.untrusted) for hop in hops)
        return tuple({answers.host: answers for answers in found if answers is not None}.values())

    @cached_property
    def answers(self) -> tuple[Observation, ...]:
        """The main course's HTTP exchanges that got an answer, or part of one."""
        return answered(self.measurement)

    @cached_property
    def malformed(self) -> tuple[Observation, ...]:
        """The main course's answers that are not HTTP, as far as their bytes are known."""
        return malformed(self.measurement)

    @property
    def clock_is_off(self) -> bool:
        """Whether this machine's clock is so wrong that the dates in certificates mean nothing."""
        return abs(self.context.clock_off_s or 0.0) > MAX_CLOCK_OFF_S

    @property
    def country(self) -> str | None:
        """Where the vantage stands, which tells what fingerprints are to be expected."""
        return self.context.country or self.measurement.vantage.country

    def match(self, answer: Observation) -> tuple[Match, ...]:
        """Every fingerprint that an HTTP exchange of the vantage's bears; each is looked at once."""
        if answer.id not in self._matched:
            self._matched[answer.id] = self.library.match(answer.detail, self.country)
        return self._matched[answer.id]

    @cached_property
    def shown_abroad(self) -> frozenset[str]:
        """The names of the block pages that qualified controls were shown, where none is to be expected."""
        shown = (
            o for control in self.qualified for o in (*answered(control.measurement), *malformed(control.measurement))
        )
        answers = (o.detail for o in shown)
        return frozenset(
            found.name for answer in answers for found in self.library.match(answer, None) if found.is_page
        )

    @cached_property
    def _matched(self) -> dict[str, tuple[Match, ...]]:
        return {}


FILTERED = (4, 15, 16, 17)
"""Extended DNS errors by which a resolver says that it answers by policy (RFC 8914 section 4)."""


def is_filtered(asked: Observation) -> bool:
    """Whether the resolver says that its answer follows a policy, and is not the name's own."""
    return any(error.code in FILTERED for error in asked.detail.extended_errors)


class DnsAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """The DNS answers about `host`, also those of earlier hops; addresses in the order in which they came."""

    host: str
    observations: tuple[Observation, ...]
    main: tuple[str, ...]
    trusted: tuple[str, ...]
    again: tuple[str, ...]

    def asked(self, role: Role) -> bool:
        return any(o.role == role for o in self.observations)

    @property
    def contradicted(self) -> bool:
        """Whether both sides gave addresses of one family and no two of these are even in one network."""
        return comparable(self.main, self.trusted) and not share_network(self.main, self.trusted)

    @property
    def confirmed(self) -> bool:
        return share_network(self.main, self.trusted)


def answers_for(observations: Iterable[Observation], hop: int, untrusted: Container[str] = ()) -> DnsAnswers | None:
    """The answers that hop's host got, also those got in an earlier hop; None where no name was looked up here.

    Answers of trusted resolvers in `untrusted` are left out.
    """
    everything = [o for o in observations if o.step == "dns" and not is_untrusted(o, untrusted)]
    host = next((o.host for o in observations if o.hop == hop and o.role == "main"), None)
    if host is None or not everything:
        return None
    about = tuple(o for o in everything if o.host == host)
    if not any(o.role == "main" for o in about):
        return None
    return DnsAnswers(
        host=host,
        observations=about,
        main=_addresses(about, "main"),
        trusted=_addresses(about, "trusted"),
        again=_addresses(about, "again"),
    )


def is_untrusted(asked: Observation, untrusted: Container[str]) -> bool:
    """Whether a trusted resolver was asked for which another party answers."""
    return asked.role == "trusted" and asked.step == "dns" and asked.detail.resolver in untrusted


def _addresses(about: Sequence[Observation], role: Role) -> tuple[str, ...]:
    good = (o for o in about if o.role == role and o.failure is None and not (role == "trusted" and is_filtered(o)))
    return tuple(dict.fromkeys(address for o in good for address in o.detail.addresses))


def innocent_lookups(observations: Iterable[Observation], hop: int) -> list[Observation]:
    """The questions for the innocuous name that followed a failed lookup."""
    return [o for o in observations if o.step == "dns" and o.role == "innocent" and o.hop == hop]


def failure_of(about: Sequence[Observation], role: Role) -> Observation | None:
    """The failure that stands for all of a role's questions; None where one gave addresses or none was asked."""
    asked = [o for o in about if o.role == role]
    if not asked or any(o.failure is None for o in asked):
        return None
    return next((o for o in asked if o.failure != "dns_no_answer"), asked[0])


def by_resolver(about: Sequence[Observation], role: Role) -> dict[str, list[Observation]]:
    """The role's questions, grouped by the resolver that was asked."""
    found: dict[str, list[Observation]] = {}
    for observation in about:
        if observation.role == role:
            found.setdefault(observation.detail.resolver, []).append(observation)
    return found


def method_at(asked: Sequence[Observation]) -> str | None:
    """The method by which one resolver failed on a name; None where it gave addresses."""
    failed = failure_of(asked, asked[0].role) if asked else None
    return method_of(failed) if failed else None


def share_network(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether an address of one side is in the same /24 (IPv4) or /48 (IPv6) as one of the other.

    Addresses that are not public share a network only where they are the same: there is no owner to tell by.
    """
    return not {network_of(a) for a in one}.isdisjoint(network_of(a) for a in other)


def comparable(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether both sides have addresses of one family: an A record says nothing against an AAAA record."""
    return not {_family(a) for a in one}.isdisjoint(_family(a) for a in other)


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The /24 or /48 of a public address, else the address itself."""
    plain = _behind_nat64(address)
    if plain is None or not is_public(str(plain)):
        return address
    return str(ip_network(f"{plain}/{24 if plain.version == 4 else 48}", strict=False))


def _family(address: str) -> int | None:
    plain = _behind_nat64(address)
    return plain.version if plain else None


def _behind_nat64(address: str) -> IPv4Address | IPv6Address | None:
    """The address itself, or the IPv4 address that a DNS64 resolver wrote into it (RFC 6052 section 2.1)."""
    found = literal(address)
    if isinstance(found, IPv6Address) and int(found) >> 32 == NAT64:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found
