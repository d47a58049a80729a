"""Whether an anomaly was there as well when the target was measured again, alone."""

from __future__ import annotations

from collections.abc import Iterator

from results.judge.input import Case

TOLD = 0


def signs(case: Case) -> Iterator[tuple[str, str]]:
    repeat = case.context.repeat
    if repeat is None:
        return
    if repeat.outcome is None:
        yield "alone.unmeasured", "it was to be measured again, alone, and the round ended before that"
    elif repeat.outcome != "blocked":
        yield "alone.not_blocked", f"measured again at the end of the round, alone, it was {repeat.outcome}"
