"""Nobody reaches through the hub what only the hub can reach: not by name, address, redirect, or a name that turns.

The servers here are real. Since all of them are on loopback, a test's rule stands in for `public_only`: 127.77.0.0/16
is "public" and the rest of the loopback "private". What asks it, and when, is the very code that asks `public_only`,
which has its own tests below.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from probe.net.address_policy import is_own
from probe.net.network import RealNetwork, RestrictedNetwork, public_only
from probe.net.path import Path
from results.hub.control import ControlRequest, Controls
from results.hub.credentials import Member
from results.hub.request_body import BadRequest
from schedules.config.load import load
from schedules.demo.resolver import Behaviour, addresses
from schedules.hub_server.server import controls as controls_of
from tests.lab import site_answers
from tests.lab.network import LabNetwork

PRIVATE = "127.0.0.1"


@pytest.fixture
async def net() -> AsyncIterator[LabNetwork]:
    async with LabNetwork(timeout_s=2.0) as made:
        if not made.own_addresses:
            pytest.skip("the loopback has one address only")
        yield made


class Secret:
    """A server at a private address that counts who comes."""

    def __init__(self) -> None:
        self.visits = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.close()


@pytest.fixture
async def secret() -> AsyncIterator[tuple[Secret, int]]:
    made = Secret()
    async with await asyncio.start_server(made.serve, PRIVATE, 0) as server:
        yield made, server.sockets[0].getsockname()[1]


@pytest.fixture
def controls(net: LabNetwork) -> Controls:
    file = net.folder / "hub.toml"
    host, port = net.system_resolver
    file.write_text(
        f'[network]\nresolvers = ["udp://{host}:{port}"]\nallow_private = true\ntimeout_s = 2\n'
        'trusted_resolvers = []\nfamilies = ["ipv4"]\n'
        f"ca_file = {json.dumps(str(net.authority.ca_file))}\n"
    )
    return controls_of(load(file, {}, {}), may=lambda address, port: address.startswith("127.77."))


async def ask(controls: Controls, target: str, *seen: str) -> dict[str, Any]:
    async def json_body(request: object, kind: object) -> ControlRequest:
        return ControlRequest(target, seen)

    said: Any = await controls.handle(SimpleNamespace(json_body=json_body), None, Member(1, "m", "t"))  # type: ignore[arg-type]
    found: dict[str, Any] = json.loads(said.body)["measurement"]
    return found


def failures(measurement: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(o["step"], o["failure"]) for o in measurement["observations"]]


async def test_a_public_target_is_measured_also_at_the_given_addresses(net: LabNetwork, controls: Controls) -> None:
    site, other = net.add_site("good.x.test"), net.add_site("other.x.test")
    found = await ask(controls, site.url, other.address)
    assert [step for step, failure in failures(found) if failure is None][:4] == ["dns", "tcp", "tls", "http"]
    assert [o["address"] for o in found["observations"] if o["role"] == "again"] == [other.address]


@pytest.mark.parametrize("seen", [(PRIVATE,), ("10.0.0.1",), ("::1",), ("127.77.1.1", PRIVATE), ("nonsense",)])
async def test_a_private_address_among_the_given_ones_is_422_and_nothing_is_contacted(
    net: LabNetwork, controls: Controls, seen: tuple[str, ...]
) -> None:
    site = net.add_site("good.x.test")
    with pytest.raises(BadRequest) as refused:
        await ask(controls, site.url, *seen)
    assert refused.value.status == 422


async def test_a_private_target_is_422_by_address_by_name_and_by_a_mixed_name(
    net: LabNetwork, controls: Controls, secret: tuple[Secret, int]
) -> None:
    server, port = secret
    net.honest_zone["inside.x.test"] = addresses(PRIVATE)
    net.honest_zone["both.x.test"] = addresses("127.77.1.1", PRIVATE)
    for host in (PRIVATE, "inside.x.test", "both.x.test"):
        for scheme in ("http", "tcp", "tls", "https", "quic"):
            with pytest.raises(BadRequest) as refused:
                await ask(controls, f"{scheme}://{host}:{port}")
            assert refused.value.status == 422
    assert server.visits == 0


async def test_a_name_that_changes_after_the_check_is_not_connected_to(
    net: LabNetwork, controls: Controls, secret: tuple[Secret, int]
) -> None:
    server, port = secret
    answers = itertools.chain(["127.77.1.1"], itertools.repeat(PRIVATE))
    net.honest_zone["turns.x.test"] = _turning(answers)
    found = await ask(controls, f"http://turns.x.test:{port}/")
    assert [o["detail"]["answers"][0]["value"] for o in found["observations"] if o["step"] == "dns"] == [PRIVATE]
    assert ("tcp", None) not in failures(found)
    assert server.visits == 0


@pytest.mark.parametrize("host", [PRIVATE, "localhost", "inside.x.test", "[::1]", "[::ffff:127.0.0.1]"])
async def test_a_redirect_to_a_private_address_is_not_followed(
    net: LabNetwork, controls: Controls, secret: tuple[Secret, int], host: str
) -> None:
    server, port = secret
    net.honest_zone["inside.x.test"] = addresses(PRIVATE)
    site = net.add_site("leads.x.test", site_answers.redirect(f"http://{host}:{port}/"))
    found = await ask(controls, site.url)
    assert [o["detail"]["status"] for o in found["observations"] if o["step"] == "http"] == [302]
    assert [o for o in found["observations"] if o["step"] == "tcp" and o["hop"] and o["failure"] is None] == []
    assert server.visits == 0


async def test_parallel_requests_share_a_measurement_that_expires(
    net: LabNetwork,
) -> None:
    clock, measured = [0.0], []
    real = RealNetwork(Path())

    async def observe(target: Any, seen: Any) -> Any:
        from tests.results.records import measurement

        measured.append(target.text)
        await asyncio.sleep(0.05)
        return measurement(real.token())

    async def resolve(host: str) -> tuple[str, ...]:
        return ()

    made = Controls(observe, resolve, lambda address, port: True, clock=lambda: clock[0])
    found = await asyncio.gather(*(ask(made, "https://www.example.com/") for _ in range(20)))
    assert len({one["id"] for one in found}) == len(measured) == 1
    clock[0] = 301.0
    await ask(made, "https://www.example.com/")
    assert len(measured) == 2


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1", "100.64.0.1", "224.0.0.1", "0.0.0.0",
     "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
     "64:ff9b::10.0.0.1", "2002:a00:1::", "192.0.2.1", "198.18.0.1"],
)  # fmt: skip
async def test_the_real_policy_refuses_special_addresses(address: str) -> None:
    guarded = RestrictedNetwork(Path(), public_only({443}))
    for reach in (guarded.connect, guarded.datagrams):
        with pytest.raises(OSError, match="not allowed by the policy"):
            await reach(address, 443)


async def test_the_real_policy_allows_public_addresses_on_known_ports_but_not_its_own() -> None:
    may = public_only({443})
    assert may("1.1.1.1", 443)
    assert may("2606:4700::1111", 443)
    assert not may("1.1.1.1", 22)
    assert is_own("127.0.0.1")
    assert not is_own("1.1.1.1")
    guarded = RestrictedNetwork(Path(), lambda address, port: True)
    with pytest.raises(OSError, match="not allowed by the policy"):
        await guarded.connect("a.name.example", 443)


async def test_a_path_that_resolves_names_elsewhere_cannot_be_guarded() -> None:
    with pytest.raises(ValueError, match="cannot be restricted"):
        RestrictedNetwork(Path(proxy="socks5://127.0.0.1:1080"), public_only({443}))


def _turning(answers: Iterator[str]) -> Behaviour:
    """A name with another address each time that it is asked for."""

    def behave(*arguments: Any) -> Any:
        return addresses(next(answers))(*arguments)

    return behave
