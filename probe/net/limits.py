"""Politeness: how many connections at once one address has to bear from us."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class AddressLimits:
    """At most `per_address` holders at once for each key; a key is forgotten with its last holder."""

    def __init__(self, per_address: int) -> None:
        self._per_address = per_address
        self._slots: dict[str, tuple[asyncio.Semaphore, int]] = {}

    def hold(self, key: str) -> AddressSlot:
        """`async with` it: wait for, and hold, one of the key's places."""
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
    """One of a key's places, while it is held."""

    def __init__(self, limits: AddressLimits, key: str) -> None:
        self._limits, self._key = limits, key

    async def __aenter__(self) -> None:
        await self._limits.enter(self._key)

    async def __aexit__(self, *_: object) -> None:
        self._limits.leave(self._key)


RESERVED = 96
"""The database, the log, imports, the event loop, canaries and controls."""
EACH = 6
"""What a target holds at most, or nearly: a question for each family, and a connect to each of several addresses."""
WANTED = 8192


def open_target_limit(wanted: int) -> int:
    """`wanted`, or as many targets as may be under way at once here; at least one.

    Where the limit is too low for it, it is raised for this process as far as its owner may (setrlimit(2)): the usual
    1,024, and the 256 of a Mac, are kept low for programs that cannot count further, of which this is none.
    """
    try:
        import resource
    except ImportError:  # Windows, where sockets are not counted so
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    goal = min(wanted * EACH + RESERVED, WANTED)
    if hard != resource.RLIM_INFINITY:
        goal = min(goal, hard)
    if goal > soft:
        with suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (goal, hard))
            soft = goal
    return max(1, min(wanted, (soft - RESERVED) // EACH))
