"""A family that fails is held against what the canaries showed to work here."""

from __future__ import annotations

import msgspec
import pytest

from results.judge.classify import classify
from results.judge.wording import sentences
from tests.scenarios.builder import scenarios

HOME = next(scenario for scenario in scenarios() if scenario.name == "ipv6_broken_at_home")


@pytest.mark.parametrize(
    ("families", "told"),
    [
        (None, "another address did not work"),
        (("ipv4",), None),
        (("ipv4", "ipv6"), "it does not work over IPv6"),
    ],
)
def test_ipv6_that_fails_beside_ipv4_is_told_unless_this_home_has_none(
    families: tuple[str, ...] | None, told: str | None
) -> None:
    context = msgspec.structs.replace(HOME.context, families=families)
    verdict = classify(HOME.measurement, (), context)
    assert verdict.outcome == "reachable"
    about = [said for said in sentences(verdict.evidence) if "2606:" in said and "certificate" not in said]
    assert len([sentence for sentence in about if told and told in sentence]) == (told is not None)
    assert told is not None or not [sentence for sentence in about if "did not work" in sentence]
