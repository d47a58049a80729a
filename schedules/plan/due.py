"""What is due here and now: the configuration and the database, put to the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from probe.net.path import BadPath
from probe.timestamps import epoch, rfc3339_of_epoch
from results.db.last_runs import last_runs, made_at
from schedules.location.location import usable
from schedules.plan import due_targets
from schedules.plan.model import Choice, Wanted
from schedules.plan.priority_data import eager
from schedules.plan.selection import wanted

if TYPE_CHECKING:
    from probe.model import Target
    from results.db.store import Store
    from schedules.config.schema import Config


class Duty(msgspec.Struct, frozen=True):
    """`choices` to measure now, path by path; `later` is when the next of the rest is due (Unix time, None: nothing).

    `missing` has a sentence for each path that is not there now, whose targets are left for later.
    """

    choices: tuple[Choice, ...]
    later: int | None
    missing: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return sum(len(choice.targets) for choice in self.choices)

    @property
    def next_due(self) -> str | None:
        """`later` as RFC 3339."""
        return rfc3339_of_epoch(self.later) if self.later is not None else None


def duty(config: Config, store: Store, now: float) -> Duty:
    """What the campaigns want measured now, and sooner what was newly listed or has changed its verdict."""
    all_wanted = eager(config, store, wanted(config, store), now)
    share = due_targets.share_of(made_at(store.db))
    found, later = due_targets.due(all_wanted, last(config, store, all_wanted, now), int(now), share)
    present: list[Choice] = []
    missing: list[str] = []
    for path, targets in due_targets.by_path(found).items():
        try:
            usable(config, path)
        except BadPath as error:
            missing.append(str(error))
        else:
            present.append(Choice(targets, path))
    return Duty(tuple(present), later, tuple(missing))


def last(
    config: Config, store: Store, all_wanted: tuple[Wanted, ...], now: float
) -> dict[tuple[Target, str], due_targets.Last]:
    """When each was measured last, by what the database holds."""
    until = rfc3339_of_epoch(now, "milliseconds")
    found: dict[tuple[Target, str], due_targets.Last] = {}
    for path in dict.fromkeys(one.path for one in all_wanted):
        targets = [one.target for one in all_wanted if one.path == path]
        for target, run in last_runs(store.db, targets, config.vantage_by(path), until).items():
            at = int(epoch(run.started_at))
            found[target, path] = due_targets.Last(at, run.outcome == "offline")
    return found
