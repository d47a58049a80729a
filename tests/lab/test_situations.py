"""The program itself in the client's namespace, against every situation of the lab."""

from __future__ import annotations

import pytest

from tests.lab import kernel
from tests.lab.judging import Run
from tests.lab.situations import WORLDS
from tests.lab.world import World
from tests.lab.worlds import run_all

# All worlds are measured in the first test's fixture.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def done(request: pytest.FixtureRequest) -> dict[str, Run]:
    """The worlds that were asked for, measured side by side."""
    if reason := kernel.why_not():
        pytest.skip(f"no lab: {reason}")
    asked = [item.callspec.params["world"] for item in request.session.items if item.path == request.path]
    return {run.world.name: run for run in run_all(asked)}


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name.replace(" ", "-"))
def test_the_program_says_what_is_so(done: dict[str, Run], world: World) -> None:
    assert not list(done[world.name].complaints), "\n".join(done[world.name].complaints)
