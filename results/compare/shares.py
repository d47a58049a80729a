"""Shares with their counts and their uncertainty. Pure."""

from __future__ import annotations

from math import sqrt

import msgspec

Z95 = 1.959963984540054
"""The normal quantile of a two-sided interval of 95%."""
FEW = 10
"""Below so many vantage-days a number is called small."""


class Share(msgspec.Struct, frozen=True):
    """A share of `of` vantage-days; both ends of the interval are shares too."""

    of: int
    share: float
    low: float
    high: float

    @property
    def is_small(self) -> bool:
        return self.of < FEW


def wilson(count: float, of: int, z: float = Z95) -> tuple[float, float]:
    """The score interval of a binomial share (E. B. Wilson, JASA 22, 1927); `count` may be a sum of parts of days.

    ValueError for a count that is more than all, or of nothing.
    """
    if of < 1 or not 0 <= count <= of:
        raise ValueError(f"{count} of {of}")
    share = count / of
    middle = share + z * z / (2 * of)
    spread = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, min(share, (middle - spread) / scale)), min(1.0, max(share, (middle + spread) / scale))


def share_of_days(days: list[float]) -> Share | None:
    """The mean of each vantage-day's own share, 0 to 1; None without days.

    Measurements of one vantage on one day see the same network in the same state, so together they count as one: with
    many a day, their number would feign a certainty that is not there.
    """
    if not days:
        return None
    count = min(sum(days), float(len(days)))
    low, high = wilson(count, len(days))
    return Share(len(days), count / len(days), low, high)
