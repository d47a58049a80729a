"""What judging a measurement gives, and what it needs beyond the measurement itself."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Literal, TypeVar

import msgspec

from probe.model import AllowList
from probe.steps import specs
from results.i18n.translator import Value, is_bounded

Outcome = Literal["reachable", "blocked", "denied", "down", "offline", "inconclusive"]
Confidence = Literal["confirmed", "probable", "possible"]
Trigger = Literal["name", "address", "allowlist"]
NetworkState = Literal["online", "restricted", "portal", "offline"]

METHODS = (*(method.name for spec in specs().values() for method in spec.methods), "throttled")
"""The closed list of ways to be blocked."""


MAX_CHANCE = 0.01
"""From here on that connects fell silent by chance is likely enough to say nothing else."""
MAX_CONNECTS = 8
MAX_EVIDENCE, MAX_SIGNAL = 60, 100
MOST_LOST = 0.5
"""A line that loses more of its connections than this has no use."""

T = TypeVar("T")
WORST_FIRST = ("blocked", "offline", "down", "denied", "inconclusive", "reachable")


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier verdict of the same vantage, network, path and target: how it failed then."""

    at: str
    """UTC, RFC 3339."""
    method: str


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """What came of measuring an anomaly once more, alone; None where the round ended before that."""

    outcome: Outcome | None = None
    method: str | None = None


class SiblingContact(msgspec.Struct, frozen=True, kw_only=True):
    """Where a connection of the round's to an address ended: the last step, and how that failed if it did."""

    at: str
    """When the step began; UTC, RFC 3339."""
    host: str
    address: str
    port: int
    step: str
    method: str | None = None
    """None where it got through."""


class ConnectLosses(msgspec.Struct, frozen=True, kw_only=True):
    """Connects of a round to addresses that work: how many fell silent before one passed, and how many passed."""

    lost: int
    passed: int

    def chance(self, tries: int) -> float:
        """How likely so many connects in a row are to fall silent by chance, at the most that the few counted allow."""
        counted = self.lost + self.passed + 4
        share = (self.lost + 2) / counted  # Agresti and Coull's interval
        return float(min(MOST_LOST, share + 2 * sqrt(share * (1 - share) / counted)) ** tries)

    def tries(self) -> int:
        """The fewest connects whose silence is no chance; at most MAX_CONNECTS."""
        return next((n for n in range(2, MAX_CONNECTS) if self.chance(n) < MAX_CHANCE), MAX_CONNECTS)


class FirstFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of the measurement that a re-test repeats, and the address where that ended."""

    outcome: Outcome
    method: str | None = None
    trigger: Trigger | None = None
    address: str | None = None


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """How fast one answer of the target's came, and what the same vantage got in the same round; bytes a second."""

    at: str
    """When the measurement began; UTC, RFC 3339."""
    bytes_per_s: float
    canary: float
    """That of a canary whose answer was as large."""
    others: float | None = None
    """The median of the round's other targets, which bear our own load as well; None where there were too few."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What classification needs beyond the measurement. Stored with it, so that judging again gives the same."""

    network: NetworkState = "online"
    allow_list: AllowList | None = None
    """What the round's reference sites showed of an allow-list; None where they showed none."""
    country: str | None = None
    """The vantage's own: a control that leaves there is no control."""
    allow_private: bool = False
    families: tuple[str, ...] | None = None
    """ipv4, ipv6: those that the round's canaries showed to work here; None where they showed nothing of it."""
    closed_ports: dict[str, str] = msgspec.field(default_factory=dict)
    """Ports at which all the round's reference sites, two at least, failed to connect -> how."""
    full_size_fails: bool = False
    """Whether the round's reference sites with answers of full size all fell silent while a small one answered."""
    shared_addresses: tuple[str, ...] = ()
    """Addresses that many unrelated names of the same round resolved to."""
    earlier: tuple[Earlier, ...] = ()
    control_countries: dict[str, str] = msgspec.field(default_factory=dict)
    """Control measurement id -> the country it left from, where known."""
    fingerprints: str | None = None
    """The digest of the collection of published fingerprints that was in force; None for our own set alone."""
    rates: tuple[Rate, ...] = ()
    """The target's slow answers in an unbroken run, the last of them this measurement's own, which is () else."""
    repeat: Repeat | None = None
    """What came of measuring this anomaly again, alone; None where it was not to be."""
    control_configured: bool = False
    """Whether a control was asked for this measurement; it may have given nothing."""
    shared_control_pages: tuple[str, ...] = ()
    """Controls, by id, that were given the same page for unrelated names of the same round."""
    page_sites: int | None = None
    """How many unrelated sites on different networks gave the measurement's page in the open in this round, if many."""
    recording: str | None = None
    """The program whose record the measurement is, where that is not ours: it tries each step once."""
    untrusted: tuple[str, ...] = ()
    """Trusted resolvers, as configured, for which another party answered in this round: they confirm nothing."""
    clock_off_s: float | None = None
    """Seconds that this machine's clock is ahead of the reference sites'; None where they did not show it."""
    contacts: tuple[SiblingContact, ...] = ()
    """What other measurements of the round got at the address where this one failed, or at its port elsewhere."""
    losses: ConnectLosses | None = None
    """What the round's connects to other addresses lost by chance; None where all of them passed."""
    first: FirstFinding | None = None
    """For a re-test: what the measurement that it repeats came to."""
    recorded: tuple[str, ...] = ()
    """Measurements of other vantages, by id, that served as controls besides those made for it."""


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """One signal as data: its id, which of its wordings, and the values that its sentence is filled in with."""

    signal: str
    variant: str = ""
    values: dict[str, Value] = {}

    def is_bounded(self) -> bool:
        """Whether evidence from elsewhere is small enough to keep."""
        return max(len(self.signal), len(self.variant)) <= MAX_SIGNAL and is_bounded(self.values)


def evidence_from(text: str | bytes) -> tuple[Evidence | str, ...]:
    """Evidence as it is stored, JSON. Raises msgspec.ValidationError."""
    return msgspec.json.decode(text, type=tuple[Evidence | str, ...])


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules conclude, with the rules that made it and the evidence."""

    outcome: Outcome
    method: str | None = None
    trigger: Trigger | None = None
    confidence: Confidence | None = None
    rules: tuple[str, ...]
    evidence: tuple[Evidence | str, ...]
    """A text where a version that stored sentences made the verdict."""
    control: str | None = None
    """What served as the control: the path's or the resolver's name."""
    rules_version: str


def deciding(targets: Iterable[tuple[T, bool, str]]) -> T | None:
    """Of (target, whether it is required, outcome) the target whose outcome is the service's; None without targets.

    A service is blocked when any required target is blocked, reachable when all are reachable, else as its worst
    required target. One without required targets goes by its optional ones.
    """
    known = list(targets)
    counted = [entry for entry in known if entry[1]] or known
    if not counted:
        return None
    return min(counted, key=lambda entry: WORST_FIRST.index(entry[2]))[0]
