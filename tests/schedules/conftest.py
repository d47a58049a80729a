"""What tests of whole command lines share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schedules.config.load import load
from schedules.config.schema import Config
from tests.lab.network import LabNetwork
from tests.schedules.lab import Lab


@pytest.fixture
async def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    monkeypatch.setenv("REACHPROBE_CONSENT", "yes")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    async with LabNetwork(timeout_s=5.0) as net:
        made = Lab(net, tmp_path)
        made.configure()
        yield made


@pytest.fixture
def config(lab: Lab) -> Config:
    """The lab's configuration."""
    return load(lab.folder / "c.toml", {}, {})
