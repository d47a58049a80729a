"""A hub that holds the three weeks, in this process, and asked as a browser asks."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from results.hub.web import pages
from tests.results.hub.asgi_client import Inside
from tests.results.hub.in_thread import Got, asked
from tests.three_weeks import make

NOW = datetime(2017, 5, 22, tzinfo=UTC)
Ask = Callable[..., Awaitable[Got]]


@pytest.fixture(scope="package")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database."""
    (path,) = set(make(tmp_path_factory.mktemp("weeks"), together=True))
    return path


@pytest.fixture(scope="package")
def app(weeks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("hub")
    shutil.copy(weeks, folder / "hub.db")
    with Inside(folder, pages=pages(lambda: NOW)) as app:
        yield app


@pytest.fixture
def ask(app: Any) -> Ask:
    async def get(path: str, **headers: str) -> Got:
        return await asked(app, path, {name.replace("_", "-"): value for name, value in headers.items()})

    return get
