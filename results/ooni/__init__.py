"""OONI's data format, in and out (https://github.com/ooni/spec, data-formats and ts-017-web-connectivity)."""

from __future__ import annotations

import msgspec

from probe.text import printable
from results.db.jsonl import BadRecord, decode
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.ooni import reading, writing
from results.ooni.format import OoniHeader, OoniRecord
from results.ooni.other_tests import AS_IT_IS, COUNTED, GROUPED, UnjudgedTest


def read_line(line: bytes) -> tuple[JudgedMeasurement, RoundRecord | None]:
    """A measurement from one line: our own export unchanged, any other judged by our rules. Raises BadRecord."""
    head = decode(line, OoniHeader)
    if head.test_name in COUNTED:
        raise UnjudgedTest(head.test_name)
    if head.test_name not in AS_IT_IS | GROUPED:
        raise BadRecord("unknown OONI test: {name}", name=printable(head.test_name, 60))
    if head.test_keys is None:
        raise BadRecord("no test_keys: metadata without the measurement; download it in full")
    if head.test_keys.x_reachprobe is not None:
        return writing.restore(decode(line)["test_keys"])
    return reading.read(decode(line, OoniRecord))


def write_line(finished: JudgedMeasurement, round_: RoundRecord | None, licence: str | None = None) -> bytes:
    """One line in OONI's format, with the licence of the data among its annotations."""
    record = writing.write(finished, round_)
    if licence is not None:
        record["annotations"]["licence"] = licence
    return msgspec.json.encode(record)
