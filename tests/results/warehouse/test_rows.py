"""A measurement goes into the warehouse and comes back as it was, so that it can be judged again."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from results.db.write import keeps_bodies
from results.judge.judged import JudgedMeasurement, RoundRecord
from results.warehouse.rows import RecordRows, add_rows, to_arrow, to_finished
from results.warehouse.schema import BLOBS, VERDICTS, observations
from tests.results import generated

AT = st.integers(800_000_000_000, 7_000_000_000_000).map(
    lambda ms: datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
)


def at_times(finished: JudgedMeasurement, at: str) -> JudgedMeasurement:
    """With times that are some, for what has none is not kept; and no certificate that is a page as well."""

    def stepped(step: Any) -> Any:
        chain = tuple(b"certificate" + der for der in getattr(step.detail, "chain", ()))
        detail = msgspec.structs.replace(step.detail, chain=chain) if chain else step.detail
        return msgspec.structs.replace(step, started_at=at, detail=detail)

    def timed(measurement: Any) -> Any:
        steps = tuple(map(stepped, measurement.observations))
        return msgspec.structs.replace(measurement, started_at=at, observations=steps)

    controls = tuple(map(timed, finished.controls))
    return msgspec.structs.replace(finished, measurement=timed(finished.measurement), controls=controls)


def back(rows: RecordRows) -> JudgedMeasurement:
    tables = {}
    for table, found in ((BLOBS, rows.blobs), (observations(), rows.observations), (VERDICTS, rows.verdicts)):
        made, unfit = to_arrow(table, found)
        assert unfit == []
        tables[table.name] = made.to_pylist()
    steps: dict[str, list[Any]] = defaultdict(list)
    for step in tables["observations"]:
        steps[step["measurement"]].append(step)
    main, *controls = tables["verdicts"]
    return to_finished(main, steps, controls, {row["sha256"]: row["content"] for row in tables["blobs"]})


@settings(max_examples=40)
@given(generated.finished(), AT)
def test_any_measurement_comes_back_as_it_was(given_: tuple[JudgedMeasurement, RoundRecord | None], at: str) -> None:
    finished, round_ = at_times(given_[0], at), given_[1]
    rows = RecordRows([], [], [])

    add_rows(rows, finished, round_)

    expected = finished if keeps_bodies(finished) else without_pages(finished)
    assert back(rows) == expected


def without_pages(finished: JudgedMeasurement) -> JudgedMeasurement:
    def emptied(measurement: Any) -> Any:
        steps = tuple(
            msgspec.structs.replace(o, detail=msgspec.structs.replace(o.detail, body=None)) if o.step == "http" else o
            for o in measurement.observations
        )
        return msgspec.structs.replace(measurement, observations=steps)

    controls = tuple(map(emptied, finished.controls))
    return msgspec.structs.replace(finished, measurement=emptied(finished.measurement), controls=controls)
