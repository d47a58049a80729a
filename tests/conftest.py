"""What every test is under: it cannot leave this machine, nor can a program that it starts."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

from results.db.store import Store

# A worker of pytest-xdist has loaded the guard at its start already; a second copy would raise another exception.
if hasattr(sys.modules.get("sitecustomize"), "LeavesTheMachine"):
    sys.modules["tests.guard.sitecustomize"] = sys.modules["sitecustomize"]

from tests.guard import sitecustomize as guard


def pytest_configure() -> None:
    explore = bool(os.environ.get("REACHPROBE_EXPLORE"))
    # A slow machine is no fault, and what one commit is judged by is the same on every machine and in every run.
    settings.register_profile("the same everywhere", deadline=None, derandomize=True)
    settings.register_profile("explore", deadline=None, max_examples=1000)
    settings.load_profile("explore" if explore else "the same everywhere")
    # Otherwise the constants of every imported module become examples, and examples depend on what was collected.
    providers._get_local_constants = lambda: providers._local_constants
    # A shell starts background jobs with SIGINT ignored, and the programs that tests interrupt would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    guard.install()
    os.environ[guard.SWITCH] = guard.namespace()
    others = [folder] if (folder := os.environ.get("PYTHONPATH")) else []
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(guard.__file__).parent), *others])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new database, `x.db` in the test's folder."""
    with closing(Store.open(tmp_path / "x.db")) as opened:
        yield opened


@pytest.fixture(scope="session")
def three_weeks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The databases of `tests.three_weeks`, one for each vantage; read only, for all tests share them."""
    from tests.three_weeks import make

    return make(tmp_path_factory.mktemp("three_weeks"))


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    """The language of messages, whatever this machine's locale is and an earlier test chose."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("LANGUAGE", "")


@pytest.fixture(autouse=True)
def _no_packet_leaves_this_machine() -> Iterator[None]:
    """Fails a test that tried, also where the program took the refusal for a failure of the network."""
    guard.refused.clear()
    yield
    assert guard.refused == []
