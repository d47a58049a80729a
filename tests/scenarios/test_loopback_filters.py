"""The filters on loopback get their verdicts, or are still wrong in the way that is known."""

from __future__ import annotations

import asyncio

import pytest

from results.judge.verdict import Verdict
from results.judge.wording import sentences
from tests.scenarios.loopback import Wire, judge_all
from tests.scenarios.loopback_filters import FILTERED

pytestmark = pytest.mark.slow


def _param(wire: Wire) -> object:
    marks = [pytest.mark.xfail(strict=True, reason=wire.xfail)] if wire.xfail else []
    return pytest.param(wire, id=wire.name, marks=marks)


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    return asyncio.run(judge_all(situations=FILTERED))


@pytest.mark.parametrize("wire", [_param(wire) for wire in FILTERED])
def test_the_filter_on_loopback_gets_its_verdict(wire: Wire, verdicts: dict[str, Verdict]) -> None:
    verdict = verdicts[wire.name]
    found = (verdict.outcome, verdict.method, verdict.trigger, verdict.confidence)
    told = verdict.rules + sentences(verdict.evidence)
    assert found == (wire.outcome, wire.method, wire.trigger, wire.confidence), told
