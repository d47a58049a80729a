"""The very units under a real systemd: the timer makes up for what was missed, the round measures as nobody in
particular, the agent tells when it is ready and stops when told to."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from results.db.store import Store
from schedules.demo import censor
from schedules.install.install import Start, render
from schedules.round import consent
from tests.lab.network import LabNetwork
from tests.schedules.booted import HOME, PLACE, PROGRAM, SOMEONE, Booted, booted, until, why_not

AT_ONCE = "[Timer]\nRandomizedDelaySec=0\n"
"""Instead of this machine's own moment within a quarter of an hour, which is too long to wait for."""
START = Start(PROGRAM, PLACE / "config.toml")


@pytest.fixture
async def config(tmp_path: Path) -> AsyncIterator[str]:
    """The configuration of a small censored network that the systemd and this test share."""
    if reason := why_not():
        pytest.skip(f"no systemd of our own: {reason}")
    async with LabNetwork() as net:
        good = net.add_site("good.x.test")
        reset = net.add_site("reset.x.test", censored=censor.resets)
        text = net.config_toml() + f'\n[[campaign]]\nname = "all"\ntargets = ["{good.url}", "{reset.url}"]\n'
        authority = tmp_path / "program" / "ca.pem"
        authority.parent.mkdir()
        authority.write_bytes(net.authority.ca_file.read_bytes())
        yield text.replace(json.dumps(str(net.authority.ca_file)), json.dumps(str(PLACE / "ca.pem")))


def units(*, agent: bool = False) -> dict[str, str]:
    return {file.path.name: file.text for file in render("system", START, home=Path("/root"), seed="a", agent=agent)}


def outcomes(system: Booted, database: str = "private/reachprobe/reachprobe.db") -> list[str]:
    path = system.state / database
    if not path.exists():
        return []
    store = Store.open(path)
    try:
        return sorted(row["outcome"] for row in store.rows() if not row.get("repeats"))
    finally:
        store.close()


async def test_the_timer_makes_up_for_a_missed_round_which_measures_and_keeps_what_it_found(
    tmp_path: Path, config: str
) -> None:
    def lives() -> None:
        made = units() | {"reachprobe.timer.d/at-once.conf": AT_ONCE}
        with booted(tmp_path, made, config, missed_since=time.time() - 2 * 86400) as system:
            assert system.ctl("start", "reachprobe.timer").returncode == 0
            until(lambda: system.told("reachprobe.service", "ExecMainExitTimestamp")["ExecMainExitTimestamp"] != "")
            said = system.told("reachprobe.service", "Result", "ExecMainStatus", "TriggeredBy", "DynamicUser")
            assert system.said == ""
            assert said == {
                "Result": "success",
                "ExecMainStatus": "0",
                "TriggeredBy": "reachprobe.timer",
                "DynamicUser": "yes",
            }
            assert outcomes(system) == ["blocked", "reachable"]
            database = system.state / "private/reachprobe/reachprobe.db"
            assert 61184 <= database.stat().st_uid <= 65519
            assert system.told("reachprobe.timer", "NextElapseUSecRealtime")["NextElapseUSecRealtime"] != ""
            assert system.ctl("start", "reachprobe.service").returncode == 0
            assert outcomes(system) == ["blocked", "reachable"]

    await asyncio.to_thread(lives)


async def test_the_agent_is_started_when_it_says_so_measures_and_stops_cleanly(tmp_path: Path, config: str) -> None:
    def lives() -> None:
        with booted(tmp_path, units(agent=True), config) as system:
            started = system.ctl("start", "reachprobe.service")
            assert (started.returncode, started.stderr) == (0, ""), system.said
            assert system.told("reachprobe.service", "ActiveState", "WatchdogUSec") == {
                "ActiveState": "active",
                "WatchdogUSec": "10min",
            }
            until(lambda: outcomes(system) == ["blocked", "reachable"])
            assert system.ctl("stop", "reachprobe.service").returncode == 0
            assert system.said.splitlines() == [
                "targets measured via direct: 2 of 2 (1 reachable, 1 blocked)",
                "stopped; finished measurements are saved",
            ]
            said = system.told("reachprobe.service", "Result", "ExecMainStatus", "ActiveState")
            assert said == {"Result": "success", "ExecMainStatus": "0", "ActiveState": "inactive"}

    await asyncio.to_thread(lives)


def at_home(folder: Path, missed_since: float) -> None:
    """Somebody's home: own units, consent to measure, and a timer that fired last at `missed_since` (Unix time)."""
    start = Start(PROGRAM, PLACE / "config.toml", HOME / "x.db")
    home = folder / "state" / HOME.name
    made = [(file.path.relative_to(HOME), file.text) for file in render("user", start, home=HOME, seed="a")]
    timer = next(path for path, _ in made if path.suffix == ".timer")
    stamp = Path(".local/share/systemd/timers/stamp-reachprobe.timer")
    said = "[Service]\nStandardError=append:/var/lib/someone/said\n"
    made.append((timer.with_name("reachprobe.service.d") / "said.conf", said))
    for path, text in (*made, (timer.with_name("reachprobe.timer.d") / "at-once.conf", AT_ONCE), (stamp, "")):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
    os.utime(home / stamp, (missed_since, missed_since))
    store = Store.open(home / "x.db")
    consent.record(store)
    store.close()
    for path in (home, *home.rglob("*")):
        os.chown(path, SOMEONE, SOMEONE)


async def test_an_ordinary_users_own_timer_makes_up_for_a_missed_round_too(tmp_path: Path, config: str) -> None:
    def lives() -> None:
        at_home(tmp_path, time.time() - 2 * 86400)
        with booted(tmp_path, {}, config) as system:
            own = system.log_in()
            assert own.ctl("start", "reachprobe.timer").stderr == ""
            until(lambda: own.told("reachprobe.service", "ExecMainExitTimestamp")["ExecMainExitTimestamp"] != "")
            said = own.told("reachprobe.service", "Result", "ExecMainStatus", "TriggeredBy")
            assert (system.state / "someone/said").read_text() == ""
            assert said == {"Result": "success", "ExecMainStatus": "0", "TriggeredBy": "reachprobe.timer"}
            assert outcomes(system, "someone/x.db") == ["blocked", "reachable"]

    await asyncio.to_thread(lives)
