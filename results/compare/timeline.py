"""The states of one row at one vantage over time, and the share of blocked days. Pure.

A service's state is derived from the latest states of its targets at the end of each burst of measurements.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from math import sqrt

import msgspec

from probe.model import Vantage
from results.compare.index import IndexRow, VantageSeries
from results.compare.record import FINDINGS, RowMeasurement, RowState, day_of
from results.judge.verdict import deciding

BURST_PAUSE_S = 3600.0
"""A burst ends after this long without a measurement, or when a target is measured again."""
BLOCKED, OPEN = 1, 0


class DayState(msgspec.Struct):
    """The findings of one vantage on one UTC day."""

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
    """One row at one vantage, in a few numbers a measurement."""

    vantage: Vantage
    days: dict[str, DayState] = msgspec.field(default_factory=dict)
    """By UTC day."""
    measurements: int = 0
    """Without those of an offline machine."""
    last_at: float | None = None
    """The newest of them, seconds since 1970."""
    finding: RowState | None = None
    """The last state in FINDINGS."""
    doubt: RowState | None = None
    """The last that is not."""
    offline_at: float | None = None
    restricted_at: float | None = None
    since: str | None = None
    """The date since which the register lists it, by the newest measurement."""
    times: array[float] = msgspec.field(default_factory=lambda: array("d"))
    states: array[int] = msgspec.field(default_factory=lambda: array("b"))
    """BLOCKED or OPEN (reachable, or denied by the service itself) at each of `times`, oldest first."""
    targets: dict[str, float] = msgspec.field(default_factory=dict)
    """Required target -> its last finding."""

    def add(self, state: RowState) -> None:
        """Append the next state."""
        day = self.days.setdefault(day_of(state.at), DayState())
        if state.outcome not in FINDINGS:
            self.doubt = state
            day.last = day.last or state
            return
        self.finding = day.last = state
        day.findings += 1
        day.blocked += state.outcome == "blocked"
        if state.outcome != "down":
            self.times.append(state.at)
            self.states.append(BLOCKED if state.outcome == "blocked" else OPEN)

    def count(self, measurement: RowMeasurement) -> None:
        """Count one measurement."""
        if measurement.restricted:
            self.restricted_at = measurement.at
        if measurement.outcome == "offline":
            self.offline_at = measurement.at
            return
        self.measurements += 1
        day = self.days.setdefault(day_of(measurement.at), DayState())
        day.measurements += 1
        day.last_at = self.last_at = measurement.at
        self.since = measurement.since or self.since
        if measurement.required and measurement.outcome in FINDINGS:
            self.targets[measurement.target] = measurement.at


def tracks(row: IndexRow, within_s: float) -> list[VantageTrack]:
    """The track of each vantage of a row."""
    return [_track(series, row.is_service, within_s) for series in row.series]


def _track(series: VantageSeries, is_service: bool, within_s: float) -> VantageTrack:
    track = VantageTrack(series.vantage)
    measurements = _counted(series.measurements, track)
    for state in _service_states(measurements, within_s) if is_service else measurements:
        track.add(state)
    return track


def _counted(measurements: Iterable[RowMeasurement], track: VantageTrack) -> Iterator[RowMeasurement]:
    for measurement in measurements:
        track.count(measurement)
        if measurement.outcome != "offline":
            yield measurement


def _service_states(measurements: Iterable[RowMeasurement], within_s: float) -> Iterator[RowState]:
    latest: dict[str, RowMeasurement] = {}
    burst: dict[str, RowMeasurement] = {}
    begun = 0.0
    for measurement in chain(measurements, (None,)):
        if burst and (measurement is None or measurement.target in burst or measurement.at - begun > BURST_PAUSE_S):
            latest = {target: entry for target, entry in (latest | burst).items() if entry.at >= begun - within_s}
            yield from _service_state(latest, max(entry.at for entry in burst.values()))
            burst = {}
        if measurement is not None:
            begun = measurement.at
            burst[measurement.target] = measurement


def _service_state(latest: dict[str, RowMeasurement], at: float) -> Iterator[RowState]:
    """The service's state, with the details of the target that decides."""
    chosen = deciding((entry, entry.required, entry.outcome) for entry in latest.values())
    if chosen is not None:
        failing = {entry.failing for entry in latest.values()} - {None}
        yield msgspec.structs.replace(chosen, at=at, failing=failing.pop() if len(failing) == 1 else None)


Z95 = 1.959963984540054
"""The normal quantile of a two-sided interval of 95%."""
FEW_DAYS = 10
"""Below this many vantage-days a share is marked as uncertain."""


class BlockedShare(msgspec.Struct, frozen=True):
    """The blocked share of `of` vantage-days, with its 95% interval."""

    of: int
    share: float
    low: float
    high: float

    @property
    def is_small(self) -> bool:
        return self.of < FEW_DAYS


def wilson(count: float, of: int, z: float = Z95) -> tuple[float, float]:
    """The score interval of a binomial share (E. B. Wilson, JASA 22, 1927). ValueError unless 0 <= count <= of."""
    if of < 1 or not 0 <= count <= of:
        raise ValueError(f"{count} of {of}")
    share = count / of
    middle = share + z * z / (2 * of)
    spread = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, min(share, (middle - spread) / scale)), min(1.0, max(share, (middle + spread) / scale))


def share_of_days(days: list[float]) -> BlockedShare | None:
    """The mean of the vantage-days' shares (0 to 1); None without days. A vantage-day counts once, as its measurements
    are not independent."""
    if not days:
        return None
    count = min(sum(days), float(len(days)))
    low, high = wilson(count, len(days))
    return BlockedShare(len(days), count / len(days), low, high)
