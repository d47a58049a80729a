"""Recipients of notifications are listed among the hosts that would be contacted, without passwords."""

from __future__ import annotations

import sys

import pytest

from schedules.config.schema import Config, NotifyTable
from schedules.notify import apprise_client
from schedules.round.contacted_hosts import Contact, notification_hosts
from tests.schedules.lab import Lab, rows

TABLE = '[[notify]]\nname = "family"\nurls = ["jsons://me:hunter2secret@hook.example/tok3n", "tgram://123456789:abcdefghijklmnopqrstuvw/1/"]\n'


async def test_a_dry_run_lists_who_gets_notifications(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.configure(TABLE)
    assert await lab.call("run", "--dry-run", "--json") == 0
    shown = capsys.readouterr().out
    found = [row for row in rows(shown) if row["why"].startswith("notifications")]
    assert found == [
        {"host": "hook.example", "port": None, "why": "notifications: family"},
        {"host": "api.telegram.org", "port": 443, "why": "notifications: family 2"},
    ]
    assert "hunter2" not in shown
    assert "abcdefgh" not in shown


def test_without_apprise_the_receiver_stands_for_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    apprise_client._apprise.cache_clear()
    try:
        config = Config(notify=(NotifyTable(name="family", urls=("json://me:hunter2@h.example/",)),))
        (found,) = notification_hosts(config)
    finally:
        apprise_client._apprise.cache_clear()
    assert found == Contact("family", None, "notifications: unknown host; see `reachprobe doctor`")
