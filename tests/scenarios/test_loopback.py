"""The situations on the wire get their verdicts: measured and judged all at once, told one by one."""

from __future__ import annotations

import asyncio
import socket

import pytest

from results.judge.verdict import Verdict
from results.judge.wording import sentences
from tests.scenarios.loopback import SITUATIONS, Wire, judge_all


def _has_loopback_addresses() -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.77.0.53", 0))
        except OSError:
            return False
    return True


pytestmark = pytest.mark.skipif(not _has_loopback_addresses(), reason="needs the whole of 127.0.0.0/8, as on Linux")


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    return asyncio.run(judge_all())


@pytest.mark.parametrize("wire", SITUATIONS, ids=lambda wire: wire.name)
def test_the_situation_on_the_wire_gets_its_verdict(wire: Wire, verdicts: dict[str, Verdict]) -> None:
    verdict = verdicts[wire.name]
    found = (verdict.outcome, verdict.method, verdict.trigger, verdict.confidence)
    told = verdict.rules + sentences(verdict.evidence)
    assert found == (wire.outcome, wire.method, wire.trigger, wire.confidence), told
