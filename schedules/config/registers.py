"""The configured registers: their maximum age, which are not stored yet, and the command that imports one."""

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
    """The maximum age in days of the version of a register that decides, by the register's name."""
    ages = {table.name: table.max_age_days for table in config.register}
    return lambda register: ages.get(register, MAX_AGE_DAYS)


def not_imported(config: Config, store: Store, country: str) -> list[RegisterTable]:
    """The registers without a stored version that are of this country or of none."""
    stored = {name for (name,) in store.db.execute(STORED)}
    return [table for table in config.register if table.country in (None, country) and table.name not in stored]


def import_command(table: RegisterTable) -> str:
    """The command that imports the newest version."""
    name = shlex.quote(table.name)
    if table.all_sources:
        return f"reachprobe register update {name}"
    return f"reachprobe register import FILE --as {name}" + (f" --country {table.country}" if table.country else "")
