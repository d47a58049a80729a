"""What an unattended round checks before it begins, and cleans up after it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from gettext import gettext as _
from gettext import ngettext

from probe.net.identity import find_whereabouts
from probe.net.path import Path
from probe.timestamps import rfc3339
from results.db import retention
from results.db.connect import drop_old_backups
from results.db.store import Store, paused
from schedules.config.schema import Config
from schedules.render.text import words
from schedules.round.data_cap import Budget

NMCLI_TIMEOUT_S = 3
Metered = Callable[[Iterable[str]], str | None]
"""The first metered interface of those given, None if none is known to be metered."""


def reason_to_skip(config: Config, store: Store, now: float, *, metered: Metered | None = None) -> str | None:
    """Why an unattended round must not begin now, and the remedy; None if it may."""
    moment = datetime.fromtimestamp(now, UTC)
    if (pause := paused(store.db, rfc3339(moment))) is not None:
        if pause.until is None:
            return _("measuring is paused until further notice; `reachprobe resume` continues")
        until = words().when(pause.until)
        return _("measuring is paused until {time}; `reachprobe resume` continues").format(time=until)
    if (budget := Budget(config, store, moment)).used_up:
        return budget.sentence
    if config.network.metered == "skip":
        interface = (metered or by_network_manager)(find_whereabouts(Path()).interfaces)
        if interface is not None:
            says = _('{interface} is a metered connection; skipping ([network] metered = "measure" allows it)')
            return says.format(interface=interface)
    return None


def prune(config: Config, store: Store, now: float) -> str | None:
    """Delete what [store] limits, and old backups of the database; a sentence if something was deleted.

    The caller holds the lock, and has just measured into the database.
    """
    upgraded = _("deleted {path}, a month after the upgrade")
    deleted = [upgraded.format(path=copy) for copy in drop_old_backups(store.path, now)]
    done = retention.tidy(
        store,
        keep_days=config.store.keep_days,
        max_bytes=config.store.max_bytes,
        now=datetime.fromtimestamp(now, UTC),
        vantage=config.vantage.name,
    )
    if done is not None and (gone := done.old + done.above_limit):
        says = ngettext(
            "deleted {count} old measurement, as set in [store]",
            "deleted {count} old measurements, as set in [store]",
            gone,
        )
        deleted.append(says.format(count=gone))
    return "; ".join(deleted) or None


def by_network_manager(interfaces: Iterable[str]) -> str | None:
    """The first interface that NetworkManager calls metered; None without NetworkManager."""
    program = shutil.which("nmcli")
    if program is None:
        return None
    for interface in interfaces:
        try:
            answer = subprocess.run(  # noqa: S603 an interface name from the kernel
                [program, "-t", "-f", "GENERAL.METERED", "device", "show", interface],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=NMCLI_TIMEOUT_S,
                check=False,
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            return None
        if answer.strip().partition(":")[2].startswith("yes"):
            return interface
    return None
