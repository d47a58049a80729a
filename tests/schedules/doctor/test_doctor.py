"""What `doctor` finds where something is missing, late, full or broken, and the way out that it names."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from probe.reference_sites import NetworkReport
from probe.timestamps import rfc3339
from results.db import notification_queue
from results.db.store import Store
from results.fingerprints import collection
from results.fingerprints.collection import Collection
from results.fingerprints.fingerprint import Fingerprint
from results.judge.judged import RoundRecord
from schedules.config.load import load
from schedules.config.schema import Config
from schedules.demo import censor
from schedules.doctor import checks
from schedules.doctor.checks import CheckResult
from schedules.install import install
from schedules.install.install import Installed
from schedules.round import consent
from schedules.runtime import lock
from tests.schedules.lab import Lab, rows
from tests.schedules.webhook import Webhook


async def examined(lab: Lab, capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, list[dict[str, Any]]]:
    """What it says of each thing it looked at."""
    capsys.readouterr()
    assert await lab.call("doctor", "--json") == code
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(capsys.readouterr().out):
        found.setdefault(row["about"], []).append(row)
    return found


def says(found: dict[str, list[dict[str, Any]]], about: str) -> str:
    return " | ".join(f"{row['state']}: {row['says']}" for row in found[about])


@pytest.fixture(autouse=True)
def _no_schedule_of_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schedules.install.install.installed", lambda _: [])


async def test_in_a_fine_place_everything_is_looked_at_and_has_one_line(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    await lab.call("run", "--json")
    found = await examined(lab, capsys)
    assert says(found, "rounds").startswith("fine: last one fresh, ")
    assert says(found, "disk").startswith("fine: ")
    assert says(found, "control") == "fine: control is online"
    assert says(found, "consent") == "fine: given by REACHPROBE_CONSENT, not recorded"
    assert says(found, "schedule").endswith("so nothing is measured automatically; use `reachprobe schedule install`")
    assert says(found, "A/B server").startswith("fine: ")
    assert all("\n" not in row["says"] for several in found.values() for row in several)


async def test_an_address_set_aside_that_answers_some_names_only_is_no_use(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    before = lab.net.policy
    lab.net.policy = lambda seen: censor.resets if (seen.name or "").endswith(".invalid") else before(seen)
    found = await examined(lab, capsys)
    assert "does not answer a handshake for" in says(found, "A/B server")


def test_a_schedule_that_is_not_active_or_ends_with_the_login_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    units = (Path("/home/me/.config/systemd/user/reachprobe.timer"),)
    dead = checks._installed_schedule(Installed("user", units, "inactive"))
    assert dead.says.endswith("is inactive; use `systemctl --user enable --now reachprobe.timer`")
    monkeypatch.setattr(checks, "_lingers", lambda: False)
    ends = checks._installed_schedule(Installed("user", units, "active", "Thu 2026-11-26 12:15:00 UTC"))
    assert (ends.state, "last started Thu 2026-11-26 12:15:00 UTC" in ends.says) == ("worth knowing", True)
    assert ends.says.endswith("only while you are logged in; use `loginctl enable-linger`")
    monkeypatch.setattr(checks, "_lingers", lambda: True)
    assert checks._installed_schedule(Installed("user", units, "active")).state == "fine"
    assert checks._installed_schedule(Installed("system", units, "active")).state == "fine"


def test_a_schedule_after_which_nothing_is_measured_is_late(store: Store) -> None:
    now = time.time()
    began = datetime.fromtimestamp(now, UTC) - timedelta(hours=30)
    store.save_round(RoundRecord(id="r", started_at=began.isoformat().replace("+00:00", "Z"), network="online"))
    late = checks._rounds(Config(), store, now, scheduled=True)
    assert late.state == "worth knowing"
    assert late.says.startswith("last one 30 hours old, ")
    assert "the schedule is late" in late.says
    assert checks._rounds(Config(), store, now, scheduled=False).state == "fine"


def lists_of(store: Store, updated: str) -> CheckResult:
    prints = (Fingerprint(name="x", scope="isp", where="body", how="contains", pattern="Closed by the Authority"),)
    collection.store(Collection(updated=updated, sources=(), prints=prints), collection.place(store.path))
    return checks.block_page_lists(Config(), store)


def test_published_lists_of_block_pages_that_are_missing_old_or_damaged_are_named(store: Store) -> None:
    missing = checks.block_page_lists(Config(), store)
    assert missing.state == "worth knowing"
    assert "`reachprobe fingerprints update --published`" in missing.says
    configured = msgspec.convert({"fingerprints": {"sources": ["/lists/http.csv"]}}, Config)
    assert "`reachprobe fingerprints update`" in checks.block_page_lists(configured, store).says
    now = datetime.now(UTC)
    fresh = lists_of(store, rfc3339(now - timedelta(days=3), "seconds"))
    assert (fresh.state, fresh.says.startswith("1 from ")) == ("fine", True)
    old = lists_of(store, rfc3339(now - timedelta(days=500), "seconds"))
    assert (old.state, "--published" in old.says) == ("worth knowing", True)
    collection.place(store.path).write_bytes(b"{")
    damaged = checks.block_page_lists(Config(), store)
    assert (damaged.state, "damaged" in damaged.says) == ("wrong", True)


def test_an_agent_that_runs_is_a_schedule(store: Store) -> None:
    assert checks._agent(store.path) is None
    with lock.held(store.path, "agent"):
        assert checks._agent(store.path) == "`reachprobe agent` is running"
    assert checks._agent(store.path) is None


def test_a_crontab_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    def fails(_: Path) -> list[Installed]:
        raise install.BadSchedule("`crontab -l`: you are not allowed to use this program")

    monkeypatch.setattr("schedules.install.install.installed", fails)
    (found,) = checks.schedules({"HOME": "/tmp"}, Config(), store)
    assert found == CheckResult("schedule", "worth knowing", "`crontab -l`: you are not allowed to use this program")


class Usage(NamedTuple):
    free: int


@pytest.mark.parametrize(
    ("free", "state", "said"),
    [
        (5_000_000_000, "fine", "5 GB free"),
        (100_000_000, "worth knowing", "100 MB free; free some space, or lower"),
        (1_000_000, "wrong", "1 MB free: too little, so nothing is measured; free some space"),
    ],
)
def test_a_disk_that_fills_up_is_told_before_it_is_full(
    store: Store, monkeypatch: pytest.MonkeyPatch, free: int, state: str, said: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))
    (found,) = checks.disk(store, Config())
    assert (found.state, found.says.startswith(said)) == (state, True)
    assert found.exit_code == (2 if state == "wrong" else 0)


def test_a_database_that_has_outgrown_its_limit_is_told(store: Store) -> None:
    store.db.execute("CREATE TABLE ballast (x BLOB)")
    store.db.execute("INSERT INTO ballast VALUES (zeroblob(1500000))")
    store.db.conn.commit()
    _, size = checks.disk(store, load(None, {"REACHPROBE_STORE_MAX_MB": "1"}, {}))
    assert (size.state, " of 1 MB allowed by [store] max_mb; only the last week" in size.says) == (
        "worth knowing",
        True,
    )
    _, size = checks.disk(store, load(None, {"REACHPROBE_STORE_MAX_MB": "100"}, {}))
    assert size.state == "fine"


async def test_a_damaged_database_is_wrong_and_nothing_is_read_from_it(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    Store.open(lab.db).close()
    with sqlite3.connect(lab.db) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'consents'")
    connection.close()
    found = await examined(lab, capsys, 2)
    assert says(found, "database").startswith("wrong: ")
    assert list(found)[-1] == "database"


async def test_agreement_to_an_older_text_is_told_with_its_day(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REACHPROBE_CONSENT")
    store = Store.open(lab.db)
    store.record_consent(consent.MEASURING, "2026-01-02T00:00:00Z")
    store.close()
    found = await examined(lab, capsys)
    assert says(found, "consent") == (
        f"fine: given on 2 January 2026 (version 1); "
        f"version {consent.TEXT_VERSION} covers more; `reachprobe init` asks again"
    )


async def test_of_each_receiver_whether_it_can_be_told(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    receivers = '[[notify]]\nname = "me"\nurls = ["json://me:hunter2@127.0.0.1:9/", "nosuch://hunter2"]\n'
    lab.configure(receivers)
    (lab.folder / "c.toml").chmod(0o644)
    store = Store.open(lab.db)
    notification_queue.enrol(store, ["me"], "2026-01-02T00:00:00Z")
    (receiver,) = notification_queue.receivers(store.db)
    notification_queue.claim(store, receiver, "2026-01-02T00:05:00Z")
    store.close()
    found = await examined(lab, capsys, 2)
    said = says(found, "notify")
    assert "worth knowing: me: failed 1 time, 0 queued; see `reachprobe notify --test me`" in said
    assert "wrong: me 2: unknown service or malformed URL" in said
    assert f"other users can read {lab.folder / 'c.toml'} and the passwords in it; use `chmod 600" in said
    assert "hunter2" not in said


def test_an_extra_that_is_configured_and_not_there_is_wrong(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    told = load(None, {"REACHPROBE_METRICS_LISTEN": "127.0.0.1:9877"}, {})
    found = checks.metrics_output(told)
    assert (found.state, "pip install 'reachprobe[metrics]'" in found.says) == ("wrong", True)


def test_a_textfile_in_a_folder_that_is_not_there_is_wrong(store: Store, tmp_path: Path) -> None:
    gone = load(None, {"REACHPROBE_METRICS_TEXTFILE": "/nowhere/r.prom"}, {})
    found = checks.metrics_output(gone)
    assert (found.state, "/nowhere does not exist or is not writable" in found.says) == ("wrong", True)
    there = load(None, {"REACHPROBE_METRICS_TEXTFILE": str(tmp_path / "r.prom")}, {})
    found = checks.metrics_output(there)
    assert found.state == "fine"


async def test_notify_tries_a_message_and_says_what_waits(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    with Webhook() as hook:
        lab.configure(f'[[notify]]\nname = "me"\nurls = ["{hook.url}"]\n')
        assert await lab.call("notify", "--test", "--json") == 0
        assert json.loads(capsys.readouterr().out) == {"receiver": "me", "taken": True, "why": None}
        assert hook.told[0]["title"] == "reachprobe: test message"
        hook.status = 500
        assert await lab.call("notify", "--test", "me") == 69
        assert capsys.readouterr().out.startswith("me: not accepted: ")
    assert await lab.call("notify") == 0
    assert capsys.readouterr().out == "me: 0 notifications queued, last sent: never\n"
    assert await lab.call("notify", "you") == 2
    assert "there is no [[notify]] 'you'; known: me" in capsys.readouterr().err


async def canaries_work(_: object) -> NetworkReport:
    return NetworkReport(state="online", evidence=())


async def test_internal_errors_of_the_last_month_are_counted_and_named(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "internal errors" not in await examined(lab, capsys)

    def surprise(*_: object) -> None:
        raise LookupError

    with monkeypatch.context() as changed:
        changed.setattr("probe.measure._redirect_chain", surprise)
        changed.setattr("probe.reference_sites.check", canaries_work)
        await lab.call("check", lab.good.url, lab.reset.url, "--json")
    said = says(await examined(lab, capsys), "internal errors")
    assert said.startswith("worth knowing: 4 measurements in 30 days")
    assert "LookupError at tests/" in said


async def test_it_speaks_russian_except_in_json(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.configure("[care]\ndata_cap_mb = 100\n")
    await lab.call("run", "--json")
    capsys.readouterr()
    assert await lab.call("--language", "ru", "doctor") == 0
    shown = capsys.readouterr().out
    assert "! расписание: нет, сами измерения не запускаются; выполните `reachprobe schedule install`" in shown
    assert "✓ согласие: дано переменной REACHPROBE_CONSENT, не записано" in shown
    assert re.search(r"^✓ лимит трафика: израсходовано [0-9,]+ из 100 МБ за 20", shown, re.MULTILINE)
    assert "✓ контрольный сайт: http://canary.x.test" in shown
    assert await lab.call("--language", "ru", "doctor", "--json") == 0
    assert capsys.readouterr().out.isascii()
