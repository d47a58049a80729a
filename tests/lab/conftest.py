"""A lab for each file of tests, without censorship at the start of each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import censorship, kernel
from tests.lab.standing import Lab, lab


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if reason := kernel.why_not():
        pytest.skip(f"no lab: {reason}")
    with lab(tmp_path_factory.mktemp("lab")) as built:
        yield built


@pytest.fixture
def free(standing: Lab) -> Lab:
    """The lab with a gateway that forwards everything."""
    censorship.forgives()
    return standing
