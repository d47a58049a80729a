"""What every test of measuring shares: nothing may be left open behind it."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from schedules.demo.listening import Listeners
from schedules.demo.network import CensoredNetwork


@pytest.fixture(autouse=True)
def _no_socket_is_left_open() -> Iterator[None]:
    """A socket or task that nobody closed speaks up when it is collected: here that fails the test that left it."""
    left: list[object] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda found: left.append(found.exc_value)
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = hook
    assert left == []


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
async def net() -> AsyncIterator[CensoredNetwork]:
    """A censored network with resolvers, canaries and a control, and no site."""
    async with CensoredNetwork(populate=None) as network:
        yield network
