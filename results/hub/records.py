"""One record as a member sends it: held to the schema, to the member's own series, and to what a hub keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from probe.timestamps import parse_time
from results.db.jsonl import BadRecord, printable
from results.export.exchange import read_line
from results.judge.judged import JudgedMeasurement, RoundRecord

MAX_LINE = 2 * 1024 * 1024
AHEAD = timedelta(days=1)
"""How far a vantage's clock may be ahead; a record from the far future would stay the newest for ever."""


def read(line: bytes, member: str) -> tuple[JudgedMeasurement, RoundRecord | None]:
    """A record of the member's own. BadRecord says why it is none.

    What others recorded serves no member as a control here: only what was made for the measurement comes with it.
    """
    if len(line) > MAX_LINE:
        raise BadRecord(f"longer than {MAX_LINE >> 20} MiB")
    finished, round_ = read_line(line)
    vantage = finished.measurement.vantage
    if vantage.name != member:
        raise BadRecord(f"vantage {printable(vantage.name, 64)!r} is not the one that this token is for")
    if parse_time(finished.measurement.started_at) > datetime.now(UTC) + AHEAD:
        raise BadRecord(f"measured at {finished.measurement.started_at}, which is still to come: see to the clock")
    made = tuple(control for control in finished.controls if control.control_of == finished.measurement.id)
    context = msgspec.structs.replace(finished.context, recorded=())
    return msgspec.structs.replace(finished, controls=made, context=context), round_
