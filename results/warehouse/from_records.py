"""Files of records as batches: our own lines and OONI's, each judged by our rules whatever it says itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import msgspec

from probe.text import printable
from results import ooni
from results.db.jsonl import BadFile, BadRecord, decode, records
from results.export import exchange
from results.warehouse.batch import Batch, table_of
from results.warehouse.engine import WarehouseError
from results.warehouse.rows import Rows, add
from results.warehouse.schema import BLOBS, VERDICTS, observations

if TYPE_CHECKING:
    from results.db.store import Judge

AT_ONCE = 500
"""Records in a batch: a line may be large."""


class Kind(msgspec.Struct):
    """By what a line of OONI's is told from one of ours."""

    test_name: str | None = None


class File(Protocol):
    """Something that can be opened and read, here or far away."""

    def open(self, mode: str) -> BinaryIO: ...


def batches(file: File | Path, judge: Judge, position: int = 0, mark: str = "") -> Iterator[Batch]:
    """What stands behind the line `position`, where the first line still is the one of `mark`; else everything.
    WarehouseError where the file cannot be read."""
    why: list[str] = []
    rows, count, number, first = Rows([], [], []), 0, 0, ""
    try:
        for number, line in records(cast(Path, file)):
            if not first:
                first = hashlib.sha256(line[:4096]).hexdigest() if isinstance(line, bytes) else "none"
                position = position if first == mark else 0
            if number <= position:
                continue
            count += _take(line, judge, rows, why)
            if count + len(why) >= AT_ONCE:
                yield _batch(rows, why, number, first)
                rows, why, count, position = Rows([], [], []), [], 0, number
        if number > position:
            yield _batch(rows, why, number, first)
    except BadFile as error:
        raise WarehouseError(str(error)) from error


def _take(line: bytes | BadRecord, judge: Judge, rows: Rows, why: list[str]) -> int:
    """Add a line's measurement; how many that are."""
    try:
        if isinstance(line, BadRecord):
            raise line
        if exchange.is_header(line):
            return 0
        is_oonis = decode(line, Kind).test_name is not None
        finished, round_ = ooni.read_line(line) if is_oonis else exchange.read_line(line)
        add(rows, judge(finished), round_)
    except (BadRecord, ValueError) as error:
        why.append(printable(str(error)))
        return 0
    return 1


def _batch(rows: Rows, why: list[str], position: int, mark: str) -> Batch:
    tables = []
    for table, found in ((BLOBS, rows.blobs), (observations(), rows.observations), (VERDICTS, rows.verdicts)):
        made, unfit = table_of(table, found)
        tables.append((table, made))
        why = why + unfit
    return Batch(
        tables=tables,
        measurements=len(rows.verdicts),
        position=position,
        mark=mark,
        skipped=len(why),
        why=why[0] if why else None,
    )
