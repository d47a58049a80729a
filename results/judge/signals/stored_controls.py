"""Whether all that controls say is from a record: of another moment than the measurement's own."""

from __future__ import annotations

from collections.abc import Iterator

from probe.timestamps import parse_time
from results.judge.evidence_text import clean
from results.judge.input import Case

TOLD = 6
MINUTE_S, HOUR_S = 60, 3600


def signs(case: Case) -> Iterator[tuple[str, str]]:
    if not case.qualified or any(c.measurement.control_of == case.measurement.id for c in case.qualified):
        return
    newest = max(case.qualified, key=lambda control: control.measurement.started_at)
    here, there = (parse_time(m.started_at) for m in (case.measurement, newest.measurement))
    ago = abs((here - there).total_seconds())
    said = f"{ago / HOUR_S:.1f} hours" if ago >= HOUR_S else f"{max(1, round(ago / MINUTE_S))} minutes"
    yield "control.recorded_only", f"control {clean(newest.name)} was recorded {said} before, not made for this"
