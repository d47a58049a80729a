"""What a report says, before it is written down: plain records, every text in them foreign and bounded."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from results.aggregate.enforcement import Enforcement, NetworkDelay
from results.compare.record import DIRECT
from results.i18n.translator import Translator

State = Literal["never", "throughout", "since", "until", "between", "flapping", "nothing"]
"""How blocking went at one place.

never: open all the time. throughout: blocked from the first measurement to the last. since: it began and goes on.
until: it was there at first and ended. between: it came and went. flapping: on and off, without a beginning that could
be told. nothing: no finding.
"""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A column: a network, or a path by which one was left."""

    label: str
    """`AS12389`, `AS1136 by vpn`."""
    name: str | None = None
    """What the network is called."""
    country: str | None = None
    path: str = "direct"
    vantages: int = 1

    def title(self, words: Translator) -> str:
        """`AS12389 Rostelecom`, `AS1136 via vpn`."""
        label = self.label.removesuffix(f" by {self.path}")
        name = " ".join(filter(None, (label, self.name))) if self.path == DIRECT else label
        return words.network(name, self.path)


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What one row is at one place; `outcome` None for a gap."""

    outcome: str | None
    method: str | None = None
    agreement: str | None = None
    split: bool = False
    """Whether its vantages are not all in one state."""
    measurements: int = 0
    days: int = 0
    blocked_share: float | None = None
    low: float | None = None
    high: float | None = None
    is_small: bool = False


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day at one vantage."""

    day: str
    findings: int
    blocked: int
    outcome: str | None
    """The last one of the day."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A block's beginning or end, in seconds since 1970: after `earliest` and not after `latest`.

    `at` is the measurement that most probably was the first one after it.
    """

    blocked: bool
    at: float
    earliest: float
    latest: float


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How a row went at one vantage."""

    place: str
    vantage: str | None
    """Its name, where several are at that place."""
    path: str
    state: State
    turns: tuple[Turn, ...]
    first: float | None
    last: float | None
    days: tuple[Day, ...]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A service, or a target that is in none."""

    name: str
    title: str
    difference: str
    listed: str | None
    """Since when a register lists it: an instant where one is known, else a date."""
    cells: tuple[Cell, ...]
    """One for each place, in their order."""
    courses: tuple[Course, ...]
    is_down: bool = False
    """Down for everybody."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many targets are in one agreement with the register at one place."""

    place: str
    agreement: str
    targets: int


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """How many targets are blocked by one method at one place."""

    place: str
    method: str
    targets: int


class Time(msgspec.Struct, frozen=True, kw_only=True):
    """How long the successful steps of one kind took at one place, in seconds: a tenth less than `low`, a tenth more
    than `high`."""

    place: str
    step: str
    count: int
    low: float
    middle: float
    high: float


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a target is called blocked at a place."""

    target: str
    service: str | None
    place: str
    at: float
    measurement_id: str
    method: str
    trigger: str | None
    confidence: str | None
    rules: tuple[str, ...]
    sentences: tuple[str, ...]
    listing: str | None
    """The register that listed it then, and on what basis."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report says."""

    generated_at: float
    version: str
    """Of the program."""
    rules_versions: tuple[str, ...]
    schema_version: int
    registers: tuple[str, ...]
    first_day: str | None
    last_day: str | None
    """UTC."""
    measurements: int
    vantages: int
    twice: int = 0
    skipped: int = 0
    future: int = 0
    outside: int = 0
    places: tuple[Place, ...] = ()
    rows: tuple[Row, ...] = ()
    rows_left_out: int = 0
    tallies: tuple[Tally, ...] = ()
    delays: tuple[NetworkDelay, ...] = ()
    enforcements: tuple[Enforcement, ...] = ()
    methods: tuple[Method, ...] = ()
    times: tuple[Time, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    evidence_left_out: int = 0

    def place(self, label: str) -> Place | None:
        """The column of that label."""
        return next((place for place in self.places if place.label == label), None)

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        shown: dict[str, Any] = msgspec.to_builtins(self)
        return shown
