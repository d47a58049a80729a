"""What keeps an unattended round from measuring: a pause, a month's data, a network paid for by the byte."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import time_machine
from hypothesis import given

from probe.model import Http, Tcp, Tls
from results.db import read
from results.db import store as pauses
from results.db.store import Store
from results.judge.traffic import bytes_of, month_of, next_month, spent_in
from schedules.agent.agent import Agent
from schedules.config.load import load
from schedules.config.schema import CareTable, Config, NetworkTable
from schedules.config.toml import ConfigError
from schedules.round import unattended
from schedules.round.data_cap import Budget
from schedules.round.unattended import by_network_manager, reason_to_skip
from tests.results.generated import measurements
from tests.results.records import finished, measurement, observation
from tests.schedules.agent.test_agent import BEGIN, World
from tests.schedules.lab import Lab, rows

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def why_not(store: Store, config: Config | None = None, after: timedelta = timedelta(0)) -> str | None:
    return reason_to_skip(config or Config(), store, (NOW + after).timestamp(), metered=lambda _: None)


def test_a_pause_ends_by_itself_or_when_it_is_told_to(store: Store) -> None:
    assert why_not(store) is None
    pauses.pause(store, "2026-11-27T12:00:00.000Z")
    assert "measuring is paused until 27 November 2026, 12:00 UTC; `reachprobe resume`" in str(why_not(store))
    assert why_not(store, after=timedelta(days=3)) is None
    pauses.pause(store, None)
    assert "until further notice" in str(why_not(store, after=timedelta(days=4000)))
    assert pauses.resume(store, "2026-11-24T12:00:00.000Z")
    assert not pauses.resume(store, "2026-11-24T12:00:00.000Z")
    assert why_not(store) is None


async def test_while_it_pauses_run_measures_nothing_and_check_does_as_it_is_told(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lab.call("pause", "--for", "3d") == 0
    assert "Measurements are paused until " in capsys.readouterr().out
    assert await lab.call("run", "--all", "--json") == 0
    said = capsys.readouterr()
    assert (said.out, "`reachprobe resume` continues" in said.err) == ("", True)
    assert await lab.call("check", "--json", lab.good.url) == 0
    assert len(rows(capsys.readouterr().out)) == 1
    assert await lab.call("resume") == 0
    assert await lab.call("run", "--all", "--json") == 0
    assert rows(capsys.readouterr().out.split("\n", 1)[1])
    assert await lab.call("pause", "--for", "999999d") == 0


def test_resume_where_there_is_no_database_says_so(lab_free_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from schedules import cli

    assert cli.call(["--db", str(lab_free_home / "none.db"), "resume"]) == 2
    assert "no database yet" in capsys.readouterr().err


@pytest.fixture
def lab_free_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with time_machine.travel(BEGIN, tick=False) as clock:
        yield World(tmp_path, clock)


async def test_the_agent_says_once_that_it_pauses_and_goes_on_by_itself(world: World) -> None:
    assert isinstance(world.agent, Agent)
    with_pause = Store.open(world.database)
    pauses.pause(with_pause, (BEGIN + timedelta(days=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    with_pause.close()
    await world.start()
    await world.live(timedelta(hours=23))
    assert not world.measured
    assert [said.split(";")[0] for said in world.said] == ["measuring is paused until 2 February 2026, 00:00 UTC"]
    await world.live(timedelta(hours=2))
    assert len(world.measured) == 4
    world.scheduler.shutdown()


async def test_an_mmdb_file_that_goes_while_the_agent_runs_is_said_and_tried_again_after_a_pause(world: World) -> None:
    def locate(config: Config) -> Config:
        raise ConfigError("[asn] gone.mmdb: cannot be read as an MMDB file")

    world.agent._source = world.agent._source._replace(locate=locate)
    await world.start()
    await world.live(timedelta(minutes=20))
    assert world.said[0] == "[asn] gone.mmdb: cannot be read as an MMDB file; retrying in 15 minutes"
    world.agent._source = world.agent._source._replace(locate=lambda config: config)
    await world.live(timedelta(minutes=20))
    assert len(world.measured) == 4
    world.scheduler.shutdown()


async def test_a_round_stops_where_the_months_data_are_used_up_and_the_next_month_goes_on(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure("\n[care]\ndata_cap_mb = 1\n")
    store = Store.open(lab.db)
    month = month_of(datetime.now(UTC))
    with store.writing():
        store.db.execute("INSERT INTO traffic VALUES (?, 999000)", [month])
    assert await lab.call("run", "--json") == 0
    said = capsys.readouterr()
    assert f"data cap for {month} reached: 1 of 1 MB ([care] data_cap_mb); measuring resumes on" in said.err
    assert len(rows(said.out)) <= 1
    spent = spent_in(store.db, month)
    assert await lab.call("run", "--json") == 0
    assert (capsys.readouterr().out, spent_in(store.db, month)) == ("", spent)
    assert await lab.call("check", "--json", lab.good.url) == 0
    assert (capsys.readouterr().out, spent_in(store.db, month)) == ("", spent), "not even the canaries are asked"
    later = next_month(datetime.now(UTC)).timestamp()
    assert reason_to_skip(load(lab.folder / "c.toml", {}, {}), store, later, metered=lambda _: None) is None
    store.close()


async def test_what_a_round_costs_is_in_the_database_with_it_and_what_is_imported_costs_nothing(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await lab.call("check", "--json", lab.good.url, lab.reset.url) == 0
    store = Store.open(lab.db)
    month = month_of(datetime.now(UTC))
    spent = spent_in(store.db, month)
    ids = [row[0] for row in store.db.execute("SELECT id FROM measurements")]
    kept = sum(bytes_of(read.measurement(store.db, one)) for one in ids)
    assert spent > kept > 5000, "the canaries cost too, and are not kept"
    capsys.readouterr()
    assert await lab.call("results", "export", "--format", "jsonl") == 0
    (lab.folder / "all.jsonl").write_text(capsys.readouterr().out)
    other = Store.open(lab.folder / "other.db")
    assert (
        await lab.call("--db", str(other.path), "results", "import", "--format", "jsonl", str(lab.folder / "all.jsonl"))
        == 0
    )
    assert (len(list(other.rows())) > 0, spent_in(other.db, month)) == (True, 0)
    other.close()
    store.close()


def test_a_transaction_that_fails_costs_nothing(store: Store) -> None:
    twice = finished()
    with pytest.raises(Exception, match="UNIQUE"):
        store.save([twice, twice], spent=("2026-11", 5000))
    assert spent_in(store.db, "2026-11") == 0


@given(measurements("m" * 16))
def test_what_a_measurement_costs_is_never_less_than_what_its_record_holds(made: object) -> None:
    assert bytes_of(made) >= sum(  # type: ignore[arg-type]
        (o.detail.received or 0) if isinstance(o.detail, Http) else sum(map(len, getattr(o.detail, "chain", ())))
        for o in made.observations  # type: ignore[attr-defined]
    )


def test_a_page_and_a_chain_weigh_what_they_weigh_and_some_heads() -> None:
    steps = (
        observation("m" * 16, 1, "tcp", Tcp(family="ipv4")),
        observation("m" * 16, 2, "tls", Tls(server_name="x", chain=(b"x" * 3000,))),
        observation("m" * 16, 3, "http", Http(url="https://x/", status=200, received=500_000)),
    )
    assert 1.04 < bytes_of(measurement(observations=steps)) / 503_000 < 1.10


@pytest.mark.parametrize(
    ("now", "begins"),
    [("2026-11-30T23:59:59+00:00", "2026-12-01"), ("2026-12-31T23:59:59+00:00", "2027-01-01"),
     ("2026-12-01T01:00:00+03:00", "2026-12-01")],
)  # fmt: skip
def test_months_begin_in_utc(now: str, begins: str) -> None:
    assert next_month(datetime.fromisoformat(now)).date().isoformat() == begins


def test_without_a_cap_nothing_is_used_up(store: Store) -> None:
    budget = Budget(Config(), store, NOW)
    budget.add([measurement()] * 1000)
    assert not budget.used_up


def test_a_metered_network_is_left_alone_unless_that_is_allowed(store: Store) -> None:
    said = reason_to_skip(Config(), store, NOW.timestamp(), metered=lambda _: "wwan0")
    assert said is not None
    assert "wwan0 is a metered connection" in said
    allowed = Config(network=NetworkTable(metered="measure"))
    assert reason_to_skip(allowed, store, NOW.timestamp(), metered=lambda _: "wwan0") is None


@pytest.mark.parametrize(
    ("answer", "metered"),
    [("yes", "eth0"), ("yes (guessed)", "eth0"), ("no", None), ("no (guessed)", None), ("unknown", None)],
)
def test_what_network_manager_says_is_understood(
    answer: str, metered: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nmcli"
    tool.write_text(f'#!/bin/sh\n[ "$6" = eth0 ] && echo "GENERAL.METERED:{answer}"\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert by_network_manager(["eth0"]) == metered


def test_a_network_manager_that_hangs_or_is_not_there_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert by_network_manager(["eth0"]) is None
    tool = tmp_path / "nmcli"
    tool.write_text("#!/bin/sh\nexec sleep 60\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(unattended, "NMCLI_TIMEOUT_S", 0.2)
    assert by_network_manager(["eth0"]) is None


def test_a_cap_is_a_number_of_megabytes() -> None:
    assert CareTable(data_cap_mb=500).cap_bytes == 500_000_000
    assert msgspec.structs.replace(CareTable(), data_cap_mb=None).cap_bytes is None


async def test_doctor_tells_of_a_pause_the_months_data_and_what_is_left_out(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    (lab.folder / "list.csv").write_text(f"url,category_code\n{lab.good.url},PORN\n")
    campaign = f'\n[[campaign]]\nname = "l"\nlist = "{lab.folder}/list.csv"\n'
    lab.configure(campaign + '[care]\ndata_cap_mb = 7\nleave_out = ["PORN"]\n')
    assert await lab.call("pause") == 0
    capsys.readouterr()
    await lab.call("doctor", "--json")
    said = {(row["about"], row["says"]) for row in rows(capsys.readouterr().out)}
    assert ("rounds", "measuring is paused until further notice; `reachprobe resume` continues") in said
    assert ("data cap", f"0 of 7 MB used in {month_of(datetime.now(UTC))}") in said
    assert ("campaigns", "excluded by [care]: PORN 1") in said
    assert ("asn", "AS64496, declared in [vantage]") in said


async def test_doctor_names_an_mmdb_file_that_cannot_be_read(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.configure('\n[asn]\nmmdb = "/nowhere/asn.mmdb"\n')
    assert await lab.call("doctor", "--json") == 2
    assert "[asn] /nowhere/asn.mmdb: cannot be read as an MMDB file" in capsys.readouterr().out
    assert await lab.call("run") == 2
    assert "[asn] /nowhere/asn.mmdb: cannot be read" in capsys.readouterr().err
