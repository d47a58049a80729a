"""How one input is tried: as it is, and with a part of it repeated to a length at which slow code shows."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable

LONG_BYTES = 64 * 1024
MAX_CPU_S = 3.0
"""For one input, also of LONG_BYTES, on a slow machine and under instrumentation; quadratic code takes longer."""
STRETCHED = 16
"""One input in so many is also tried at length."""
Check = Callable[[bytes], None]


class TooSlow(AssertionError):
    """An input that costs more than its length explains."""


def stretched(data: bytes) -> bytes:
    """The input with a part of it, chosen by its content, repeated up to LONG_BYTES."""
    if not data:
        return data
    chance = zlib.crc32(data)
    start = chance % len(data)
    length = 1 + (chance >> 8) % min(len(data) - start, 64)
    part = data[start : start + length]
    return data[:start] + part * (LONG_BYTES // length) + data[start + length :]


def try_input(check: Check, data: bytes, *, at_length: bool | None = None) -> None:
    """Raises what `check` raises, and TooSlow. `at_length`: also stretched; None for one in so many."""
    _timed(check, data)
    if at_length or (at_length is None and zlib.crc32(data) % STRETCHED == 0):
        _timed(check, stretched(data))


def _timed(check: Check, data: bytes) -> None:
    began = time.process_time()
    check(data)
    if (took := time.process_time() - began) > MAX_CPU_S:
        raise TooSlow(f"{took:.1f} s for {len(data)} bytes")
