"""Who measures, from where, and against which register, in one line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schedules.config.registers import brought_in_by, max_age_days, missing
from schedules.render.text import age, safe

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config

NEWEST = """
SELECT r.name, max(v.at) FROM registers r JOIN register_versions v ON v.register_id = r.id
WHERE r.country = ? GROUP BY r.name ORDER BY r.name
"""


def header(config: Config, store: Store, path: str, network: str) -> str:
    """`home-fibre · AS12389 · RU · direct · network online · control: vpn · register rkn, 3 hours old`."""
    vantage = config.vantage_by(path)
    parts = [safe(vantage.name)]
    if vantage.asn is not None:
        parts.append(f"AS{vantage.asn}")
    parts += [vantage.country or "country not set", safe(path), f"network {network}"]
    controls = [safe(control) for control in config.control.all_paths if control != path]
    controls += ["hub"] if config.control.all_hubs else []
    parts.append(f"control: {', '.join(controls)}" if controls else "no control")
    return " · ".join([*parts, *registers(config, store, vantage.country)])


def registers(config: Config, store: Store, country: str | None) -> list[str]:
    """The registers of a country, each with the age of its newest version, and those that are configured alone."""
    if country is None:
        return ["no register"]
    now = datetime.now(UTC).timestamp()
    said = []
    for name, at in store.db.execute(NEWEST, [country]).fetchall():
        days = max(0.0, now - at) / 86400
        decides = "" if days <= max_age_days(config)(name) else ", too old to decide"
        said.append(f"register {safe(name)}, {age(days)}{decides}")
    for table in missing(config, store, country):
        said.append(f"register {safe(table.name)} configured, not imported: {safe(brought_in_by(table))}")
    return said or ["no register"]
