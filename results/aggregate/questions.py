"""What is asked of many vantages' results, whatever holds them: the rows of each answer, and who answers.

A store of results answers by a function for each question; SQLite and the warehouse's engines give the same rows in the
same order. What holds of all of them:

- A finding is a measurement with its verdict. Controls are none, and of a measurement that was repeated at once
  (another's `repeats` names it) the repeat alone is one, also where the repeat lies outside the period.
- A finding is in the period by its `started_at`. Times are compared as the text that they are stored as; of two
  findings at the same time the one with the greater `id`, as text, is the later.
- What belongs together has the same service, target text, country, ASN and network name, None equal to None; whether a
  target is required does not tell it from another. A path is told apart where a row has a `path`, and else counts like
  any other.
- A vantage is told by its name: `vantages` counts different names, `targets` different target texts.
- Agreement and expectation are those stored with the verdict: what the register said at the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from probe.timestamps import epoch
from results.aggregate.enforcement import Block, blocking_delay, day_window

UNDETERMINED = ("offline", "inconclusive")
"""Outcomes that say that this measurement cannot tell."""


Network = tuple[str | None, int | None, str | None]
"""Country, ASN, name."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """From `since` up to and without `until`: UTC, RFC 3339; None is open."""

    since: str | None = None
    until: str | None = None


class MatrixRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many vantages of a network last found a target so, within the period.

    Of each vantage on this network by this path its last finding counts that is not UNTOLD, and where it has none, its
    last one. `last_at` is the latest time of those that are counted.
    """

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

    `listed_at` is the least, as text, of what the expectations of the period's findings in the country say that list
    it: their `listed_at`, else their `since`; without any there is no row, and none for a network without a finding
    that counts. What counts is by the path `direct`: `reachable`, or `blocked` and SURE.

    Findings in a row without a `reachable` between them are one block. The block that is told is the first, by
    its beginning, that was not over when the target was listed: the last of the network, or one whose last finding is
    not before the listing's first instant. `first_blocked` is its first finding; `last_open` is the last `reachable`
    before that, or the last of all where no block is told. None without such a finding.

    A listing that is an instant begins and ends there; one that is a day (ten letters) begins 14 hours before that
    UTC day, and ends 12 hours after its end. `at_most_h` is from the beginning to `first_blocked`, `at_least_h` from
    the end to `last_open`, each rounded to two digits. Where `at_most_h` is None or not below 0, `at_least_h` is 0 at
    least, also without `last_open`.
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
    """A target found blocked on a network though no register lists it: `unlisted-block`, or `collateral`.

    By all findings of the period with that agreement; `first_at` and `last_at` are the times of the first and the last.
    """

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
    """How many targets a network blocks by a method, and in how many findings that are `blocked`."""

    country: str | None
    asn: int | None
    network_name: str | None
    method: str
    targets: int
    findings: int


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """Two findings of a vantage on one target, one after the other, of which one is `blocked` and one `reachable`.

    Findings of other outcomes between them are passed over. The later of the two is in the period, the earlier may be
    before it. A vantage's series is told by its path too. `method` is that of the one that is `blocked`. `id` is the
    measurement that found it changed.
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


class Aggregates(Protocol):
    """Whoever can be asked. Rows are in the order of their fields, None first."""

    def matrix(self, period: Period) -> list[MatrixRow]: ...

    def agreement_over_time(self, period: Period) -> list[AgreementRow]: ...

    def enforcement_delay(self, period: Period) -> list[DelayRow]: ...

    def unlisted_blocks(self, period: Period) -> list[BlockRow]: ...

    def collateral(self, period: Period) -> list[BlockRow]: ...

    def methods_by_network(self, period: Period) -> list[MethodRow]: ...

    def changes(self, period: Period) -> list[ChangeRow]: ...


Row = TypeVar("Row", bound=msgspec.Struct)


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Rows in the order of their fields, None first, texts by their code points."""
    return sorted(rows, key=_by_fields)


def _by_fields(row: msgspec.Struct) -> tuple[tuple[bool, Any], ...]:
    return tuple((value is not None, value) for value in msgspec.structs.astuple(row))


def delay(target: str, network: Network, listed_at: str, blocks: Sequence[Block]) -> DelayRow:
    """A network's row for one target from its findings in order, cut before each `reachable`."""
    is_day = len(listed_at) <= len("2017-05-04")
    first, last = day_window(listed_at) if is_day else (epoch(listed_at), epoch(listed_at))
    found = blocking_delay(blocks, first, last)
    return DelayRow(
        target=target,
        country=network[0],
        asn=network[1],
        network_name=network[2],
        listed_at=listed_at,
        last_open=found.last_open,
        first_blocked=found.first_blocked,
        at_least_h=found.at_least_h,
        at_most_h=found.at_most_h,
    )
