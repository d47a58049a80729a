"""`run` measures what is due, and what a deadline cuts off comes next time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from results.db.store import Store
from schedules import cli
from schedules.plan import due
from tests.lab.network import LabNetwork


class Lab:
    def __init__(self, net: LabNetwork, folder: Path) -> None:
        self.net, self.folder = net, folder
        self.urls = [net.add_site(f"site{number}.x.test").url for number in range(3)]

    def configure(self, more: str = "", targets: int = 3, **keys: str) -> None:
        named = ", ".join(f'"{url}"' for url in self.urls[:targets])
        said = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
        campaign = f'\n[[campaign]]\nname = "all"\ntargets = [{named}]\n{said}'
        (self.folder / "c.toml").write_text(self.net.config_toml() + campaign + more)

    async def run(self, *arguments: str) -> int:
        whole = ["--config", str(self.folder / "c.toml"), "--db", str(self.folder / "x.db"), "run", "--json"]
        return await asyncio.to_thread(cli.call, [*whole, *arguments])


@pytest.fixture
async def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    monkeypatch.setenv("REACHPROBE_CONSENT", "yes")
    async with LabNetwork(timeout_s=5.0) as net:
        made = Lab(net, tmp_path)
        made.configure()
        yield made


def measured(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["target"] for line in capsys.readouterr().out.splitlines()]


async def test_what_was_measured_is_not_due_again_until_its_time_has_come(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lab.run() == 0
    assert sorted(measured(capsys)) == lab.urls
    assert await lab.run() == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("nothing is due before ")
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=6), tick=True):
        assert await lab.run() == 0
    assert sorted(measured(capsys)) == lab.urls


async def test_all_measures_everything_due_or_not(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    await lab.run()
    capsys.readouterr()
    assert await lab.run("--all") == 0
    assert sorted(measured(capsys)) == lab.urls


async def test_a_new_target_is_measured_at_once_and_alone(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.configure(targets=2)
    await lab.run()
    capsys.readouterr()
    lab.configure(targets=3)
    assert await lab.run() == 0
    assert measured(capsys) == [lab.urls[2]]


async def test_what_a_deadline_cuts_off_comes_next_time(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "schedules.round.round.within", lambda items, _clock, _until: due.within(items, lambda: 1.0, 0.0)
    )
    for url in lab.urls:
        assert await lab.run("--deadline", "1s") == 0
        assert measured(capsys) == [url]
    assert await lab.run("--deadline", "1s") == 0
    assert measured(capsys) == []


@pytest.mark.parametrize("deadline", ["soon", "0m", "1.5h", "-3s", "10"])
async def test_a_deadline_that_is_no_time_is_refused(
    deadline: str, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lab.run("--deadline", deadline) == 2
    assert "use a number and s, m, h or d, such as 30m" in capsys.readouterr().err


async def test_a_path_that_is_not_there_waits_and_the_others_do_not(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = '\n[[path]]\nname = "vpn"\nbind = "wg77"\n'
    by_vpn = f'\n[[campaign]]\nname = "by vpn"\npath = "vpn"\ntargets = ["{lab.urls[0]}"]\n'
    lab.configure(gone + by_vpn)
    assert await lab.run() == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 3
    assert "wg77" in said.err
    assert "its targets wait" in said.err
    assert await lab.run() == 69


async def test_a_check_by_hand_counts_as_a_measurement(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    checked = ["--config", str(lab.folder / "c.toml"), "--db", str(lab.folder / "x.db"), "check", lab.urls[1]]
    assert await asyncio.to_thread(cli.call, checked) == 0
    capsys.readouterr()
    assert await lab.run() == 0
    assert sorted(measured(capsys)) == [lab.urls[0], lab.urls[2]]
    store = Store.open(lab.folder / "x.db")
    assert len(list(store.rows())) == 3
    store.close()
