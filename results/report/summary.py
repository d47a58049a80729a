"""From compared rows and their details to all that a report says: plain records, every text foreign and bounded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from typing import Literal

import msgspec

from probe.model import Vantage
from probe.services import built_in
from results.aggregate.changes import StateChange, StateHistory
from results.aggregate.enforcement import Enforcement, NetworkDelay, by_network
from results.aggregate.outages import NetworkInterval
from results.compare import MeasurementIndex, compare
from results.compare.compare import ComparedRow, MatrixCell, in_order, labels
from results.compare.record import DIRECT
from results.compare.timeline import DayState, VantageTrack, tracks
from results.db.json_codec import SCHEMA_VERSION
from results.i18n.translator import Translator
from results.judge.verdict import Evidence
from results.report.evidence import DetailIndex, VantageEvidence, seconds_of

MAX_ROWS, MAX_ENFORCEMENTS, MAX_EVIDENCE = 60, 400, 120
MAX_GAPS, MIN_GAP_S = 20, 86400.0
"""Times without data that a timeline names: the newest, and no shorter ones."""
CONFIDENCES = ("confirmed", "probable", "possible", None)
Labels = Mapping[Vantage, str]
HistoryState = Literal["never", "throughout", "since", "until", "between", "flapping", "nothing"]
"""How blocking went at one vantage.

never: open all the time. throughout: blocked from the first measurement to the last. since: it began and goes on.
until: it was there at first and ended. between: it came and went. flapping: on and off, without a datable beginning.
nothing: no finding.
"""


class ReportColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A network, or a path by which one was left."""

    label: str
    """`AS12389`, `AS1136 via vpn`."""
    name: str | None = None
    """What the network is called."""
    country: str | None = None
    path: str = DIRECT
    vantages: int = 1

    def title(self, words: Translator) -> str:
        """`AS12389 Rostelecom`, `AS1136 via vpn`."""
        label = self.label.removesuffix(f" via {self.path}")
        name = " ".join(filter(None, (label, self.name))) if self.path == DIRECT else label
        return words.network(name, self.path)


class RowHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A row over time at one vantage."""

    place: str
    """The label of its column."""
    vantage: str | None
    """Its name, where the column has several."""
    path: str
    state: HistoryState
    changes: tuple[StateChange, ...]
    days: Mapping[str, DayState]
    """By UTC day, oldest first."""
    gaps: tuple[NetworkInterval, ...] = ()
    """Long times without data there."""


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """A service, or a target that is in none."""

    name: str
    title: str
    difference: str
    listed: str | None
    """Since when a register lists it: an instant where one is known, else a date."""
    cells: tuple[MatrixCell, ...]
    """One for each column, in their order."""
    histories: tuple[RowHistory, ...]
    is_down: bool = False
    """Down wherever it was measured."""


class StepTiming(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that successful steps of one kind took at one place: 10th percentile, median, 90th percentile."""

    place: str
    step: str
    count: int
    low: float
    middle: float
    high: float


class BlockEvidence(msgspec.Struct, frozen=True, kw_only=True):
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
    evidence: tuple[Evidence | str, ...]
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
    places: tuple[ReportColumn, ...] = ()
    rows: tuple[ReportRow, ...] = ()
    rows_left_out: int = 0
    agreements: Mapping[tuple[str, str], int]
    """(Column, agreement with the register) -> targets."""
    methods: Mapping[tuple[str, str], int]
    """(Column, method of blocking) -> targets."""
    delays: tuple[NetworkDelay, ...] = ()
    enforcements: tuple[Enforcement, ...] = ()
    outages: tuple[NetworkInterval, ...] = ()
    """With the times without data."""
    times: tuple[StepTiming, ...] = ()
    evidence: tuple[BlockEvidence, ...] = ()
    evidence_left_out: int = 0

    def place(self, label: str) -> ReportColumn | None:
        """The column of that label."""
        return next((place for place in self.places if place.label == label), None)


