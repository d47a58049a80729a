"""What one vantage saw of one row over time: its states, its days, its last word. Pure.

A service's state follows from its required targets' latest states, so it is stated anew at the end of each burst: a
burst is over when a target is measured again, or after an hour without any.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from math import sqrt

import msgspec

from probe.model import Vantage
from results.compare.index import IndexRow, RowMeasurement, VantageSeries
from results.compare.record import FINDINGS, day_of
from results.judge.verdict import deciding

BURST_PAUSE_S = 3600.0
BLOCKED, OPEN = 1, 0


class RowState(msgspec.Struct, frozen=True):
    """The state of a row at a moment."""

    at: float
    outcome: str
    method: str | None = None
    agreement: str = "undecided"
    confidence: str | None = None
    failing: str | None = None


class DayState(msgspec.Struct):
    """One vantage, one UTC day: how many findings, how many of them blocks, and the last one."""

    findings: int = 0
    blocked: int = 0
    measurements: int = 0
    last: RowState | None = None
    last_at: float = 0.0

    @property
    def outcome(self) -> str | None:
        """The last state."""
        return self.last.outcome if self.last is not None else None


class VantageTrack(msgspec.Struct):
    """One vantage and one row: all that comparing and drawing need of the series, in a few numbers a point."""

    vantage: Vantage
    days: dict[str, DayState] = msgspec.field(default_factory=dict)
    """By UTC day."""
    measurements: int = 0
    """All that say something: an offline machine's do not."""
    last_at: float | None = None
    """When the last of them was."""
    finding: RowState | None = None
    """The last state that is a finding."""
    doubt: RowState | None = None
    """The last that is none."""
    offline_at: float | None = None
    restricted_at: float | None = None
    since: str | None = None
    """Since when the register lists it, as the newest measurement that knows says."""
    times: array[float] = msgspec.field(default_factory=lambda: array("d"))
    states: array[int] = msgspec.field(default_factory=lambda: array("b"))
    """BLOCKED or OPEN (reachable, or denied by the service itself) at each of `times`, oldest first."""
    targets: dict[str, float] = msgspec.field(default_factory=dict)
    """Each required target's last finding."""

    def add(self, point: RowState) -> None:
        """The next state."""
        day = self.days.setdefault(day_of(point.at), DayState())
        if point.outcome not in FINDINGS:
            self.doubt = point
            day.last = day.last or point
            return
        self.finding = day.last = point
        day.findings += 1
        day.blocked += point.outcome == "blocked"
        if point.outcome != "down":
            self.times.append(point.at)
            self.states.append(BLOCKED if point.outcome == "blocked" else OPEN)

    def count(self, moment: RowMeasurement) -> None:
        """One measurement, whatever state follows from it."""
        if moment.restricted:
            self.restricted_at = moment.at
        if moment.outcome == "offline":
            self.offline_at = moment.at
            return
        self.measurements += 1
        day = self.days.setdefault(day_of(moment.at), DayState())
        day.measurements += 1
        day.last_at = self.last_at = moment.at
        self.since = moment.since or self.since
        if moment.required and moment.outcome in FINDINGS:
            self.targets[moment.target] = moment.at


def tracks(row: IndexRow, within_s: float) -> list[VantageTrack]:
    """Each vantage's track of a row, read to its end."""
    return [_track(series, row.is_service, within_s) for series in row.series]


def _track(series: VantageSeries, is_service: bool, within_s: float) -> VantageTrack:
    track = VantageTrack(series.vantage)
    moments = _counted(series.moments, track)
    for point in _service_states(moments, within_s) if is_service else map(_state, moments):
        track.add(point)
    return track


def _counted(moments: Iterable[RowMeasurement], track: VantageTrack) -> Iterator[RowMeasurement]:
    for moment in moments:
        track.count(moment)
        if moment.outcome != "offline":
            yield moment


def _state(moment: RowMeasurement) -> RowState:
    return RowState(moment.at, moment.outcome, moment.method, moment.agreement, moment.confidence, moment.failing)


def _service_states(moments: Iterable[RowMeasurement], within_s: float) -> Iterator[RowState]:
    latest: dict[str, RowMeasurement] = {}
    burst: dict[str, RowMeasurement] = {}
    begun = 0.0
    for moment in chain(moments, (None,)):
        if burst and (moment is None or moment.target in burst or moment.at - begun > BURST_PAUSE_S):
            latest = {target: one for target, one in (latest | burst).items() if one.at >= begun - within_s}
            yield from _service_state(latest, max(one.at for one in burst.values()))
            burst = {}
        if moment is not None:
            begun = moment.at
            burst[moment.target] = moment


def _service_state(latest: dict[str, RowMeasurement], at: float) -> Iterator[RowState]:
    """The service's state, and how it is by the target that decides."""
    chosen = deciding((one, one.required, one.outcome) for one in latest.values())
    if chosen is not None:
        failing = {one.failing for one in latest.values()} - {None}
        point = msgspec.structs.replace(_state(chosen), at=at)
        yield msgspec.structs.replace(point, failing=failing.pop() if len(failing) == 1 else None)


Z95 = 1.959963984540054
"""The normal quantile of a two-sided interval of 95%."""
FEW_DAYS = 10
"""Below so many vantage-days a number is called small."""


class BlockedShare(msgspec.Struct, frozen=True):
    """A share of `of` vantage-days; both ends of the interval are shares too."""

    of: int
    share: float
    low: float
    high: float

    @property
    def is_small(self) -> bool:
        return self.of < FEW_DAYS


def wilson(count: float, of: int, z: float = Z95) -> tuple[float, float]:
    """The score interval of a binomial share (E. B. Wilson, JASA 22, 1927); `count` may be a sum of parts of days.

    ValueError for a count that is more than all, or of nothing.
    """
    if of < 1 or not 0 <= count <= of:
        raise ValueError(f"{count} of {of}")
    share = count / of
    middle = share + z * z / (2 * of)
    spread = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, min(share, (middle - spread) / scale)), min(1.0, max(share, (middle + spread) / scale))


def share_of_days(days: list[float]) -> BlockedShare | None:
    """The mean of each vantage-day's own share, 0 to 1; None without days.

    Measurements of one vantage on one day see the same network in the same state, so together they count as one: with
    many a day, their number would feign a certainty that is not there.
    """
    if not days:
        return None
    count = min(sum(days), float(len(days)))
    low, high = wilson(count, len(days))
    return BlockedShare(len(days), count / len(days), low, high)
