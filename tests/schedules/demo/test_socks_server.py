"""The control's way round the censor, byte for byte."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import pytest

from schedules.demo import censor
from schedules.demo.network import Site
from tests.lab.network import LabNetwork

Ask = Callable[..., Awaitable[Any]]
GET = b"GET / HTTP/1.1\r\nHost: site.x.test\r\n\r\n"


def exchange(net: LabNetwork, target: bytes, port: int, command: int = 1) -> tuple[int, bytes]:
    """CONNECT to `target` (kind and address as in RFC 1928) and fetch the page: (reply code, answer)."""
    with socket.create_connection(net.socks, 5) as sock:
        sock.sendall(b"\x05\x01\x00")
        assert sock.recv(2) == b"\x05\x00"
        sock.sendall(bytes((5, command, 0)) + target + port.to_bytes(2, "big"))
        reply = sock.recv(10)
        if reply[1] != 0:
            assert sock.recv(1) == b""
            return reply[1], b""
        sock.sendall(GET)
        return 0, sock.recv(65536)


def by_name(name: str) -> bytes:
    return bytes((3, len(name))) + name.encode()


def by_address(literal: str) -> bytes:
    packed = ip_address(literal).packed
    return bytes((1 if len(packed) == 4 else 4,)) + packed


async def fetched(net: LabNetwork, ask: Ask, site: Site) -> None:
    for target in (by_name(site.name), by_address(site.address)):
        code, answer = await ask(exchange, net, target, site.port)
        assert code == 0
        assert b" 200 OK\r\n" in answer


async def test_a_site_is_reached_by_name_and_by_address(net: LabNetwork, ask: Ask) -> None:
    await fetched(net, ask, net.add_site("site.x.test", tls=False))


async def test_the_censor_does_not_touch_it(net: LabNetwork, ask: Ask) -> None:
    await fetched(net, ask, net.add_site("site.x.test", tls=False, censored=censor.resets))


@pytest.mark.parametrize("connect", ["refused", "unanswered"])
async def test_it_goes_round_a_connect_that_fails_from_here(net: LabNetwork, ask: Ask, connect: Any) -> None:
    await fetched(net, ask, net.add_site("site.x.test", tls=False, connect=connect))


async def test_it_asks_the_honest_resolver(net: LabNetwork, ask: Ask) -> None:
    from schedules.demo.resolver import nxdomain

    await fetched(net, ask, net.add_site("site.x.test", tls=False, lie=nxdomain))


async def test_a_dead_site_is_refused(net: LabNetwork, ask: Ask) -> None:
    site = net.add_site("dead.x.test", dead=True)
    assert await ask(exchange, net, by_name(site.name), site.port) == (5, b"")


async def test_a_name_that_does_not_exist_is_host_unreachable(net: LabNetwork, ask: Ask) -> None:
    assert await ask(exchange, net, by_name("nobody.x.test"), 443) == (4, b"")


async def test_anything_but_connect_is_refused_as_a_command(net: LabNetwork, ask: Ask) -> None:
    assert await ask(exchange, net, by_name("site.x.test"), 443, 2) == (7, b"")


async def test_a_client_that_must_have_a_password_is_turned_away(net: LabNetwork, ask: Ask) -> None:
    def greet() -> bytes:
        with socket.create_connection(net.socks, 5) as sock:
            sock.sendall(b"\x05\x01\x02")
            return sock.recv(2) + sock.recv(1)

    assert await ask(greet) == b"\x05\xff"


async def test_a_client_that_leaves_in_the_middle_harms_nobody(net: LabNetwork, ask: Ask) -> None:
    for part in (b"", b"\x05", b"\x05\x01\x00\x05\x01\x00\x03\xff", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(net.socks, 5) as sock:
            sock.sendall(part)
    await fetched(net, ask, net.add_site("site.x.test", tls=False))
