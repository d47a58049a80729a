"""Pages: known block pages and block hosts in what was answered in the open."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Http
from results.case import Case
from results.course import secured
from results.fingerprints import match
from results.sentences import clean, place

TOLD = 4


def signs(case: Case) -> Iterator[tuple[str, str]]:
    for observation in case.answers:
        answer = observation.detail
        if not isinstance(answer, Http) or secured(case.measurement.observations, observation):
            continue
        for found in match(answer):
            if found.is_block:
                sentence = f"{clean(observation.host)} at {place(observation)}: {found.tells} ({found.name})"
                yield "page.block", sentence
                yield f"page.{found.kind}", sentence
