"""An agent's outbox and a hub: what is measured arrives, whatever happens in between, and no round waits for it."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import pytest

from results.db import upload_queue
from results.db.store import Store
from schedules.round import consent
from tests.results.hub.hub_process import RunningHub
from tests.schedules.lab import Lab, rows


async def enrolled(lab: Lab, hub: RunningHub, name: str = "moscow-1") -> None:
    words = ("init", "--yes", "--hub", hub.url, "--invitation", hub.invite(name))
    assert await lab.call(*words) == 0
    lab.configure(f'\n[hub]\nurl = "{hub.url}"\n')


def at_hub(hub: RunningHub) -> dict[str, tuple[str, str]]:
    with closing(sqlite3.connect(hub.db)) as db:
        return {row[0]: row[1:] for row in db.execute("SELECT id, vantage, outcome FROM findings")}


async def state(lab: Lab, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    assert await lab.call("results", "outbox", "--json") == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


async def test_what_is_measured_after_enrolling_arrives_under_the_name_that_the_group_gave(
    lab: Lab, hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(f'\n[hub]\nurl = "{hub.url}"\n')
    assert await lab.call("check", lab.good.url, "--json") == 0
    (before,) = rows(capsys.readouterr().out)
    await enrolled(lab, hub)
    campaign = (
        f'\n[hub]\nurl = "{hub.url}"\n[[campaign]]\nname = "c"\ntargets = ["{lab.good.url}", "{lab.reset.url}"]\n'
    )
    lab.configure(campaign)
    capsys.readouterr()
    assert await lab.call("run", "--all", "--json") == 0
    measured = rows(capsys.readouterr().out)
    found = at_hub(hub)
    assert before["measurement_id"] not in found
    assert {row["measurement_id"] for row in measured} <= set(found)
    assert {name for name, _ in found.values()} == {"moscow-1"}
    assert {found[row["measurement_id"]][1] for row in measured} == {"reachable", "blocked"}
    assert (await state(lab, capsys))["waiting"] == 0
    with closing(sqlite3.connect(hub.db)) as db:
        assert db.execute("SELECT count(*) FROM rounds WHERE network_key IS NOT NULL").fetchone() == (0,)


async def test_an_unreachable_hub_delays_no_round_and_gets_everything_later(
    lab: Lab, hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    await enrolled(lab, hub)
    lab.configure(f'\n[hub]\nurl = "{hub.url}"\n[[campaign]]\nname = "c"\ntargets = ["{lab.good.url}"]\n')
    hub.kill()
    began = time.monotonic()
    for _ in range(2):
        assert await lab.call("run", "--all") == 0
    assert time.monotonic() - began < 15
    waits = await state(lab, capsys)
    assert (waits["waiting"], waits["sent"]) == (2, 0)
    assert waits["failures"]
    assert "connection_refused" in str(waits["said"])
    hub.start()
    with closing(Store.open(lab.db)) as store, store.writing():
        store.db.execute("UPDATE hubs SET not_before = NULL")  # as if that time had passed
    assert await lab.call("run", "--all") == 0
    assert len(at_hub(hub)) == 3
    assert (await state(lab, capsys))["sent"] == 3


async def test_without_consent_to_it_nothing_is_uploaded(
    lab: Lab, hub: RunningHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await enrolled(lab, hub)
    monkeypatch.delenv("REACHPROBE_CONSENT")
    with closing(Store.open(lab.db)) as store, store.writing():
        store.db.execute("UPDATE consents SET text_version = ?", [consent.UPLOADING - 1])
    lab.configure(f'\n[hub]\nurl = "{hub.url}"\n[[campaign]]\nname = "c"\ntargets = ["{lab.good.url}"]\n')
    capsys.readouterr()
    assert await lab.call("run") == 0
    assert "uploads are off: recorded consent predates [hub]" in capsys.readouterr().err
    assert at_hub(hub) == {}
    assert await lab.call("init", "--yes") == 0
    assert await lab.call("run", "--all") == 0
    assert len(at_hub(hub)) == 2


async def test_refused_records_stay_in_the_queue_with_the_reason(
    lab: Lab, hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    await enrolled(lab, hub)
    lab.configure(f'\n[hub]\nurl = "{hub.url}"\n[[campaign]]\nname = "c"\ntargets = ["{lab.good.url}"]\n')
    with closing(Store.open(lab.db)) as store, store.writing():
        store.db.execute("UPDATE hubs SET name = 'another'")
    assert await lab.call("run") == 0
    told = await state(lab, capsys)
    assert (told["waiting"], told["refused"]) == (0, 1)
    assert "this token is not for vantage point" in json.dumps(told["refusals"])
    with closing(Store.open(lab.db)) as store, store.writing():
        store.db.execute("UPDATE hubs SET name = 'moscow-1'")
    assert await lab.call("results", "outbox", "--retry") == 0
    assert await lab.call("run") == 0
    assert len(at_hub(hub)) == 1


async def test_a_revoked_vantage_reports_it_and_keeps_its_records(
    lab: Lab, hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    await enrolled(lab, hub)
    lab.configure(f'\n[hub]\nurl = "{hub.url}"\n[[campaign]]\nname = "c"\ntargets = ["{lab.good.url}"]\n')
    assert await lab.call("--db", str(hub.db), "hub", "revoke", "moscow-1") == 0
    assert await lab.call("run") == 0
    told = await state(lab, capsys)
    assert told["waiting"] == 1
    assert "401" in str(told["said"])
    assert at_hub(hub) == {}


async def test_the_token_is_renewed_and_the_one_before_is_void(lab: Lab, hub: RunningHub) -> None:
    await enrolled(lab, hub)
    with closing(Store.open(lab.db)) as store:
        (before,) = upload_queue.hubs(store.db)
        with store.writing():
            store.db.execute("UPDATE hubs SET token_at = '2026-01-01T00:00:00Z'")
    lab.configure(f'\n[hub]\nurl = "{hub.url}"\n[[campaign]]\nname = "c"\ntargets = ["{lab.good.url}"]\n')
    assert await lab.call("run") == 0
    assert len(at_hub(hub)) == 1
    with closing(Store.open(lab.db)) as store:
        (after,) = upload_queue.hubs(store.db)
    assert after.token != before.token
    assert (await hub.send(before.token, [b""]))[0] == 401
    assert (await hub.send(after.token, [b""]))[0] == 200


async def test_hosts_of_the_own_network_are_not_uploaded(lab: Lab, hub: RunningHub) -> None:
    await enrolled(lab, hub)
    literal = lab.good.url.replace("good.x.test", lab.good.address)
    lab.configure(f'\n[hub]\nurl = "{hub.url}"\n[[campaign]]\nname = "c"\ntargets = ["{lab.good.url}", "{literal}"]\n')
    assert await lab.call("run") == 0
    with closing(sqlite3.connect(hub.db)) as db:
        assert db.execute("SELECT target FROM findings").fetchall() == [(lab.good.url,)]


async def test_doctor_shows_enrolment_and_queue_and_a_dry_run_names_the_hub(
    lab: Lab, hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(f'\n[hub]\nurl = "{hub.url}"\n[[campaign]]\nname = "c"\ntargets = ["{lab.good.url}"]\n')
    assert await lab.call("doctor") == 0
    assert f"{hub.url}: not enrolled" in capsys.readouterr().out.replace("\n", " ")
    words = ("init", "--yes", "--hub", hub.url, "--invitation", hub.invite("a"))
    assert await lab.call(*words) == 0
    assert await lab.call("run", "--dry-run") == 0
    assert f"127.0.0.1:{hub.port}  (hub: uploads)" in capsys.readouterr().out
    assert await lab.call("run") == 0
    capsys.readouterr()
    assert await lab.call("doctor") == 0
    assert "0 queued, 1 uploaded, 0 refused" in " ".join(capsys.readouterr().out.split())


async def test_a_wrong_invitation_or_an_unreachable_hub_changes_nothing(
    lab: Lab, hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    invitation = hub.invite("a")
    words = ("init", "--yes", "--hub", hub.url, "--invitation")
    assert await lab.call(*words, invitation[:-3] + "AAA") == 2
    assert "ask the group for a new one" in capsys.readouterr().err
    hub.kill()
    assert await lab.call(*words, invitation) == 2
    assert "nothing was changed" in capsys.readouterr().err
    hub.start()
    assert await lab.call(*words, invitation) == 0
    for wrong in (("--hub", hub.url), ("--invitation", "x"), ("--hub", "http://x.example", "--invitation", "x")):
        assert await lab.call("init", "--yes", *wrong) == 2
    with closing(sqlite3.connect(lab.db)) as db:
        assert db.execute("SELECT name FROM hubs").fetchall() == [("a",)]
    assert lab.db.stat().st_mode & 0o777 == 0o600
