"""Pages: known block pages and block hosts in what was answered in the open."""

from __future__ import annotations

from collections.abc import Iterator

from probe.model import Http
from results.judge.evidence_text import clean, place
from results.judge.failure_point import secured
from results.judge.input import Case

TOLD = 4
OK = 200


def signs(case: Case) -> Iterator[tuple[str, str]]:
    for observation in case.answers:
        answer = observation.detail
        if not isinstance(answer, Http) or secured(case.measurement.observations, observation):
            continue
        for found in case.match(observation):
            sentence = f"{clean(observation.host)} at {place(observation)}: {found.tells} ({clean(found.name)})"
            if found.is_block and found.name in case.shown_abroad:
                yield "page.shown_abroad", f"{sentence}, and a control where there is no such block is shown it too"
            elif found.is_block:
                yield "page.block", sentence
                yield f"page.{found.kind}", sentence
                if answer.status == OK:
                    yield "page.as_content", f"{sentence}, with status {OK} as a page of the service's own"
            elif found.is_page:
                yield "page.vague" if found.scope == "vbw" else "page.hint", sentence
            elif found.kind == "false_positive":
                yield "page.false_positive", sentence
