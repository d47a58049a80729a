"""From what was gathered to what a report says. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from msgspec.structs import replace

from probe.model import Vantage
from probe.services import built_in
from results.aggregate.changes import StateHistory
from results.aggregate.enforcement import Enforcement, by_network
from results.compare import compare
from results.compare.compare import ComparedRow, in_order, labels
from results.compare.compare import MatrixCell as ComparedCell
from results.compare.index import MeasurementIndex
from results.compare.timeline import VantageTrack, tracks
from results.db.json_rows import SCHEMA_VERSION
from results.report.evidence import Details
from results.report.summary import (
    Cell,
    Course,
    Day,
    Method,
    Place,
    Row,
    State,
    Summary,
    Tally,
    Turn,
)  # fmt: skip
from results.report.tally import Labels, TargetCounts, proofs, times

MOST_ROWS, MOST_ENFORCEMENTS = 60, 400


def summarise(gathered: MeasurementIndex, details: Details, *, now: float, within_s: float = 86400.0) -> Summary:
    """Everything that a report says at `now`; states count that are at most `within_s` older than a row's newest."""
    names = labels(gathered.vantages(), "network")
    enforcements = details.enforcements()
    by_row = compare(gathered, by="network", rows="service", within_s=within_s)
    kept, left_out = _most_telling(by_row)
    listed, order = _listed_at(enforcements, details), in_order(names)
    rows = [_dated(row, listed.get(row.name)) for row in _rows(gathered, kept, order, within_s)]
    rows.sort(key=lambda row: (not _is_blocked(row), row.title.casefold(), row.name))
    counted = TargetCounts(compare(gathered, by="network", rows="target", within_s=within_s))
    evidence, evidence_left_out = proofs(details, names)
    notes, days = gathered.counts, gathered.days()
    return Summary(
        generated_at=now,
        version=_version(),
        rules_versions=tuple(details.rules_versions()),
        schema_version=SCHEMA_VERSION,
        registers=tuple(details.registers()),
        first_day=days[0] if days else None,
        last_day=days[-1] if days else None,
        measurements=notes.read - notes.duplicates,
        vantages=len(names),
        twice=notes.duplicates,
        skipped=notes.skipped,
        future=notes.future,
        outside=notes.outside,
        places=_places(names, details.network_names()),
        rows=tuple(rows),
        rows_left_out=left_out,
        tallies=tuple(
            Tally(place=place, agreement=agreement, targets=count)
            for (place, agreement), count in sorted(counted.agreements.items())
        ),
        delays=tuple(by_network(enforcements)),
        enforcements=tuple(enforcements[:MOST_ENFORCEMENTS]),
        methods=tuple(
            Method(place=place, method=method, targets=count)
            for (place, method), count in sorted(counted.methods.items())
        ),
        times=times(details, names),
        evidence=evidence,
        evidence_left_out=evidence_left_out,
    )


def _version() -> str:
    try:
        return version("reachprobe")
    except PackageNotFoundError:
        return "unknown"


def _most_telling(compared: Iterable[ComparedRow]) -> tuple[dict[str, ComparedRow], int]:
    """Of many rows those that differ or are blocked; and how many there were beside them."""
    kept: list[tuple[int, ComparedRow]] = []
    left_out = 0
    for one in compared:
        kept.append((_rank(one), one))
        if len(kept) > MOST_ROWS:
            dull = max(range(len(kept)), key=lambda n: (kept[n][0], n))
            del kept[dull]
            left_out += 1
    return {one.row: one for _, one in kept}, left_out


def _rank(one: ComparedRow) -> int:
    if one.difference not in ("none", "unknown"):
        return 0
    return 1 if any(cell.outcome == "blocked" for cell in one.cells) else 2


def _rows(
    gathered: MeasurementIndex, kept: Mapping[str, ComparedRow], order: Sequence[str], within_s: float
) -> Iterator[Row]:
    titles = {name: service.title for name, service in built_in().items()}
    for row in gathered.rows("service"):
        if row.name in kept:
            found = {track.vantage: track for track in tracks(row, within_s)}
            yield _row(kept[row.name], found, order, titles.get(row.name, row.name))


def _row(compared: ComparedRow, found: Mapping[Vantage, VantageTrack], order: Sequence[str], title: str) -> Row:
    shared = Counter(map(_label, found))
    courses = []
    for course in sorted(compared.histories, key=lambda one: (order.index(_label(one.vantage)), one.label)):
        place = _label(course.vantage)
        name = course.label if shared[place] > 1 else None
        courses.append(_course(place, name, found[course.vantage], course.history))
    return Row(
        name=compared.row,
        title=title,
        difference=compared.difference,
        listed=compared.since,
        cells=tuple(map(_cell, compared.cells)),
        courses=tuple(courses),
        is_down={cell.outcome for cell in compared.cells} - {None} == {"down"},
    )


def _is_blocked(row: Row) -> bool:
    return any(cell.outcome == "blocked" for cell in row.cells)


def _label(vantage: Vantage) -> str:
    return labels([vantage], "network")[vantage]


def _cell(cell: ComparedCell) -> Cell:
    share = cell.share
    return Cell(
        outcome=cell.outcome,
        method=cell.method,
        agreement=cell.agreement,
        split=cell.split,
        measurements=cell.measurements,
        days=share.of if share else 0,
        blocked_share=share.share if share else None,
        low=share.low if share else None,
        high=share.high if share else None,
        is_small=share.is_small if share else False,
    )


def _course(place: str, vantage: str | None, track: VantageTrack, changes: StateHistory) -> Course:
    return Course(
        place=place,
        vantage=vantage,
        path=track.vantage.path,
        state=_state(changes),
        turns=tuple(
            Turn(blocked=one.blocked, at=one.at, earliest=one.earliest, latest=one.latest) for one in changes.changes
        ),
        first=track.times[0] if track.times else None,
        last=track.times[-1] if track.times else None,
        days=tuple(
            Day(
                day=day,
                findings=one.findings,
                blocked=one.blocked,
                outcome=one.last.outcome if one.last else None,
            )
            for day, one in sorted(track.days.items())
        ),
    )


def _state(changes: StateHistory) -> State:
    if changes.flapping:
        return "flapping"
    if changes.blocked_at_first is None:
        return "nothing"
    if not changes.changes:
        return "throughout" if changes.blocked_at_first else "never"
    if changes.changes[-1].blocked:
        return "since"
    return "until" if changes.blocked_at_first and len(changes.changes) == 1 else "between"


def _listed_at(enforcements: Iterable[Enforcement], details: Details) -> dict[str, str]:
    """Row -> when the first of its targets was listed, as exactly as it is known."""
    first: dict[str, str] = {}
    services = details.services()
    for one in enforcements:
        row = services.get(one.target, one.target)
        first[row] = min(first.get(row, one.listed_at), one.listed_at)
    return first


def _dated(row: Row, listed_at: str | None) -> Row:
    """With the instant of its listing, where that is known and of the same day."""
    return replace(row, listed=listed_at) if row.listed is not None and listed_at is not None else row


def _places(names: Labels, called: Mapping[int, str]) -> tuple[Place, ...]:
    by_label: dict[str, list[Vantage]] = defaultdict(list)
    for vantage, label in names.items():
        by_label[label].append(vantage)
    return tuple(
        Place(
            label=label,
            name=next((called[one.asn] for one in by_label[label] if one.asn is not None and one.asn in called), None),
            country=next((one.country for one in by_label[label] if one.country), None),
            path=by_label[label][0].path,
            vantages=len(by_label[label]),
        )
        for label in in_order(names)
    )
