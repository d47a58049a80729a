"""Why nothing is to be measured now although something is due: a pause, a data cap, a network paid for by the byte."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from probe.net.identity import look
from probe.net.path import Path
from probe.timestamps import rfc3339
from results.db.pause import paused
from schedules.round.data_cap import Budget

if TYPE_CHECKING:
    from results.db.store import Store
    from schedules.config.schema import Config

LONGEST_S = 3
Metered = Callable[[Iterable[str]], str | None]
"""Which of some interfaces is paid for by the byte, None where none is known to be."""


def unwilling(config: Config, store: Store, now: float, *, metered: Metered | None = None) -> str | None:
    """One sentence, with the way out, where an unattended round must not begin; None where it may."""
    moment = datetime.fromtimestamp(now, UTC)
    if (pause := paused(store.db, rfc3339(moment))) is not None:
        until = f"until {pause.until}" if pause.until is not None else "until further notice"
        return f"measuring pauses {until}; `reachprobe resume` ends that"
    if (budget := Budget(config, store, moment)).used_up:
        return budget.sentence
    if config.network.metered == "skip":
        interface = (metered or by_network_manager)(look(Path()).interfaces)
        if interface is not None:
            way_out = '[network] metered = "measure" allows it'
            return f"the network is paid for by the byte ({interface}), so nothing is measured; {way_out}"
    return None


def by_network_manager(interfaces: Iterable[str]) -> str | None:
    """The first that NetworkManager takes for metered, set so or guessed; None without NetworkManager."""
    program = shutil.which("nmcli")
    if program is None:
        return None
    for interface in interfaces:
        try:
            said = subprocess.run(  # noqa: S603 an interface's name, as the kernel tells it
                [program, "-t", "-f", "GENERAL.METERED", "device", "show", interface],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LONGEST_S,
                check=False,
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            return None
        if said.strip().partition(":")[2].startswith("yes"):
            return interface
    return None
