"""One TCP connect."""

from __future__ import annotations

import asyncio
import socket

import pytest

from probe.model import Observation
from probe.steps import tcp
from schedules.demo.listener import Address, Listeners, ServerStream, can_bind, leave_unanswered, tcp_socket
from tests.probe.loopback import LOOPBACK, QUICK_S, about, forever, new_log, server, settings


async def connect(address: Address, **changed: object) -> Observation:
    seen, stream = await tcp.connect(new_log(), about(address), settings(**changed))
    assert (stream is None) == (seen.failure is not None)
    if stream is not None:
        stream.close()
    return seen


async def test_a_connect_that_is_answered(here: Listeners) -> None:
    seen = await connect(server(here, forever))
    assert (seen.failure, seen.detail.family, seen.error_code) == (None, "ipv4", None)


@pytest.mark.skipif(not can_bind("::1"), reason="no IPv6 on this machine's loopback")
async def test_a_connect_over_ipv6(here: Listeners) -> None:
    address = here.serve_stream(tcp_socket("::1"), forever)
    seen = await connect(address)
    assert (seen.failure, seen.detail.family) == (None, "ipv6")


async def test_a_closed_port_refuses(here: Listeners) -> None:
    closed = here.hold(tcp_socket(LOOPBACK, listening=False))
    seen = await connect(closed.getsockname())
    assert (seen.failure, seen.error_code) == ("connection_refused", 111)


async def test_a_syn_without_an_answer_times_out(here: Listeners) -> None:
    seen = await connect(leave_unanswered(here, LOOPBACK), timeout_s=QUICK_S)
    assert seen.failure == "generic_timeout_error"


async def test_a_network_without_a_route_is_unreachable() -> None:
    # An interface's all-ones address: the kernel refuses a connect to it by itself, with whatever routes there are.
    seen = await connect(("255.255.255.255", 9))
    assert seen.failure == "network_unreachable"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
async def test_a_private_address_is_not_touched(address: str) -> None:
    seen = await connect((address, 9), allow_private=False)
    assert (seen.failure, seen.error_code) == ("dns_bogon_error", None)


async def test_an_address_of_a_family_that_the_machine_lacks_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithoutIpv6(socket.socket):
        def __init__(self, family: int = -1, kind: int = -1, proto: int = -1, fileno: int | None = None) -> None:
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, kind, proto, fileno)

    monkeypatch.setattr(socket, "socket", WithoutIpv6)
    assert (await connect(("2001:db8::1", 9))).failure == "network_unreachable"


async def test_both_ends_keep_to_a_small_segment(here: Listeners) -> None:
    sizes: list[int] = []

    async def note(stream: ServerStream) -> None:
        sizes.append(stream.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
        await stream.gone()

    for size in (None, 536):
        seen, stream = await tcp.connect(new_log(), about(server(here, note)), settings(), size)
        assert (seen.failure, seen.detail.max_segment) == (None, size)
        assert stream is not None
        await asyncio.sleep(0.01)
        stream.close()
    assert sizes[0] > 1000
    assert sizes[1] <= 536
