"""Answers that come late: behind an injector's forged one, or after the question has timed out."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import dns.message
import pytest

from probe.measure import measure
from probe.model import Attempt, Lookup, Measurement, Observation, Vantage
from probe.net.concurrency import AddressLimits
from probe.net.network import RealNetwork
from probe.net.path import Path
from probe.session import Session, Settings, no_follow_up
from probe.target import parse
from schedules.demo.resolver import Behaviour, addresses, nxdomain
from tests.lab.dns_behaviours import injected
from tests.lab.network import LabNetwork
from tests.probe.loopback import LOOPBACK, settings

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


TIMEOUT_S = 0.03
HONESTLY = addresses(HONEST)


class SlowResolver(RealNetwork):
    """A network whose clock moves only in sleep; its resolver answers so many seconds after a question timed out."""

    def __init__(self, after_s: float, behaviour: Behaviour = HONESTLY) -> None:
        super().__init__(Path())
        self._clock_s, self._after_s, self._behaviour = 0.0, after_s, behaviour
        self.asked = 0
        self.slept_s = 0.0
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind((LOOPBACK, 0))
        self.server.settimeout(1)
        self._waiting: list[tuple[float, bytes, tuple[str, int]]] = []

    def monotonic(self) -> float:
        return self._clock_s

    async def datagrams(self, address: str, port: int) -> socket.socket:
        self.asked += 1
        return await super().datagrams(address, port)

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self._clock_s += seconds
        self._take()
        for due_s, wire, client in self._waiting:
            if due_s <= self._clock_s:
                for packet in self._behaviour(dns.message.from_wire(wire), "udp"):
                    self.server.sendto(packet.to_wire() if isinstance(packet, dns.message.Message) else packet, client)
        self._waiting = [one for one in self._waiting if one[0] > self._clock_s]

    def _take(self) -> None:
        self.server.setblocking(False)
        try:
            while True:
                wire, client = self.server.recvfrom(4096)
                self._waiting.append((self._after_s, wire, client))
        except BlockingIOError:
            pass


def ask_again(measurement: Measurement) -> Sequence[Lookup | Attempt]:
    again = any(o.role == "again" for o in measurement.observations)
    return () if again else (Lookup(role="again", hop=0, host="site.x.test"),)


async def late_from(network: SlowResolver, *, follows: bool = True) -> list[Observation]:
    try:
        port = network.server.getsockname()[1]
        session = Session(
            network=network,
            settings=settings(resolvers=(f"udp://{LOOPBACK}:{port}",), timeout_s=TIMEOUT_S),
            vantage=Vantage(name="test"),
            limits=AddressLimits(2),
            follow_up=ask_again if follows else no_follow_up,
        )
        measured = await measure(parse("tcp://site.x.test:9"), session)
    finally:
        network.server.close()
    return [o for o in measured.observations if o.role == "late"]


async def test_a_first_answer_that_comes_during_the_follow_ups_is_recorded() -> None:
    late = await late_from(SlowResolver(after_s=TIMEOUT_S * 0.4))
    assert {o.detail.addresses for o in late} == {(HONEST,)}
    assert len(late) == 2, "one for each question, however often it was sent"


async def test_a_late_denial_is_recorded_as_one() -> None:
    late = await late_from(SlowResolver(TIMEOUT_S * 0.4, nxdomain))
    assert {o.failure for o in late} == {"dns_nxdomain_error"}


@pytest.mark.parametrize("after_s", [TIMEOUT_S * 2, 1000.0])
async def test_no_answer_is_listened_for_longer_than_twice_the_timeout(after_s: float) -> None:
    network = SlowResolver(after_s)
    assert await late_from(network) == []
    assert network.slept_s <= TIMEOUT_S * 1.001


async def test_where_nothing_follows_nobody_waits_for_a_late_answer() -> None:
    network = SlowResolver(after_s=0.0)
    assert await late_from(network, follows=False) == []
    assert network.slept_s == 0
