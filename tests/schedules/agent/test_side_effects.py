"""Whole rounds with somebody to tell and somebody who counts: on a small censored network, with a real webhook."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from prometheus_client.parser import text_string_to_metric_families

from results.db import notification_queue
from results.db.store import Store
from schedules.agent.side_effects import SideEffects
from schedules.config.schema import Config, MetricsTable, NotifyTable
from schedules.demo import censor
from schedules.round import consent
from tests.schedules.lab import Lab
from tests.schedules.webhook import Webhook

FACTS = {"event": "text", "text": "x"}


@pytest.fixture
async def hook(lab: Lab) -> AsyncIterator[Webhook]:
    """`lab` with one target, and a receiver on loopback."""
    with Webhook() as made:
        receiver = f'[[notify]]\nname = "me"\nurls = ["{made.url}"]\n'
        metrics = f'[metrics]\ntextfile = "{lab.folder / "r.prom"}"\n'
        campaign = f'[[campaign]]\nname = "all"\ntargets = ["{lab.good.url}"]\nevery = "1h"\n'
        lab.configure(receiver + metrics + campaign)
        yield made


async def rounds(lab: Lab, hours: float) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        assert await lab.call("run", "--json") == 0


async def test_a_block_is_told_once_after_it_was_confirmed_and_so_is_its_end(
    lab: Lab, hook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    for hour in range(2):
        await rounds(lab, hour)
    assert hook.told == []
    lab.net.censored["good.x.test"] = censor.resets
    await rounds(lab, 2)
    assert hook.told == []
    for hour in (2.5, 3.6, 4.7):
        await rounds(lab, hour)
    (told,) = hook.told
    assert told["title"] == "reachprobe at demo (AS64496): 1 change"
    assert told["message"].startswith(f"- good.x.test:{lab.good.port} has been blocked since ")
    assert "(TLS: reset, triggered by the name" in told["message"]
    del lab.net.censored["good.x.test"]
    for hour in (6, 7, 8):
        await rounds(lab, hour)
    assert len(hook.told) == 2
    assert "has been reachable again since" in hook.told[1]["message"]
    assert "hunter2secret" not in capsys.readouterr().err


async def test_while_measuring_pauses_nobody_is_told(
    lab: Lab, hook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    await rounds(lab, 0)
    store = Store.open(lab.db)
    waits = notification_queue.Notice(key="a", what="open", at="2999-01-01T00:00:00Z", facts=FACTS)
    notification_queue.queue(store, [waits], {"me": ["open"]})
    store.close()
    await lab.call("pause")
    await rounds(lab, 2)
    assert hook.told == []
    await lab.call("resume")
    await rounds(lab, 3)
    assert [told["message"] for told in hook.told] == ["- x"]


async def test_after_each_round_the_textfile_says_what_was_found(lab: Lab, hook: Webhook) -> None:
    await rounds(lab, 0)
    text = (lab.folder / "r.prom").read_text()
    values = {
        (s.name, s.labels.get("outcome")): s.value for f in text_string_to_metric_families(text) for s in f.samples
    }
    assert values["reachprobe_target_outcome", "reachable"] == 1
    assert values["reachprobe_target_outcome", "blocked"] == 0
    assert values["reachprobe_targets_due", None] == 0
    assert [path.name for path in lab.folder.iterdir() if ".prom" in path.name] == ["r.prom"]


async def test_who_agreed_before_anybody_could_be_told_measures_and_tells_nobody(
    lab: Lab, hook: Webhook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REACHPROBE_CONSENT")
    store = Store.open(lab.db)
    store.record_consent(consent.MEASURING, "2026-01-01T00:00:00Z")
    store.close()
    await rounds(lab, 0)
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    assert "notifications are off: recorded consent predates [[notify]]; `reachprobe init`" in said.err


async def test_without_the_libraries_the_round_is_measured_and_the_way_out_is_said(
    lab: Lab, hook: Webhook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    await rounds(lab, 0)
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1
    assert "pip install 'reachprobe[metrics]'" in said.err


async def test_a_textfile_that_cannot_be_written_is_no_reason_to_fail(
    lab: Lab, hook: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = f'[[campaign]]\nname = "all"\ntargets = ["{lab.good.url}"]\n'
    lab.configure('[metrics]\ntextfile = "/nowhere/r.prom"\n' + campaign)
    await rounds(lab, 0)
    assert "/nowhere/r.prom: cannot write metrics: No such file or directory" in capsys.readouterr().err


def test_whatever_goes_wrong_beside_a_round_is_said_once_and_goes_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def broken(*_: object) -> str | None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(consent, "reason_not_to_notify", broken)
    side_effects = SideEffects(said.append, {})
    config = Config(notify=(NotifyTable(name="me", urls=("json://127.0.0.1:9/",)),))
    store = Store.open(tmp_path / "x.db")
    for _ in range(3):
        side_effects.send(config, store, 0.0)
    store.close()
    assert said == ["notifications failed, measuring continues: RuntimeError: a bug"]


async def test_the_agent_shows_its_numbers_where_the_configuration_says_so_and_stops_when_it_no_longer_does(
    tmp_path: Path,
) -> None:
    from tests.schedules.metrics.test_metrics import asked, free_port

    said: list[str] = []
    side_effects, port = SideEffects(said.append, {}), free_port()
    config = Config(metrics=MetricsTable(listen=f"127.0.0.1:{port}"))
    side_effects.serve_metrics(config)
    status, _ = await asyncio.to_thread(asked, port)
    assert status == 503
    store = Store.open(tmp_path / "x.db")
    side_effects.export_metrics(config, store, datetime.now(UTC).timestamp())
    assert notification_queue.waiting_counts(store.db) == {}
    store.close()
    status, text = await asyncio.to_thread(asked, port)
    assert status == 200
    assert "reachprobe_build_info" in text
    side_effects.serve_metrics(Config())
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(asked, port)
    assert said == []


def test_a_port_that_is_taken_is_said_once_and_tried_again() -> None:
    with Webhook() as other:
        said: list[str] = []
        side_effects = SideEffects(said.append, {})
        config = Config(metrics=MetricsTable(listen=f"127.0.0.1:{other.port}"))
        for _ in range(3):
            side_effects.serve_metrics(config)
        assert len(said) == 1
        assert "Address already in use" in said[0]
    side_effects.serve_metrics(config)
    side_effects.close()
    assert len(said) == 1
