"""A second answer to one question: an injector's forged one arrives before the honest one."""

from __future__ import annotations

from probe.measure import measure
from probe.model import Observation, Vantage
from probe.net.limits import AddressLimits
from probe.net.network import RealNetwork
from probe.net.path import Path
from probe.session import Session
from probe.settings import Settings
from probe.target import parse
from schedules.demo.resolver import Behaviour, addresses
from tests.lab.dns_behaviours import injected
from tests.lab.network import LabNetwork

FORGED, HONEST = "127.77.9.1", "127.77.9.2"


async def answers_to(behaviour: Behaviour) -> list[Observation]:
    """The observations of one A question, asked of a resolver that behaves so."""
    async with LabNetwork() as net:
        net.lies["site.x.test"] = behaviour
        host, port = net.system_resolver
        session = Session(
            network=RealNetwork(Path()),
            settings=Settings(resolvers=(f"udp://{host}:{port}",), families=("ipv4",), allow_private=True, timeout_s=1),
            vantage=Vantage(name="test"),
            limits=AddressLimits(2),
        )
        measured = await measure(parse("tcp://site.x.test:9"), session)
    return [o for o in measured.observations if o.step == "dns"]


async def test_the_answer_behind_an_injected_one_is_recorded_too() -> None:
    first, late = await answers_to(injected(addresses(FORGED), addresses(HONEST)))
    assert (first.role, first.detail.addresses) == ("main", (FORGED,))
    assert (late.role, late.detail.addresses) == ("late", (HONEST,))
    assert late.detail.sendings == 1
    assert late.offset_s >= first.offset_s


async def test_an_honest_resolver_answers_once() -> None:
    (only,) = await answers_to(addresses(HONEST))
    assert (only.role, only.detail.sendings) == ("main", 1)
