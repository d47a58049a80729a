"""What the verdicts on a service's targets say of the service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

WORST_FIRST = ("blocked", "offline", "down", "denied", "inconclusive", "reachable")


def deciding(targets: Iterable[tuple[T, bool, str]]) -> T | None:
    """Of (target, whether it is required, outcome) the target whose outcome is the service's; None without targets.

    A service is blocked when any required target is blocked, reachable when all are reachable, else as its worst
    required target. One without required targets goes by its optional ones.
    """
    known = list(targets)
    counted = [entry for entry in known if entry[1]] or known
    if not counted:
        return None
    return min(counted, key=lambda entry: WORST_FIRST.index(entry[2]))[0]
