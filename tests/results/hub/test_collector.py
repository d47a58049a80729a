"""What members send is kept once, answered record by record, and is theirs alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from results.db.store import Judge, Store
from results.hub.database import Collector
from results.hub.request_body import read_record
from results.judge.judged import RoundRecord
from tests.faults.whole import kept
from tests.results.hub.hub_process import RunningHub, record, statuses

NAME = "home-fibre"
ROUND = RoundRecord(id="round0000000", started_at="2026-11-24T18:00:00Z", network="online", evidence=("a works",))


@pytest.mark.parametrize("packing", ["zstd", "gzip", "identity"])
async def test_records_are_stored_once_whatever_their_encoding(hub: RunningHub, packing: str) -> None:
    token = await hub.enrol(NAME)
    lines = [record(f"{n:016d}", round_=ROUND) for n in range(5)]
    status, said = await hub.send(token, lines, packing)
    assert (status, statuses(said)) == (200, ["stored"] * 5)
    assert [answer["id"] for answer in said["answers"]] == [f"{n:016d}" for n in range(5)]
    status, said = await hub.send(token, [*lines, lines[0]], packing)
    assert (status, statuses(said)) == (200, ["known"] * 6)
    assert kept(hub.db) == {f"{n:016d}" for n in range(5)}


async def test_each_record_has_a_result_and_a_refused_one_does_not_affect_others(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    other = record("1other1other1111", "somebody-else")
    deep = b'{"record":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    lines = [record("0000000000000000"), b"{no json", b"", other, deep, b'{"record": 7}', record("9999999999999999")]
    status, said = await hub.send(token, lines)
    assert status == 200
    told = {answer["line"]: answer for answer in said["answers"]}
    assert [told[n]["status"] for n in (1, 2, 4, 5, 6, 7)] == ["stored", *["refused"] * 4, "stored"]
    assert "this token is not for vantage point" in told[4]["why"]
    assert "deep" in told[5]["why"]
    assert kept(hub.db) == {"0000000000000000", "9999999999999999"}


async def test_another_measurement_under_a_known_id_is_refused_also_from_its_owner(hub: RunningHub) -> None:
    token, theirs = await hub.enrol(NAME), await hub.enrol("b")
    assert statuses((await hub.send(token, [record("a" * 16)]))[1]) == ["stored"]
    changed = record("a" * 16, runtime_s=9.0)
    assert statuses((await hub.send(token, [changed]))[1]) == ["refused"]
    stolen = record("a" * 16, "b")
    assert statuses((await hub.send(theirs, [stolen]))[1]) == ["refused"]
    with closing(sqlite3.connect(hub.db)) as db:
        assert db.execute("SELECT vantage, runtime_s FROM findings").fetchall() == [(NAME, 0.41)]


async def test_a_round_does_not_change_and_a_retry_belongs_to_its_own_series(hub: RunningHub) -> None:
    token, theirs = await hub.enrol(NAME), await hub.enrol("b")
    assert statuses((await hub.send(token, [record("a" * 16, round_=ROUND)]))[1]) == ["stored"]
    lie = msgspec.structs.replace(ROUND, network="offline")
    assert statuses((await hub.send(theirs, [record("b" * 16, "b", lie)]))[1]) == ["refused"]
    assert statuses((await hub.send(theirs, [record("c" * 16, "b", repeats="a" * 16)]))[1]) == ["stored"]
    assert statuses((await hub.send(token, [record("d" * 16, repeats="a" * 16)]))[1]) == ["stored"]
    with closing(sqlite3.connect(hub.db)) as db:
        found = dict(db.execute("SELECT id, repeats FROM findings").fetchall())
    assert found == {"a" * 16: None, "c" * 16: None, "d" * 16: "a" * 16}


async def test_uploads_are_judged_by_the_hubs_own_rules(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    honest = msgspec.json.decode(record("a" * 16))
    honest["record"]["verdict"] |= {"outcome": "blocked", "method": "tls.reset", "confidence": "confirmed"}
    assert statuses((await hub.send(token, [msgspec.json.encode(honest)]))[1]) == ["stored"]
    with closing(sqlite3.connect(hub.db)) as db:
        assert db.execute("SELECT outcome FROM findings").fetchall() == [("reachable",)]


async def test_stopping_finishes_open_requests_and_leaves_a_sound_database(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    await hub.send(token, [record("a" * 16)])
    assert hub.stop() == 0
    assert kept(hub.db) == {"a" * 16}
    hub.start()
    assert statuses((await hub.send(token, [record("a" * 16)]))[1]) == ["known"]


async def test_what_an_upload_says_of_a_register_is_not_taken_for_the_registers(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    claim = {"register": "rkn", "country": "RU", "listed": True, "since": "2017-05-04", "basis": "<b>149-FZ</b>"}
    lines = []
    for number, since in enumerate(("2017-05-04", "soon", "0001-01-01T00:00:00+14:00", "9999-99-99", "")):
        made = msgspec.json.decode(record(f"{number}" * 16))
        claimed = {"target": "wechat.com", **claim, "since": since, "listed_at": since, "as_of": since}
        made["record"] |= {"expectation": claimed, "agreement": "enforced"}
        lines.append(msgspec.json.encode(made))
    assert statuses((await hub.send(token, lines))[1]) == ["stored"] * 5
    with closing(sqlite3.connect(hub.db)) as db:
        assert set(db.execute("SELECT register, listed, since, agreement FROM findings")) == {
            (None, None, None, "undecided")
        }
    for page in ("/", f"/m/{'2' * 16}", "/listed", "/unlisted", "/silent", "/matrix.csv"):
        status, _, text = await hub.get(page)
        assert status == 200
        assert "rkn" not in text
        assert "149-FZ" not in text


async def test_controls_of_another_measurement_in_an_upload_are_left_out_or_refused(hub: RunningHub) -> None:
    token = await hub.enrol(NAME)
    made = msgspec.json.decode(record("a" * 16))
    made["record"]["controls"] = []
    others = msgspec.json.decode(record("b" * 16))["record"]["measurement"] | {"id": "other-control-01"}
    for control_of in (None, "c" * 16):
        foreign = made | {"record": {**made["record"], "controls": [{**others, "control_of": control_of}]}}
        assert statuses((await hub.send(token, [msgspec.json.encode(foreign)]))[1]) == ["refused"]
        foreign["record"]["context"] = {**made["record"]["context"], "recorded": ["other-control-01"]}
        judged, _ = read_record(msgspec.json.encode(foreign), NAME)
        assert (judged.controls, judged.context.recorded) == ((), ())
        assert statuses((await hub.send(token, [msgspec.json.encode(foreign)]))[1])[0] in ("stored", "known")
    with closing(sqlite3.connect(hub.db)) as db:
        assert db.execute("SELECT id FROM measurements").fetchall() == [("a" * 16,)]
        assert "other-control-01" not in "\n".join(db.iterdump())


def test_what_is_acknowledged_is_written_through_to_the_disk(tmp_path: Path) -> None:
    seen: list[int] = []

    def judge_by(store: Store) -> Judge:
        seen.append(store.db.execute("PRAGMA synchronous").fetchone()[0])
        return lambda judged: judged

    with closing(Collector(tmp_path / "hub.db", judge_by)):
        pass
    assert seen == [2]
