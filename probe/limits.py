"""Politeness: how many connections at once one address has to bear from us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class AddressLimits:
    """At most `per_address` holders at once for each key; a key is forgotten with its last holder."""

    def __init__(self, per_address: int) -> None:
        self._per_address = per_address
        self._slots: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Wait for, and hold, one of the key's places."""
        slot, users = self._slots.get(key) or (asyncio.Semaphore(self._per_address), 0)
        self._slots[key] = (slot, users + 1)
        try:
            async with slot:
                yield
        finally:
            slot, users = self._slots.pop(key)
            if users > 1:
                self._slots[key] = (slot, users - 1)
