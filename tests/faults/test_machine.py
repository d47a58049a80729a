"""What a home machine does to a round: clocks jump, disks fill or may not be written, others hold the database."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from probe.net import resolver as resolvers
from probe.net.network import RealNetwork
from results.db import connect
from tests.faults.whole import fill, kept, small_disk
from tests.lab import dns_behaviours
from tests.schedules.lab import Lab, rows


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400)], ids=["ahead", "back"])
async def test_a_clock_that_jumps_in_a_round_costs_no_row_and_no_time_is_negative(
    lab: Lab, jump: timedelta, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count()
    monkeypatch.setattr(
        RealNetwork, "now", lambda _: datetime.now(UTC) + (jump if next(looks) % 7 > 3 else timedelta())
    )
    urls = [f"{lab.good.url}{number}" for number in range(8)] + [lab.reset.url]
    assert await lab.call("check", *urls, "--json") == 0
    found = rows(capsys.readouterr().out)
    assert sorted(row["target"] for row in found) == sorted(urls)
    assert all(0 <= row["runtime_s"] < 60 for row in found)
    assert {row["measurement_id"] for row in found} <= kept(lab.db)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that cannot be written, by root neither."""
    if os.geteuid() != 0:
        folder.chmod(0o500)
        try:
            yield
        finally:
            folder.chmod(0o700)
        return
    if subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True).returncode:
        pytest.skip("root may not mount here, and may write anywhere")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("before", [True, False], ids=["with a database", "without one"])
async def test_a_folder_that_cannot_be_written_is_said_and_what_is_there_stays(
    lab: Lab, before: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    place = lab.folder / "place"
    place.mkdir()
    lab.db = place / "x.db"
    if before:
        assert await lab.call("check", lab.good.url, "--json") == 0
    capsys.readouterr()
    with read_only(place):
        assert await lab.call("check", lab.good.url, "--json") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert "choose another" in captured.err
    assert await lab.call("check", lab.good.url, "--json") == 0
    assert len(kept(lab.db)) == 1 + before


async def test_a_disk_that_fills_in_the_middle_of_a_round_ends_it_and_what_was_said_is_kept(lab: Lab) -> None:
    with small_disk(lab.folder) as disk:
        lab.db = disk / "x.db"
        urls = [f"{lab.good.url}{number}" for number in range(400)]
        process = await lab.start("check", *urls, "--json")
        assert process.stdout is not None
        first = await process.stdout.readline()
        filling = fill(disk)
        rest, said = await process.communicate()
        assert process.returncode == 2
        assert said.decode() == f"reachprobe: {lab.db}: the disk is full; free some space; no stored data was lost\n"
        told = {json.loads(line)["measurement_id"] for line in (first + rest).splitlines()}
        assert 0 < len(told) < len(urls)
        filling.unlink()
        assert told <= kept(lab.db)
        assert await lab.call("check", lab.good.url, "--json") == 0
        assert len(kept(lab.db)) > len(told)


async def test_a_full_disk_before_a_round_is_said_and_measures_again_when_there_is_room(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(lab.folder) as disk:
        lab.db = disk / "x.db"
        assert await lab.call("check", lab.good.url, "--json") == 0
        filling = fill(disk)
        capsys.readouterr()
        assert await lab.call("check", lab.good.url, "--json") == 2
        captured = capsys.readouterr()
        assert "full" in captured.err
        filling.unlink()
        assert await lab.call("check", lab.good.url, "--json") == 0
        assert len(kept(lab.db)) == 2


async def test_a_database_that_another_writer_holds_too_long_is_said_and_the_next_round_goes_on(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await lab.call("check", lab.good.url, "--json") == 0
    monkeypatch.setattr(connect, "BUSY_TIMEOUT_S", 0.05)
    capsys.readouterr()
    with closing(sqlite3.connect(lab.db, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert await lab.call("check", lab.good.url, "--json") == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert "locked by another program; try again later" in captured.err
    assert await lab.call("check", lab.good.url, "--json") == 0
    assert len(kept(lab.db)) == 2


async def test_a_reader_that_never_ends_holds_no_round_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await lab.call("check", lab.good.url, "--json") == 0
    monkeypatch.setattr(connect, "BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(lab.db, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT count(*) FROM measurements").fetchone()
        for _ in range(3):
            assert await lab.call("check", lab.good.url, "--json") == 0
        assert reader.execute("SELECT count(*) FROM measurements").fetchone() == before
    assert len(kept(lab.db)) == 4


async def test_without_resolv_conf_and_without_an_answer_every_row_is_there_and_offline(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(resolvers, "RESOLV_CONF", lab.folder / "resolv.conf")
    monkeypatch.setattr(socket, "getaddrinfo", fails)
    text = (lab.folder / "c.toml").read_text()
    used = next(line for line in text.splitlines() if line.startswith("resolvers"))
    (lab.folder / "c.toml").write_text(text.replace(used, 'resolvers = ["system"]'))
    assert await lab.call("check", lab.good.url, lab.reset.url, "--json") == 69
    assert [row["outcome"] for row in rows(capsys.readouterr().out)] == ["offline"] * 2


async def test_dns_that_never_answers_ends_by_its_deadline_and_is_named(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.net.lies["good.x.test"] = dns_behaviours.silence
    lab.configure()
    (lab.folder / "c.toml").write_text((lab.folder / "c.toml").read_text().replace("timeout_s = 5", "timeout_s = 0.3"))
    assert await lab.call("check", lab.good.url, "--json") == 0
    (row,) = rows(capsys.readouterr().out)
    assert (row["outcome"], row["method"]) == ("blocked", "dns.timeout")
