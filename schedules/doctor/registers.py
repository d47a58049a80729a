"""Whether the registers of the vantage's country are there, and fresh enough to decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from schedules.doctor.check_result import Finding

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config


def found(config: Config, store: Store) -> Iterator[Finding]:
    from datetime import UTC, datetime

    from results.registers.statistics import statistics
    from schedules.config.registers import brought_in_by, max_age_days, missing
    from schedules.render.text import age, how_many

    country = config.vantage.country
    if country is None:
        says = "no country is set, so no register applies; set [vantage] country"
        yield Finding("registers", "worth knowing", says)
        return
    waiting = missing(config, store, country)
    found = [one for one in statistics(store.db, datetime.now(UTC), max_age_days(config)) if one.country == country]
    if not found and not waiting:
        yield Finding("registers", "worth knowing", f"none of {country} is stored; `reachprobe register import FILE`")
    for table in waiting:
        says = f"{table.name} is configured, not imported; `{brought_in_by(table)}`"
        yield Finding("registers", "worth knowing", says)
    ways_out = {table.name: brought_in_by(table) for table in config.register}
    for one in found:
        way_out = ways_out.get(one.register, f"reachprobe register import FILE --as {one.register}")
        says = f"{age(one.age_days)}, {how_many(one.entries, 'entry', 'entries')}"
        says += f"; too old to decide, `{way_out}`" if one.stale else ""
        yield Finding(f"register {one.register}", "worth knowing" if one.stale else "fine", says)
