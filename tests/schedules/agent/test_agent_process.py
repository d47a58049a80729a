"""The agent as a process: what it tells systemd, how it ends, and that two do not work at once."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from results.db.store import Store
from schedules.runtime.process import MAX_WATCHDOG_S, systemd_notifier, watchdog_s
from tests.lab.network import LabNetwork

ROOT = Path(__file__).parents[3]


class Manager:
    """systemd's side of the notify socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    async def hear(self) -> str:
        return (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode()

    def close(self) -> None:
        self._socket.close()


class Lab:
    def __init__(self, net: LabNetwork, folder: Path) -> None:
        self.net, self.folder = net, folder
        self.manager = Manager(folder / "notify")

    def configure(self, *urls: str) -> None:
        targets = ", ".join(f'"{url}"' for url in urls)
        campaign = f'\n[[campaign]]\nname = "all"\ntargets = [{targets}]\n'
        (self.folder / "c.toml").write_text(self.net.config_toml() + campaign)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from schedules.cli import main; main()",
            *("--config", str(self.folder / "c.toml"), "--db", str(self.folder / "x.db"), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "REACHPROBE_CONSENT": "yes", "NOTIFY_SOCKET": str(self.manager.path)},
        )

    def outcomes(self) -> list[tuple[str, str]]:
        store = Store.open(self.folder / "x.db")
        try:
            return sorted((row["target"], row["outcome"]) for row in store.rows())
        finally:
            store.close()


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with LabNetwork(timeout_s=5.0) as net:
        made = Lab(net, tmp_path)
        yield made
        made.manager.close()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.readline()).decode().rstrip("\n")


async def until(seen: Callable[[], bool]) -> None:
    """Wait for another process, a minute at most."""
    for _ in range(1200):
        if seen():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not come to that")


async def test_it_measures_tells_systemd_and_ends_cleanly_when_it_is_told_to(lab: Lab) -> None:
    good = lab.net.add_site("good.x.test")
    lab.configure(good.url)
    process = await lab.start("agent")
    assert await lab.manager.hear() == "READY=1"
    assert await line(process) == "targets measured via direct: 1 of 1 (1 reachable)"
    process.send_signal(signal.SIGTERM)
    assert await lab.manager.hear() == "STOPPING=1"
    assert await process.wait() == 0
    assert await line(process) == "stopped; finished measurements are saved"
    assert await line(process) == ""
    assert lab.outcomes() == [(good.url, "reachable")]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_in_the_middle_of_a_round_it_keeps_what_is_finished(lab: Lab, how: signal.Signals) -> None:
    good, silent = lab.net.add_site("good.x.test"), lab.net.add_site("silent.x.test", connect="unanswered")
    lab.configure(good.url, silent.url)
    process = await lab.start("agent")
    await until(lambda: (lab.folder / "x.db").exists() and bool(lab.outcomes()))
    process.send_signal(how)
    assert await process.wait() == 0
    assert await line(process) == "targets measured via direct: 1 of 2 (1 reachable)"
    assert await line(process) == "stopped; finished measurements are saved"
    assert lab.outcomes() == [(good.url, "reachable")]


async def test_a_second_agent_leaves_and_says_who_is_there(lab: Lab) -> None:
    good = lab.net.add_site("good.x.test")
    lab.configure(good.url)
    first = await lab.start("agent")
    await line(first)
    second = await lab.start("agent")
    assert await second.wait() == 75
    assert f"another agent is running (process {first.pid})" in await line(second)
    run = await lab.start("run", "--json")
    assert (await run.communicate())[1].decode().startswith("nothing is due before ")
    first.send_signal(signal.SIGTERM)
    assert await first.wait() == 0


async def test_a_round_by_hand_while_the_agent_measures_leaves_with_75(lab: Lab) -> None:
    silent = lab.net.add_site("silent.x.test", connect="unanswered")
    lab.configure(silent.url)
    agent = await lab.start("agent")
    assert await lab.manager.hear() == "READY=1"
    await until((lab.folder / "x.db.lock").exists)
    run = await lab.start("run")
    assert await run.wait() == 75
    assert f"another round is running (process {agent.pid})" in await line(run)
    agent.send_signal(signal.SIGTERM)
    assert await agent.wait() == 0


def test_an_abstract_socket_is_told_too_and_a_manager_that_is_gone_hurts_nobody() -> None:
    name = f"reachprobe-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        tell = systemd_notifier({"NOTIFY_SOCKET": f"@{name}"})
        tell("READY=1")
        assert listening.recv(100) == b"READY=1"
    tell("WATCHDOG=1")
    systemd_notifier({})("READY=1")


@pytest.mark.parametrize(
    ("waits", "beats"),
    [
        ("600000000", MAX_WATCHDOG_S),
        ("60000000", 30.0),
        ("0", MAX_WATCHDOG_S),
        ("soon", MAX_WATCHDOG_S),
        (None, MAX_WATCHDOG_S),
    ],
)
def test_it_says_that_it_lives_at_least_twice_in_the_time_that_systemd_waits(waits: str | None, beats: float) -> None:
    assert watchdog_s({"WATCHDOG_USEC": waits} if waits is not None else {}) == beats


async def test_a_watchdog_that_waits_a_second_hears_that_it_lives(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    good = lab.net.add_site("good.x.test")
    lab.configure(good.url)
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    process = await lab.start("agent")
    try:
        heard = [await asyncio.wait_for(lab.manager.hear(), 30) for _ in range(3)]
        assert heard == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    finally:
        process.terminate()
        await process.communicate()
