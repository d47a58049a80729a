"""Politeness: how many connections at once one address has to bear from us."""

from __future__ import annotations

import asyncio


class AddressLimits:
    """At most `per_address` holders at once for each key; a key is forgotten with its last holder."""

    def __init__(self, per_address: int) -> None:
        self._per_address = per_address
        self._slots: dict[str, tuple[asyncio.Semaphore, int]] = {}

    def hold(self, key: str) -> Place:
        """`async with` it: wait for, and hold, one of the key's places."""
        return Place(self, key)

    async def enter(self, key: str) -> None:
        slot, users = self._slots.get(key) or (asyncio.Semaphore(self._per_address), 0)
        self._slots[key] = (slot, users + 1)
        try:
            await slot.acquire()
        except BaseException:
            self._forget(key)
            raise

    def leave(self, key: str) -> None:
        self._slots[key][0].release()
        self._forget(key)

    def _forget(self, key: str) -> None:
        slot, users = self._slots.pop(key)
        if users > 1:
            self._slots[key] = (slot, users - 1)


class Place:
    """One of a key's places, while it is held."""

    def __init__(self, limits: AddressLimits, key: str) -> None:
        self._limits, self._key = limits, key

    async def __aenter__(self) -> None:
        await self._limits.enter(self._key)

    async def __aexit__(self, *_: object) -> None:
        self._limits.leave(self._key)
