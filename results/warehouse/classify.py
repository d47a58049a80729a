"""Judging as it is done for the warehouse: by today's rules, held against what the registers said at the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from results.fingerprints.library import Library, own_library
from results.judge.classify import classify
from results.judge.judged import JudgedMeasurement, agreement

if TYPE_CHECKING:
    from results.db.store import Judge


def judge_by(library: Library | None = None) -> Judge:
    """A judge with these fingerprints, our own set where none are given. A warehouse holds no registers: what these
    said is the expectation that came with the measurement."""
    library = library or own_library()

    def judge(finished: JudgedMeasurement) -> JudgedMeasurement:
        verdict = classify(finished.measurement, finished.controls, finished.context, library)
        return msgspec.structs.replace(
            finished,
            context=msgspec.structs.replace(finished.context, fingerprints=library.digest),
            verdict=verdict,
            agreement=agreement(finished.expectation, verdict.outcome, verdict.trigger),
        )

    return judge
