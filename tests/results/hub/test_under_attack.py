"""Five thousand mutated records and two hundred slow clients at once: an honest member is served."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from results.db.jsonl import BadRecord
from results.hub.request_body import read_record
from tests.bench.hub_under_attack import attack, mutated
from tests.results.hub.hub_process import record

NAME = "home-fibre"


@pytest.mark.lab
async def test_an_honest_member_is_answered_within_a_second_while_others_attack(tmp_path: Path) -> None:
    found = await attack(tmp_path, 5000, 200, 10)
    assert found.p99_s < 1
    assert set(found.statuses) == {200, 422}
    assert found.stored > 0
    assert found.records.total() == 5000
    assert set(found.records) <= {"stored", "known", "refused"}


def test_a_mutated_record_is_read_or_refused_in_words() -> None:
    chance = random.Random(2)
    why: list[str] = []
    for number in range(1500):
        line = mutated(record(f"m{number:015}"), chance)
        try:
            judged, _ = read_record(line, NAME)
        except BadRecord as error:
            why.append(str(error))
        else:
            assert msgspec.json.encode(judged.measurement)
    assert 500 < len(why) < 1500
    assert all(text.isprintable() and len(text) < 400 for text in why)
