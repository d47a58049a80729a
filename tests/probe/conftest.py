"""What every test of measuring shares: nothing may be left open behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from probe.net.network import RealNetwork
from schedules.demo.listener import Listeners
from tests.lab.network import LabNetwork


@pytest.fixture(autouse=True)
def _no_socket_is_left_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every socket that a measurement opened is closed by the end of its test."""
    opened: list[socket.socket] = []
    really = RealNetwork._socket

    def noted(self: RealNetwork, address: str, kind: socket.SocketKind) -> socket.socket:
        opened.append(really(self, address, kind))
        return opened[-1]

    monkeypatch.setattr(RealNetwork, "_socket", noted)
    yield
    assert [sock for sock in opened if sock.fileno() != -1] == []


@pytest.fixture(autouse=True)
async def _no_task_is_left_running(_no_socket_is_left_open: None) -> AsyncIterator[None]:
    yield
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def here() -> AsyncIterator[Listeners]:
    """Servers on loopback that end with the test."""
    async with Listeners() as listeners:
        yield listeners


@pytest.fixture
async def net() -> AsyncIterator[LabNetwork]:
    """A censored network with resolvers, canaries and a control, and no site."""
    async with LabNetwork() as network:
        yield network
