"""What is measured sooner: a pure reckoning from when a target was newly listed, and from what was last said of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

HOUR_S, DAY_S = 3600, 86400
FRESH_S = 2 * DAY_S
"""How long a new listing is measured hourly."""
WATCHED_S = FRESH_S + 14 * DAY_S
"""How long it is watched at all: after the first days daily."""
CONFIRM_S = 900
HOLDS = 3
"""So many times the same in a row, and a verdict is taken to hold."""
LOOKED_BACK = 12
"""Where none of so many verdicts held, the target is unsteady by nature, and no longer measured more often for it."""


def after_listing(listed_s: int | None) -> int | None:
    """How often a target wants measuring that was newly listed `listed_s` seconds ago, in seconds; None: no sooner."""
    if listed_s is None or not 0 <= listed_s < WATCHED_S:
        return None
    return HOUR_S if listed_s < FRESH_S else DAY_S


def after_change(outcomes: Sequence[str]) -> int | None:
    """How often a target wants measuring of which this was said, newest first, in seconds; None: no sooner.

    A new outcome is confirmed at once, then looked at hourly until it holds. `offline` says nothing of a target.
    """
    said = [outcome for outcome in outcomes if outcome != "offline"][:LOOKED_BACK]
    runs = [len(list(same)) for _, same in groupby(said)]
    unsteady = len(said) == LOOKED_BACK and max(runs) < HOLDS
    if len(runs) < 2 or runs[0] >= HOLDS or unsteady:
        return None
    return CONFIRM_S if runs[0] == 1 else HOUR_S


def sooner(every_s: int, listed_s: int | None, outcomes: Sequence[str]) -> int:
    """The most eager of what a campaign wants and what a new listing or a changed verdict asks for, in seconds."""
    asked = (every_s, after_listing(listed_s), after_change(outcomes))
    return min(often for often in asked if often is not None)
