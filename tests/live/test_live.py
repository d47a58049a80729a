"""The real round over censored networks on loopback: measured all at once, told one situation a test."""

from __future__ import annotations

import asyncio
from unittest.mock import MagicMock

import pytest

from schedules.demo.listener import can_bind
from tests.live.networks import NETWORKS
from tests.live.rounds import Network, Plan, Round, run_all

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_bind("127.77.0.53"), reason="needs the whole of 127.0.0.0/8, as on Linux"),
]


@pytest.fixture(scope="module")
def rounds() -> dict[str, Round]:
    return {done.network.name: done for done in asyncio.run(run_all(NETWORKS))}


def situations_of(network: Network) -> list[str]:
    """The names of a network's situations, without starting it."""
    plan = Plan(MagicMock())
    network.build(plan)
    return list(plan.expects)


SITUATIONS = [(network.name, situation) for network in NETWORKS for situation in situations_of(network)]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name.replace(" ", "-"))
def test_the_canaries_say_what_the_network_is(network: Network, rounds: dict[str, Round]) -> None:
    assert rounds[network.name].state == network.state


@pytest.mark.parametrize(
    ("network", "situation"), SITUATIONS, ids=[f"{one}-{two}".replace(" ", "-") for one, two in SITUATIONS]
)
def test_the_situation_gets_its_verdict(network: str, situation: str, rounds: dict[str, Round]) -> None:
    judged = next(one for one in rounds[network].judged if one.name == f"{network}, {situation}")
    assert judged.unexpected is None
