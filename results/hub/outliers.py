"""Which findings contradict everybody else's, and come of a vantage that does so again and again. Pure.

A flag is a mark for people, never a verdict: a finding that stands alone may be the first of many, a fault of one
machine, or made up. So a vantage is held against what others found at the same time or later, when a block that has
just begun is there for them too, and only many such findings together are marked.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """From when on a finding stands alone, and from when on a vantage does."""

    others: int = 3
    """So many other vantages must have found something of the target, on the network or else in the country."""
    alike: float = 0.9
    """So many of them, as a share, the same."""
    looked_back: int = 40
    """So many of a vantage's last findings count that could be held against others'."""
    alone: int = 5
    """So many of these must stand alone,"""
    share: float = 0.5
    """and be such a share of them."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, `blocked` or `reachable`, and what each of the other vantages found, on its network and in the country
    (those of the network included)."""

    number: int
    outcome: str
    network: str
    country: str
    on_network: tuple[str, ...] = ()
    in_country: tuple[str, ...] = ()


class Alone(msgspec.Struct, frozen=True):
    """Of a finding that could be held against others': its number, and in what it stands alone, None where it does
    not."""

    number: int
    why: str | None


def alone(held: Held, limits: Thresholds) -> Alone | None:
    """None where too few others found anything. Those on the same network count alone, where there are enough."""
    for where, others in ((held.network, held.on_network), (held.country, held.in_country)):
        if len(others) < limits.others:
            continue
        against = sum(outcome != held.outcome for outcome in others)
        if against < limits.alike * len(others):
            return Alone(held.number, None)
        opposite = "reachable" if held.outcome == "blocked" else "blocked"
        return Alone(
            held.number, f"{held.outcome}, while {against} of {len(others)} others {where} found it {opposite}"
        )
    return None


def flags(before: Sequence[Alone], new: Sequence[Alone], limits: Thresholds) -> tuple[dict[int, str], list[Alone]]:
    """What of a vantage's findings to mark, by number, and what to hand in as `before` the next time.

    `before` and `new` are in the order in which they were received. Where a vantage reaches the thresholds, what led
    there is marked too.
    """
    marked: dict[int, str] = {}
    seen = list(before)
    for one in new:
        seen = [*seen, one][-limits.looked_back :]
        lonely = [other for other in seen if other.why is not None]
        if one.why is not None and len(lonely) >= limits.alone and len(lonely) >= limits.share * len(seen):
            marked |= {other.number: other.why for other in lonely if other.why is not None}
    return marked, seen
