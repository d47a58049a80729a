"""What is asked of many vantages' results, whatever holds them: the rows of each answer, and who answers.

A store of results answers by a function for each question; SQLite and the warehouse's engines give the same rows in the
same order. Counts leave controls out, and of a measurement that was repeated at once take the repeat alone.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """From `since` up to and without `until`: UTC, RFC 3339; None is open."""

    since: str | None = None
    until: str | None = None


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many vantages of a network last found a target so, within the period."""

    service: str | None
    target: str
    country: str | None
    asn: int | None
    network_name: str | None
    path: str
    outcome: str
    method: str | None
    agreement: str
    vantages: int
    last_at: str


class AgreementRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many findings of a UTC day in a country agree so with its register."""

    day: str
    country: str | None
    agreement: str
    findings: int
    targets: int
    vantages: int


class DelayRow(msgspec.Struct, frozen=True, kw_only=True):
    """Between listing and blocking, in hours, of a target on a network: at least, and at most. None is not known.

    `listed_at` is what the register says of the earliest entry that lists it, an instant or a day; `last_open` and
    `first_blocked` are the findings around the beginning of the block, None without such a finding.
    """

    target: str
    country: str | None
    asn: int | None
    network_name: str | None
    listed_at: str
    last_open: str | None
    first_blocked: str | None
    at_least_h: float | None
    at_most_h: float | None


class BlockRow(msgspec.Struct, frozen=True, kw_only=True):
    """A target found blocked on a network though no register lists it: `unlisted-block`, or `collateral`."""

    service: str | None
    target: str
    country: str | None
    asn: int | None
    network_name: str | None
    method: str | None
    trigger: str | None
    agreement: str
    vantages: int
    findings: int
    first_at: str
    last_at: str


class MethodRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many targets a network blocks by a method, and in how many findings."""

    country: str | None
    asn: int | None
    network_name: str | None
    method: str
    targets: int
    findings: int


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """Two findings of a vantage on one target, one after the other, of which one is `blocked` and one `reachable`.

    Findings of other outcomes between them are passed over. `id` is the measurement that found it changed.
    """

    service: str | None
    target: str
    vantage: str
    country: str | None
    asn: int | None
    network_name: str | None
    path: str
    was: str
    now: str
    method: str | None
    last_was_at: str
    first_now_at: str
    id: str


class Answers(Protocol):
    """Whoever can be asked. Rows are in the order of their fields, None first."""

    def matrix(self, period: Period) -> list[MatrixRow]: ...

    def agreement_over_time(self, period: Period) -> list[AgreementRow]: ...

    def enforcement_delay(self, period: Period) -> list[DelayRow]: ...

    def unlisted_blocks(self, period: Period) -> list[BlockRow]: ...

    def collateral(self, period: Period) -> list[BlockRow]: ...

    def methods_by_network(self, period: Period) -> list[MethodRow]: ...

    def changes(self, period: Period) -> list[ChangeRow]: ...
