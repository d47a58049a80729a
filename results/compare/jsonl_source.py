"""A file of records as a source for comparing: the rows that every command prints, our exports, OONI's measurements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from probe.model import Vantage
from probe.timestamps import epoch
from results import ooni
from results.compare.observed import LONGEST_TARGET, Seen, bounded, failing_family, is_sound, place_of, seen_of
from results.db.jsonl import BadRecord, decode, records
from results.export.exchange import Skipped
from results.judge.verdict import Repeat


class Place(msgspec.Struct):
    """The vantage of a row."""

    name: str
    country: str | None = None
    asn: int | None = None
    network_name: str | None = None
    path: str = "direct"


class OfTarget(msgspec.Struct):
    required: bool = True


class OfMeasurement(msgspec.Struct):
    target: OfTarget
    vantage: Place


class OfContext(msgspec.Struct):
    repeat: Repeat | None = None


class Record(msgspec.Struct):
    """What an export says beside the row."""

    measurement: OfMeasurement
    context: OfContext


class Listing(msgspec.Struct):
    listed: bool | None = None
    since: str | None = None


class Line(msgspec.Struct, kw_only=True):
    """The documented row, as far as comparing needs it; and of OONI's records what tells that a line is one."""

    kind: str = "target"
    test_name: str | None = None
    measurement_id: str | None = None
    target: str = ""
    service: str | None = None
    vantage: Place | None = None
    started_at: str = ""
    outcome: str = ""
    method: str | None = None
    confidence: str | None = None
    evidence: tuple[str, ...] = ()
    expectation: Listing | None = None
    agreement: str = "undecided"
    network: str | None = None
    repeated_by: str | None = None
    required: bool = True
    rules_version: str = ""
    record: Record | None = None
    licence: Any = None
    """A header's, which is no row."""


def read_records(path: Path) -> Iterator[Seen | Skipped]:
    """Every record of a file, plain or packed, whatever it is of. Raises BadFile."""
    for number, line in records(path):
        try:
            if isinstance(line, BadRecord):
                raise line
            seen = seen_in(line)
        except (BadRecord, ValueError, OverflowError) as error:
            yield Skipped(path, number, str(error))
            continue
        if seen is not None:
            yield seen


def seen_in(line: bytes) -> Seen | None:
    """One line; None where it says nothing of its own. OONI's are judged here, for they hold no verdict of ours."""
    row: Line = decode(line, Line)
    if row.test_name is not None:
        finished, _ = ooni.read_line(line)
        return None if _is_repeated(finished.context.repeat) else seen_of(finished)
    if row.kind != "target" or row.repeated_by is not None or row.licence is not None:
        return None
    if row.record is not None and _is_repeated(row.record.context.repeat):
        return None
    return _seen(row)


def _is_repeated(repeat: Repeat | None) -> bool:
    """Whether another measurement says what is to be said of this one."""
    return repeat is not None and repeat.outcome is not None


def _seen(row: Line) -> Seen:
    if row.vantage is None or row.measurement_id is None:
        raise BadRecord("neither a row of ours nor a measurement of OONI's")
    exported = row.record.measurement if row.record is not None else None
    place = exported.vantage if exported is not None else row.vantage
    listing = row.expectation or Listing()
    seen = Seen(
        id=bounded(row.measurement_id),
        at=epoch(row.started_at, needs_zone=True),
        target=bounded(row.target, LONGEST_TARGET),
        service=bounded(row.service) if row.service else None,
        required=exported.target.required if exported is not None else row.required,
        vantage=place_of(Vantage(**msgspec.structs.asdict(place))),
        outcome=row.outcome,
        method=row.method,
        agreement=row.agreement,
        confidence=row.confidence,
        failing=failing_family(row.outcome, row.evidence),
        restricted=row.network == "restricted",
        since=bounded(listing.since, 40) if listing.listed and listing.since else None,
        rules_version=bounded(row.rules_version),
    )
    if not is_sound(seen) or not seen.target:
        raise BadRecord("an outcome, a method or an agreement that there is not")
    return seen
