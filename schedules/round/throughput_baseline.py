"""What a round's answers are held against when one of them is slow: its canaries, and its other targets."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

import msgspec

from probe.model import Measurement
from results.judge.signals.context import is_slow, rate_of
from results.judge.verdict import Rate

FEW = 3
"""Of fewer other targets a median says nothing."""


class Rates:
    """What the round has seen so far. Without a canary whose answer is large enough nothing is slow."""

    def __init__(self) -> None:
        self._canary: float | None = None
        self._others: dict[str, float] = {}

    def enter(self, canaries: Iterable[Measurement]) -> None:
        """Begin anew, with the fastest of these as the yardstick."""
        self._canary = max((rate for rate in map(rate_of, canaries) if rate is not None), default=None)
        self._others = {}

    def slow(self, measurement: Measurement) -> Rate | None:
        """This measurement's rate, where that is far below what else came in this round; it is remembered itself."""
        own = rate_of(measurement) if self._canary is not None else None
        if own is None or self._canary is None:
            return None
        self._others[measurement.target.text] = own
        rate = Rate(at=measurement.started_at, bytes_per_s=own, canary=self._canary)
        if not is_slow(rate):
            return None  # nearly all: the others are looked through only where it matters
        others = [rate for text, rate in self._others.items() if text != measurement.target.text]
        rate = msgspec.structs.replace(rate, others=median(others) if len(others) >= FEW else None)
        return rate if is_slow(rate) else None
