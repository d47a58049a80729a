"""Whether a target has turned from reachable to blocked or back, and that is confirmed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from results.db.notification_queue import Said
from schedules.plan.priority import HOLDS, LOOKED_BACK

CONFIRMED = 2
"""So many times the same in a row: the second was measured to confirm the first."""


class Turn(msgspec.Struct, frozen=True):
    """What it was, the measurement that first saw it changed, and the one that confirmed that."""

    before: str
    first: Said
    confirmed: Said


def turn(said: Sequence[Said]) -> Turn | None:
    """The last confirmed change of what was said, newest first; None where what holds now held before.

    Only `reachable` and `blocked` count. What is unsteady by nature does not turn.
    """
    known = [one for one in said if one.outcome in ("reachable", "blocked")]
    runs = [list(same) for _, same in groupby(known, key=lambda one: one.outcome)]
    if len(runs) < 2 or len(runs[0]) < CONFIRMED or _unsteady(known):
        return None
    # Of the oldest run only the end may be in sight.
    before = next((run for run in runs[1:] if len(run) >= CONFIRMED), runs[-1])
    now = runs[0]
    if before[0].outcome == now[0].outcome:
        return None
    return Turn(before[0].outcome, now[-1], now[-CONFIRMED])


def _unsteady(known: Sequence[Said]) -> bool:
    newest = [one.outcome for one in known[:LOOKED_BACK]]
    return len(newest) == LOOKED_BACK and max(len(list(same)) for _, same in groupby(newest)) < HOLDS