def summarise(index: MeasurementIndex, details: DetailIndex, *, now: float, within_s: float = 86400.0) -> Summary:
    """Everything that a report says at `now`; states count that are at most `within_s` older than a row's newest."""
    names = labels(index.vantages(), "network")
    enforcements = details.enforcements()
    shown, left_out = _shown_rows(compare(index, by="network", rows="service", within_s=within_s))
    listed = _listed_at(enforcements, details)
    outages = details.outages()
    layout = _Layout(in_order(names), outages)
    rows = [_dated(row, listed.get(row.name)) for row in _rows(index, shown, layout, within_s)]
    rows.sort(key=lambda row: (not _is_blocked(row.cells), row.title.casefold(), row.name))
    agreements, methods = _target_counts(compare(index, by="network", rows="target", within_s=within_s))
    evidence, evidence_left_out = block_evidence(details, names)
    counts, days = index.counts, index.days()
    return Summary(
        generated_at=now,
        version=_version(),
        rules_versions=tuple(details.rules_versions()),
        schema_version=SCHEMA_VERSION,
        registers=tuple(details.registers()),
        first_day=days[0] if days else None,
        last_day=days[-1] if days else None,
        measurements=counts.read - counts.duplicates,
        vantages=len(names),
        twice=counts.duplicates,
        skipped=counts.skipped,
        future=counts.future,
        outside=counts.outside,
        places=_columns(names, details.network_names()),
        rows=tuple(rows),
        rows_left_out=left_out,
        agreements=dict(sorted(agreements.items())),
        methods=dict(sorted(methods.items())),
        delays=tuple(by_network(enforcements)),
        enforcements=tuple(enforcements[:MAX_ENFORCEMENTS]),
        outages=tuple(outages),
        times=_timings(details, names),
        evidence=evidence,
        evidence_left_out=evidence_left_out,
    )


def _version() -> str:
    try:
        return version("reachprobe")
    except PackageNotFoundError:
        return "unknown"


def _shown_rows(compared: Iterable[ComparedRow]) -> tuple[dict[str, ComparedRow], int]:
    """At most MAX_ROWS, those that differ before the blocked before the rest; and how many others there were."""
    shown: list[tuple[int, ComparedRow]] = []
    left_out = 0
    for row in compared:
        shown.append((_rank(row), row))
        if len(shown) > MAX_ROWS:
            del shown[max(range(len(shown)), key=lambda n: (shown[n][0], n))]
            left_out += 1
    return {row.row: row for _, row in shown}, left_out


def _rank(row: ComparedRow) -> int:
    if row.difference not in ("none", "unknown"):
        return 0
    return 1 if _is_blocked(row.cells) else 2


def _is_blocked(cells: Iterable[MatrixCell]) -> bool:
    return any(cell.outcome == "blocked" for cell in cells)


def _target_counts(targets: Iterable[ComparedRow]) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """In each column, how many targets are in each agreement with the register, and are blocked by each method."""
    agreements: Counter[tuple[str, str]] = Counter()
    methods: Counter[tuple[str, str]] = Counter()
    for row in targets:
        for cell in row.cells:
            if cell.outcome is not None and cell.agreement is not None:
                agreements[cell.by, cell.agreement] += 1
            if cell.outcome == "blocked" and cell.method is not None:
                methods[cell.by, cell.method] += 1
    return agreements, methods


class _Layout(msgspec.Struct, frozen=True):
    """The order of the columns, and what is known of their networks."""

    order: Sequence[str]
    outages: Sequence[NetworkInterval]

    def gaps(self, vantage: Vantage) -> tuple[NetworkInterval, ...]:
        """The long times without data at a vantage point."""
        if vantage.path != DIRECT:
            return ()
        found = [
            one
            for one in self.outages
            if one.state == "no-data"
            and (one.vantage, one.asn) == (vantage.name, vantage.asn)
            and (one.end.latest or 0.0) - (one.begin.earliest or 0.0) >= MIN_GAP_S
        ]
        return tuple(found[-MAX_GAPS:])


def _rows(
    index: MeasurementIndex, shown: Mapping[str, ComparedRow], layout: _Layout, within_s: float
) -> Iterator[ReportRow]:
    titles = {name: service.title for name, service in built_in().items()}
    for row in index.rows("service"):
        if row.name in shown:
            by_vantage = {track.vantage: track for track in tracks(row, within_s)}
            yield _row(shown[row.name], by_vantage, layout, titles.get(row.name, row.name))


