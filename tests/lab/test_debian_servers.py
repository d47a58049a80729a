"""Servers from Debian's packages: sites are reachable, proxies work as controls, resolvers are read right."""

from __future__ import annotations

import pytest

from tests.lab import kernel
from tests.lab.debian_servers import expected, run_all
from tests.lab.debian_table import table
from tests.situation import Judged

# All are measured in the first test's fixture.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def judged() -> dict[str, Judged]:
    if reason := kernel.why_not():
        pytest.skip(f"no lab: {reason}")
    return {one.name: one for one in run_all()}


SITUATIONS = [
    pytest.param(name, missing, id=name, marks=[pytest.mark.xfail(strict=True, reason=wrong)] if wrong else [])
    for name, missing, wrong in expected(table())
]


@pytest.mark.parametrize(("name", "missing"), SITUATIONS)
def test_a_real_server_is_read_right(name: str, missing: str | None, judged: dict[str, Judged]) -> None:
    if missing:
        pytest.skip(f"not installed: apt-get install {missing}")
    assert judged[name].complaint is None
