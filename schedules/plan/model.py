"""The targets of one round."""

from __future__ import annotations

import math

import msgspec

from probe.model import Target


class Choice(msgspec.Struct, frozen=True):
    """Targets to measure by one path; none is begun after `until`, a reading of the monotonic clock in seconds."""

    targets: tuple[Target, ...]
    path: str = "direct"
    until: float = math.inf

    def ending(self, until: float) -> Choice:
        return Choice(self.targets, self.path, until)
