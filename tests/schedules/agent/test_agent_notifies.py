"""The agent with somebody to tell, under a clock that a test moves, and as a process that is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from results.db.store import Store
from schedules.agent.side_effects import SideEffects
from schedules.notify.apprise_client import Message, NotifyUrl
from schedules.notify.notifier import Notifier
from tests.lab.network import LabNetwork
from tests.schedules.agent.test_agent import BEGIN, CAMPAIGNS, World
from tests.schedules.metrics.test_metrics import asked, free_port
from tests.schedules.webhook import Webhook

ROOT = Path(__file__).parents[3]
HOURLY = CAMPAIGNS.replace('every = "6h"', 'every = "1h"').replace('every = "1d"', 'every = "1h"')
RECEIVER = '\n[[notify]]\nname = "me"\nurls = ["json://127.0.0.1:9/"]\n'


class Hearing:
    """What is told, and whether it is taken."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.trouble: str | None = None
        self.tries = 0

    def send(self, address: NotifyUrl, what: Message) -> str | None:
        self.tries += 1
        if self.trouble is None:
            self.lines += what.body.splitlines()
        return self.trouble


@pytest.fixture
def hearing() -> Hearing:
    return Hearing()


@pytest.fixture
def world(tmp_path: Path, hearing: Hearing) -> Iterator[World]:
    with time_machine.travel(BEGIN, tick=False) as clock:
        made = World(tmp_path, clock)
        made.file.write_text(HOURLY + RECEIVER)
        made.agent._config = made.agent._source.load()
        notifier = Notifier(hearing.send, lambda now: datetime.fromtimestamp(now, UTC))
        made.agent._side_effects = SideEffects(made.said.append, {"REACHPROBE_CONSENT": "yes"}, notifier)
        yield made


async def test_each_change_of_each_target_by_each_path_is_told_once(world: World, hearing: Hearing) -> None:
    await world.start()
    await world.live(timedelta(hours=2))
    assert hearing.lines == []
    world.outcome = "blocked"
    await world.live(timedelta(hours=4))
    told = sorted(line.split(" since ")[0] for line in hearing.lines)
    assert told == [
        "- a.example has been blocked",
        "- a.example has been blocked via vpn",
        "- b.example has been blocked",
        "- c.example has been blocked",
    ]
    world.outcome = "reachable"
    await world.live(timedelta(hours=4))
    assert len(hearing.lines) == 8
    assert all("has been reachable again" in line for line in hearing.lines[4:])
    world.scheduler.shutdown()


async def test_while_nobody_can_be_told_it_measures_as_often_as_it_should(world: World, hearing: Hearing) -> None:
    hearing.trouble = "error=503"
    await world.start()
    await world.live(timedelta(hours=2))
    world.outcome = "blocked"
    await world.live(timedelta(hours=4))
    world.measured.clear()
    await world.live(timedelta(hours=6))
    assert world.measured["https://a.example/", "direct"] == 6
    assert hearing.tries > 5
    hearing.trouble = None
    await world.live(timedelta(hours=7))
    assert len(hearing.lines) == 4
    world.scheduler.shutdown()


@pytest.mark.slow
async def test_an_agent_that_is_stopped_while_a_receiver_is_silent_ends_soon_and_gives_its_numbers_until_then(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with LabNetwork() as net:
        good = net.add_site("good.x.test")
        with Webhook() as hook:
            hook.hold.clear()
            campaign = f'[[campaign]]\nname = "all"\ntargets = ["{good.url}"]\n'
            receiver = f'[[notify]]\nname = "me"\nurls = ["{hook.url}"]\n[metrics]\nlisten = "127.0.0.1:{port}"\n'
            (tmp_path / "c.toml").write_text(net.config_toml() + campaign + receiver)
            _something_waits(tmp_path / "x.db")
            agent = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "from schedules.cli import main; main()",
                *("--config", str(tmp_path / "c.toml"), "--db", str(tmp_path / "x.db"), "agent"),
                stderr=asyncio.subprocess.PIPE,
                cwd=ROOT,
                env={**os.environ, "REACHPROBE_CONSENT": "yes"},
            )
            try:
                assert 'reachprobe_target_outcome{outcome="reachable"' in await _numbers(port)
            finally:
                agent.send_signal(signal.SIGTERM)
                _, said = await asyncio.wait_for(agent.communicate(), 15)
            assert agent.returncode == 0
            assert b"Traceback" not in said
            assert b"hunter2secret" not in said
    store = Store.open(tmp_path / "x.db")
    assert store.db.execute("SELECT failures FROM receivers").fetchone() == (1,)
    assert store.db.execute("SELECT count(*) FROM untold").fetchone() == (1,)
    store.close()


def _something_waits(database: Path) -> None:
    from results.db import notification_queue

    store = Store.open(database)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    notification_queue.enrol(store, ["me"], now)
    notification_queue.queue(
        store,
        [notification_queue.Notice(key="a", what="open", at=now, facts={"event": "text", "text": "x"})],
        {"me": ["open"]},
    )
    store.close()


async def _numbers(port: int) -> str:
    """What the agent counts, as soon as it has measured."""
    async with asyncio.timeout(30):
        while True:
            try:
                status, text = await asyncio.to_thread(asked, port)
                if status == 200 and "reachprobe_target_outcome{" in text:
                    return text
            except OSError:
                pass
            await asyncio.sleep(0.05)
