"""What the database knows that makes a target be measured sooner: register versions, and the last verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from probe.timestamps import parse_time
from results.db.last_runs import last_network, recent_outcomes
from results.registers.names import BadName
from schedules.plan.priority import LOOKED_BACK, WATCHED_S, sooner

if TYPE_CHECKING:
    from results.db.store import Store
    from results.registers.expectation import Lookup
    from schedules.config.schema import Config
    from schedules.plan.model import Wanted


def eager(config: Config, store: Store, wanted: Sequence[Wanted], now: float) -> tuple[Wanted, ...]:
    """The same targets, each as often as its campaign, a new listing or a changed verdict asks for."""
    until = datetime.fromtimestamp(now, UTC)
    registers = NewlyListed(store, config.vantage.country, until)
    found: list[Wanted] = []
    last = last_network(store.db)
    for one in wanted:
        # Before anything was sent the router may not be known yet: then it is most likely the one of last time.
        network = config.place(one.path).network_key or (last if one.path == "direct" else None)
        vantage = config.vantage_by(one.path)
        said = recent_outcomes(store.db, one.target.text, vantage, until, LOOKED_BACK, network=network)
        often = sooner(one.every_s, registers.listed_s(one.target.text), said)
        found.append(msgspec.structs.replace(one, every_s=often))
    return tuple(found)


class Listing(msgspec.Struct, frozen=True):
    """A register, its version that first listed the target, and since when and why it is listed by its own account."""

    register: str
    at: datetime
    since: str | None
    basis: str | None


class NewlyListed:
    """Asks a country's registers which targets the version of today lists and an earlier version did not.

    A register's first version is news to us and no news: what it lists is not newly listed.
    """

    def __init__(self, store: Store, country: str | None, now: datetime) -> None:
        self._db, self._country, self._now = store.db, country, now
        self._today = self._at(now) if country else None
        self._before: dict[tuple[str, str], Lookup] = {}

    def listed_s(self, target: str) -> int | None:
        """How many seconds ago a version of the register first listed `target`; None where that is not new."""
        found = self.listing(target)
        return int((self._now - found.at).total_seconds()) if found is not None else None

    def listing(self, target: str) -> Listing | None:
        """The new listing of `target`; None where there is none."""
        if self._today is None:
            return None
        try:
            found = self._today.expect(target)
            if not found.listed or found.register is None:
                return None
            since = min(entry.first_seen for entry in found.entries)
            at = parse_time(since)
            if (self._now - at).total_seconds() >= WATCHED_S:
                return None
            key = found.register, since
            if key not in self._before:
                self._before[key] = self._at(at - timedelta(seconds=1), found.register)
            was = self._before[key].expect(target).listed
        except BadName:
            return None
        return Listing(found.register, at, found.since, found.basis) if was is False else None

    def _at(self, moment: datetime, register: str | None = None) -> Lookup:
        from results.registers.expectation import Lookup

        return Lookup(self._db, country=self._country, register=register, at=moment)
