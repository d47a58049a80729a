"""The program itself in the client's namespace, against every situation of the lab."""

from __future__ import annotations

import pytest

from tests.lab.judging import run
from tests.lab.situations import WORLDS, World
from tests.lab.standing import Lab

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name.replace(" ", "-"))
def test_the_program_says_what_is_so(free: Lab, world: World) -> None:
    done = run(world, free)
    assert not list(done.complaints), "\n".join(done.complaints)
