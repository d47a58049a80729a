"""How many connections at once one address has to bear from us."""

from __future__ import annotations

import asyncio

import pytest

from probe.net.concurrency import AddressLimits


async def test_no_more_than_the_limit_hold_an_address_and_it_is_forgotten_after() -> None:
    limits, now, most = AddressLimits(3), 0, 0

    async def work() -> None:
        nonlocal now, most
        async with limits.hold("192.0.2.1"):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    await asyncio.gather(*(work() for _ in range(50)))
    assert most == 3
    assert limits._slots == {}


async def test_addresses_do_not_wait_for_each_other() -> None:
    limits = AddressLimits(1)
    async with asyncio.timeout(5), limits.hold("192.0.2.1"), limits.hold("192.0.2.2"):
        pass


async def test_a_waiter_that_is_cancelled_leaves_its_place_to_the_next() -> None:
    limits, got = AddressLimits(1), []

    async def work(name: str) -> None:
        async with limits.hold("192.0.2.1"):
            got.append(name)

    async with limits.hold("192.0.2.1"):
        first, second = asyncio.create_task(work("first")), asyncio.create_task(work("second"))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    await second
    assert got == ["second"]
    assert limits._slots == {}


async def test_a_holder_that_fails_gives_its_place_back() -> None:
    limits = AddressLimits(1)

    async def fail() -> None:
        async with limits.hold("192.0.2.1"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert limits._slots == {}