def _row(row: ComparedRow, by_vantage: Mapping[Vantage, VantageTrack], layout: _Layout, title: str) -> ReportRow:
    vantages = Counter(map(_label, by_vantage))
    histories = sorted(row.histories, key=lambda history: (layout.order.index(_label(history.vantage)), history.label))
    return ReportRow(
        name=row.row,
        title=title,
        difference=row.difference,
        listed=row.since,
        cells=row.cells,
        histories=tuple(
            RowHistory(
                place=_label(history.vantage),
                vantage=history.label if vantages[_label(history.vantage)] > 1 else None,
                path=history.vantage.path,
                state=_state(history.history),
                changes=history.history.changes,
                days=dict(sorted(by_vantage[history.vantage].days.items())),
                gaps=layout.gaps(history.vantage),
            )
            for history in histories
        ),
        is_down={cell.outcome for cell in row.cells} - {None} == {"down"},
    )


def _label(vantage: Vantage) -> str:
    return labels([vantage], "network")[vantage]


def _state(history: StateHistory) -> HistoryState:
    if history.flapping:
        return "flapping"
    if history.blocked_at_first is None:
        return "nothing"
    if not history.changes:
        return "throughout" if history.blocked_at_first else "never"
    if history.changes[-1].blocked:
        return "since"
    return "until" if history.blocked_at_first and len(history.changes) == 1 else "between"


def _listed_at(enforcements: Iterable[Enforcement], details: DetailIndex) -> dict[str, str]:
    """Row -> when the first of its targets was listed, as exactly as it is known."""
    first: dict[str, str] = {}
    services = details.services()
    for enforcement in enforcements:
        row = services.get(enforcement.target, enforcement.target)
        first[row] = min(first.get(row, enforcement.listed_at), enforcement.listed_at)
    return first


def _dated(row: ReportRow, listed_at: str | None) -> ReportRow:
    """With the instant of its listing, where that is known."""
    if row.listed is None or listed_at is None:
        return row
    return msgspec.structs.replace(row, listed=listed_at)


def _columns(names: Labels, network_names: Mapping[int, str]) -> tuple[ReportColumn, ...]:
    by_label: dict[str, list[Vantage]] = defaultdict(list)
    for vantage, label in names.items():
        by_label[label].append(vantage)
    return tuple(
        ReportColumn(
            label=label,
            name=next(
                (network_names[v.asn] for v in by_label[label] if v.asn is not None and v.asn in network_names), None
            ),
            country=next((v.country for v in by_label[label] if v.country), None),
            path=by_label[label][0].path,
            vantages=len(by_label[label]),
        )
        for label in in_order(names)
    )


def _timings(details: DetailIndex, names: Labels) -> tuple[StepTiming, ...]:
    bins: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for vantage, step, bin_, count in details.durations():
        if vantage in names:
            bins[names[vantage], step][bin_] += count
    return tuple(
        StepTiming(
            place=place,
            step=step,
            count=counts.total(),
            low=_quantile(counts, 0.1),
            middle=_quantile(counts, 0.5),
            high=_quantile(counts, 0.9),
        )
        for (place, step), counts in sorted(bins.items())
    )


def _quantile(counts: Counter[int], share: float) -> float:
    passed = accumulate(counts[bin_] for bin_ in sorted(counts))
    reached = zip(sorted(counts), passed, strict=True)
    return seconds_of(next(bin_ for bin_, count in reached if count >= share * counts.total()))


def block_evidence(details: DetailIndex, names: Labels) -> tuple[tuple[BlockEvidence, ...], int]:
    """For each target and place the surest measurement, of equals the newest; and how many there was no room for."""
    best: dict[tuple[str, str], BlockEvidence] = {}
    left_out: set[tuple[str, str]] = set()
    for found in details.block_evidence():
        evidence = _evidence(found, names)
        key = (evidence.target, evidence.place)
        if len(best) >= MAX_EVIDENCE and key not in best:
            left_out.add(key)
            continue
        known = best.setdefault(key, evidence)
        if (CONFIDENCES.index(evidence.confidence), -evidence.at) < (CONFIDENCES.index(known.confidence), -known.at):
            best[key] = evidence
    return tuple(best.values()), len(left_out)


def _evidence(found: VantageEvidence, names: Labels) -> BlockEvidence:
    return BlockEvidence(
        target=found.target,
        service=found.service,
        place=names.get(found.vantage, _label(found.vantage)),
        at=found.at,
        measurement_id=found.id,
        method=found.method or "",
        trigger=found.trigger,
        confidence=found.confidence,
        rules=found.rules,
        evidence=found.evidence,
        listing=", ".join(filter(None, (found.register, found.basis))) or None,
    )
