"""The registers that the configuration names: how old they may be, which are not stored yet, what brings one in."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config, RegisterTable

STORED = "SELECT DISTINCT r.name FROM registers r JOIN register_versions v ON v.register_id = r.id"

MAX_AGE_DAYS = 3.0


def max_age_days(config: Config) -> Callable[[str], float]:
    """How old the version of a register, told by its name, may be to decide anything."""
    told = {table.name: table.max_age_days for table in config.register}
    return lambda register: told.get(register, MAX_AGE_DAYS)


def missing(config: Config, store: Store, country: str) -> list[RegisterTable]:
    """Those of which no version is stored, and that are the country's for all that is known."""
    stored = {name for (name,) in store.db.execute(STORED)}
    return [table for table in config.register if table.country in (None, country) and table.name not in stored]


def brought_in_by(table: RegisterTable) -> str:
    """The command that stores the newest version."""
    name = shlex.quote(table.name)
    if table.all_sources:
        return f"reachprobe register update {name}"
    return f"reachprobe register import FILE --as {name}" + (f" --country {table.country}" if table.country else "")
