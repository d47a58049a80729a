"""The demo's network as a whole."""

from __future__ import annotations

import asyncio
import csv
import gc
import ssl
import tomllib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schedules.demo import censor, listener
from schedules.demo.network import demo_sites
from tests.lab.network import LabNetwork

Ask = Callable[..., Awaitable[Any]]


BLOCKED = {"wechat", "linkedin", "line", "bbm", "news", "mitm", "frozen"}
REACHABLE = {"open-but-listed", "honest", "big"}
DENIED, DOWN = {"challenge"}, {"dead", "expired"}


async def test_the_demo_has_sites_for_every_kind_of_outcome() -> None:
    async with LabNetwork(demo_sites) as net:
        assert len(net.targets) == 13
        assert {target.service for target in net.targets} == BLOCKED | REACHABLE | DENIED | DOWN
        assert {target.name for target in net.targets} | {"innocent.x.test"} <= set(net.sites)


async def test_the_configuration_names_everything_a_round_needs() -> None:
    async with LabNetwork(demo_sites, timeout_s=1.5) as net:
        config = tomllib.loads(net.config_toml())
    network = config["network"]
    assert network["resolvers"] == [f"udp://127.77.0.53:{net.system_resolver[1]}"]
    assert [url.split("127.")[0] for url in network["trusted_resolvers"]] == ["https://", "tls://"]
    assert network["timeout_s"] == 1.5
    assert network["allow_private"] is True
    assert network["innocent_name"] == "innocent.x.test"
    assert config["control"]["path"] == config["path"][0]["name"] == "control"
    assert [service["required"] for service in config["service"]] == [[target.url] for target in net.targets]


async def test_the_program_accepts_the_configuration() -> None:
    from schedules.config import load as config

    async with LabNetwork(demo_sites) as net:
        file = net.folder / "demo.toml"
        file.write_text(net.config_toml())
        read = config.load(file, {}, {})
    assert read.network.ab_address == f"{net.innocent.address}:{net.innocent.port}"
    assert [service.name for service in read.service] == [net.sites[target.name].service for target in net.targets]


async def test_the_register_lists_the_listed_names_of_today() -> None:
    async with LabNetwork(demo_sites) as net:
        first, *rows = net.register_csv().decode("cp1251").splitlines()
        names = {row[1] for row in csv.reader(rows, delimiter=";")}
        listed = {f"{name}.x.test" for name in ("wechat", "linkedin", "line", "bbm", "open-but-listed")}
        assert first == f"Updated: {net.authority.now:%Y-%m-%d %H:%M:%S} +0000"
        assert names == listed


async def test_nothing_is_left_behind_when_clients_hang(ask: Ask) -> None:
    before = asyncio.all_tasks()
    async with LabNetwork(demo_sites) as net:
        wechat, line, big = (net.sites[f"{name}.x.test"] for name in ("wechat", "line", "big"))
        clients = [await asyncio.open_connection(site.address, site.port) for site in (wechat, line, big)]
        for _, writer in clients:
            writer.write(b"\x16\x03\x01\x02\x00")  # a handshake that never goes on
        folder = net.folder
    for reader, writer in clients:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
    gc.collect()
    assert asyncio.all_tasks() == before
    assert not folder.exists()


async def test_two_networks_run_side_by_side() -> None:
    async with LabNetwork(demo_sites) as one, LabNetwork(demo_sites) as other:
        assert one.socks != other.socks
        assert one.authority.ca_file != other.authority.ca_file


async def test_a_failure_while_it_is_filled_stops_what_had_started() -> None:
    before = asyncio.all_tasks()

    async def populate(net: LabNetwork) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        async with LabNetwork(populate):
            pass
    assert asyncio.all_tasks() == before


async def test_a_bug_in_a_handler_is_raised_at_the_end_and_not_swallowed(client: Any, ask: Ask) -> None:
    async def buggy(flow: censor.Flow) -> None:
        raise LookupError("a bug")

    net = await LabNetwork().__aenter__()
    site = net.add_site("buggy.x.test", censored=buggy)
    with pytest.raises(ssl.SSLError):
        await ask(client.handshake, site)
    with pytest.raises(LookupError, match="a bug"):
        await net.__aexit__()


async def test_a_loopback_with_one_address_tells_servers_apart_by_port(
    monkeypatch: pytest.MonkeyPatch, client: Any, ask: Ask
) -> None:
    monkeypatch.setattr("schedules.demo.network.can_bind", lambda host: listener.can_bind(host) and ":" in host)
    async with LabNetwork(demo_sites) as net:
        assert {site.address for site in net.sites.values()} == {"127.0.0.1"}
        assert len({site.port for site in net.sites.values()}) == len(net.sites)
        assert "linkedin.x.test" not in net.sites
        here = type(client)(str(net.authority.ca_file))
        assert b"200 OK" in await ask(here.get, net.sites["honest.x.test"])
        with pytest.raises(ConnectionResetError):
            await ask(here.handshake, net.sites["wechat.x.test"])


def test_it_runs_under_uvloop_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def visit() -> None:
        async with LabNetwork(demo_sites) as net:
            context = ssl.create_default_context(cafile=str(net.authority.ca_file))
            for name, expected in (("honest.x.test", b"HTTP/1.1 200"), ("challenge.x.test", b"HTTP/1.1 403")):
                site = net.sites[name]
                reader, writer = await asyncio.open_connection(
                    site.address, site.port, ssl=context, server_hostname=name
                )
                writer.write(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
                assert (await reader.read()).startswith(expected)
                writer.close()
                await writer.wait_closed()
            wechat = net.sites["wechat.x.test"]
            with pytest.raises(ConnectionResetError):
                await asyncio.open_connection(wechat.address, wechat.port, ssl=context, server_hostname=wechat.name)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(visit())
