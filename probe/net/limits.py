"""Limits on what is open at once: connections to one address, and files of this process."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class AddressLimits:
    """At most `per_address` holders at once for each key; a key is forgotten with its last holder."""

    def __init__(self, per_address: int) -> None:
        self._per_address = per_address
        self._slots: dict[str, tuple[asyncio.Semaphore, int]] = {}

    def hold(self, key: str) -> AddressSlot:
        """An async context manager that waits for a slot of the key, and holds it."""
        return AddressSlot(self, key)

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


class AddressSlot:
    """A slot of a key, held inside `async with`."""

    def __init__(self, limits: AddressLimits, key: str) -> None:
        self._limits, self._key = limits, key

    async def __aenter__(self) -> None:
        await self._limits.enter(self._key)

    async def __aexit__(self, *_: object) -> None:
        self._limits.leave(self._key)


RESERVED_FILES = 96
"""For the database, the log, imports, the event loop, reference sites and control measurements."""
FILES_PER_TARGET = 6
"""A DNS query for each family, and a connection to each of several addresses."""
MAX_FILES = 8192


def open_target_limit(wanted: int) -> int:
    """How many of `wanted` targets may be under way at once, at least one; raises the soft limit (setrlimit(2))."""
    try:
        import resource
    except ImportError:  # Windows has no such limit on sockets
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    goal = min(wanted * FILES_PER_TARGET + RESERVED_FILES, MAX_FILES)
    if hard != resource.RLIM_INFINITY:
        goal = min(goal, hard)
    if goal > soft:
        with suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
            soft = goal
    return max(1, min(wanted, (soft - RESERVED_FILES) // FILES_PER_TARGET))
