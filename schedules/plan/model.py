"""What is to be measured: the targets a campaign wants, and those chosen for a round."""

from __future__ import annotations

import math

import msgspec

from probe.model import Target


class BadChoice(ValueError):
    """A target, service or list that cannot be measured; the message names it and the remedy."""


class PlannedTarget(msgspec.Struct, frozen=True):
    """One target via one path, once every `every_s` seconds."""

    target: Target
    path: str
    every_s: int


class Choice(msgspec.Struct, frozen=True):
    """Targets to measure via one path; none is started after `until`, a reading of the monotonic clock."""

    targets: tuple[Target, ...]
    path: str = "direct"
    until: float = math.inf

    def ending(self, until: float) -> Choice:
        return Choice(self.targets, self.path, until)
