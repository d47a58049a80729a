"""Three weeks at five vantages in one database, and what a warehouse of it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.aggregate.questions import Period

pytest.importorskip("ibis", reason="needs the extra warehouse")


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.three_weeks import make

    return make(tmp_path_factory.mktemp("together"), together=True)[0]


@pytest.fixture(scope="session")
def periods() -> list[Period]:
    """All, a week, from the middle of a block on, until before anything, and two ends that are measurements."""
    return [
        Period(),
        Period(since="2017-05-06T00:00:00.000Z", until="2017-05-13T00:00:00.000Z"),
        Period(since="2017-05-09T12:07:01.000Z"),
        Period(until="2017-04-01T00:00:00.000Z"),
        Period(since="2017-05-06T06:07:00.000Z", until="2017-05-06T18:07:01.000Z"),
    ]
