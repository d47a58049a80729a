"""What one member may upload: batches, records, the hub's CPU time, and bytes a day."""

from __future__ import annotations

import time
from collections.abc import Callable

from results.hub.limits import RateLimits, TooManyRequests

BATCHES_PER_S, MAX_BATCHES = 2.0, 60
RECORDS_PER_S, MAX_RECORDS = 200.0, 5000
"""A volunteer's round has some hundreds of records."""
CPU_S_PER_S, MAX_CPU_S = 0.1, 15.0
"""A thousand ordinary records take about a second."""
MIB = 1024 * 1024
DAY_S = 86400.0


class UploadBudget:
    """Token buckets for each member."""

    def __init__(self, mib_per_day: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._mib_per_day = mib_per_day
        self._batches = RateLimits(BATCHES_PER_S, MAX_BATCHES, clock)
        self._records = RateLimits(RECORDS_PER_S, MAX_RECORDS, clock)
        self._cpu = RateLimits(CPU_S_PER_S, MAX_CPU_S, clock)
        self._bytes = RateLimits(mib_per_day * MIB / DAY_S, mib_per_day * MIB, clock)

    def take_batch(self, member: str) -> None:
        """Count one batch. TooManyRequests where the member has spent what it may, with the limit in words."""
        spent = (
            (self._bytes.wait_s(member, 1.0), f"the daily limit of {self._mib_per_day} MiB is used up"),
            (self._records.wait_s(member, 1.0), f"more than {RECORDS_PER_S:.0f} records a second"),
            (self._cpu.wait_s(member, 0.001), "too much work for the hub"),
            (self._batches.wait_s(member, 1.0), "too many batches"),
        )
        if reached := max((one for one in spent if one[0] > 0), default=None):
            raise TooManyRequests(*reached)
        self._batches.spend(member)

    def spend(self, member: str, *, cpu_s: float = 0.0, plain_bytes: int = 0, records: int = 0) -> None:
        """Count what a batch cost, whether it was stored or refused."""
        self._cpu.spend(member, cpu_s)
        self._bytes.spend(member, plain_bytes)
        self._records.spend(member, records)
