"""A hub for each test that wants one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.results.hub.hub_process import RunningHub
from tests.schedules.conftest import lab

__all__ = ["lab"]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    made = RunningHub(tmp_path)
    made.start()
    yield made
    made.kill()
