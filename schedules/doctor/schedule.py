"""Whether a schedule is really there, and runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from probe.timestamps import epoch
from schedules.doctor.check_result import Finding

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.cli.app import App
    from schedules.config.schema import Config
    from schedules.install.install import Installed

LATE_S = 3600
"""Something due and no round for so long: then the schedule does not do what it should."""
LINGER = Path("/var/lib/systemd/linger")


def found(app: App, config: Config, store: Store) -> Iterator[Finding]:
    """What is installed, whether it is active, and whether rounds come as they are due."""
    from schedules.install.install import installed
    from schedules.install.units import BadSchedule

    try:
        found = installed(Path(app.environ.get("HOME") or Path.home()))
    except BadSchedule as error:
        yield Finding("schedule", "worth knowing", str(error))
        return
    agent = _agent(app.database)
    for one in found:
        yield _one(one)
    if agent is not None:
        yield Finding("schedule", "fine", agent)
    if not found and agent is None:
        says = "none, so nothing is measured by itself; `reachprobe schedule install`"
        yield Finding("schedule", "worth knowing", says)
    yield _rounds(config, store, time.time(), scheduled=bool(found) or agent is not None)


def _one(one: Installed) -> Finding:
    if one.kind == "cron":
        return Finding("schedule", "fine", "lines in your crontab")
    where, unit = str(one.paths[0].parent), one.paths[0].name
    user = "--user " if one.kind == "user" else ""
    if one.active != "active":
        says = f"{unit} in {where} is {one.active or 'unknown to systemd'}; `systemctl {user}enable --now {unit}`"
        return Finding("schedule", "worth knowing", says)
    fired = f", fired last {one.last}" if one.last else ""
    if one.kind == "user" and not _lingers():
        says = f"{unit} in {where}{fired}; it runs only while you are logged in: `loginctl enable-linger`"
        return Finding("schedule", "worth knowing", says)
    return Finding("schedule", "fine", f"{unit} in {where}{fired}")


def _lingers() -> bool:
    """Whether this user's units run while nobody is logged in, as logind keeps it."""
    import pwd

    try:
        return (LINGER / pwd.getpwuid(os.getuid()).pw_name).exists()
    except KeyError:
        return False


def _agent(database: Path) -> str | None:
    """The agent that runs for this database, by the lock that it holds."""
    from schedules.runtime import lock

    if not database.with_name(f"{database.name}.agent.lock").exists():
        return None
    try:
        with lock.held(database, "agent"):
            return None
    except lock.Locked:
        return "`reachprobe agent` is running"


def _rounds(config: Config, store: Store, now: float, *, scheduled: bool) -> Finding:
    from results.db.last_runs import last_round
    from schedules.plan.due import duty
    from schedules.render.text import age, how_many

    waiting, ran = duty(config, store, now).count, last_round(store.db)
    due = f"{how_many(waiting, 'target')} due now" if waiting else "nothing is due now"
    if ran is None:
        return Finding("rounds", "worth knowing", f"none yet, {due}; `reachprobe run` is one")
    ago_s = now - epoch(ran)
    says = f"the last one {age(max(0.0, ago_s) / 86400)}, {due}"
    if scheduled and waiting and ago_s > LATE_S:
        says += "; the schedule is late, `journalctl -t reachprobe` or cron's mail may say why"
        return Finding("rounds", "worth knowing", says)
    return Finding("rounds", "fine", says)
