"""`results export` and `results import`, as people and scripts use them."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest

from results.db.store import Store
from results.i18n.translator import english
from results.judge.judged import Agreement, RoundRecord
from schedules import cli
from tests.results.ooni.records import GOOD, handshake, line, older, query, reachable, record, request
from tests.results.records import finished, measurement

Call = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    """One command line against the database `name`: exit code, the lines on stdout, the talk on stderr."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("REACHPROBE_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text("")

    def invoke(name: str, *arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
        code = cli.call(["--db", str(tmp_path / f"{name}.db"), *map(str, arguments)])
        out, err = capfdbinary.readouterr()
        return code, [json.loads(one) for one in out.splitlines()], err.decode()

    return invoke


@pytest.fixture
def ours(tmp_path: Path) -> str:
    """A database with two measurements, one of them with a control."""
    control = measurement("control000000000", control_of="2kq7mmmmmmmmmmmm")
    store = Store.open(tmp_path / "ours.db")
    store.save_round(RoundRecord(id="round1", started_at="2026-11-24T17:59:00.000Z", network="online"))
    store.save([finished("aaaa000000000000", round_id="round1"), finished(controls=(control,), round_id="round1")])
    store.close()
    return "ours"


def rows(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["measurement_id"], one["outcome"]) for one in lines]


@pytest.mark.parametrize("format_", ["jsonl", "ooni"])
def test_what_is_exported_is_imported_and_each_measurement_is_one_line(
    call: Call, ours: str, tmp_path: Path, format_: str
) -> None:
    file = tmp_path / f"out.{format_}"
    code, lines, err = call(ours, "results", "export", "--format", format_, "-o", file)
    assert (code, lines, err) == (0, [], f"2 measurements written to {file}\n")
    code, first, err = call("theirs", "results", "import", "--json", "--format", format_, file)
    assert (code, err) == (0, "measurements added: 2, already present: 0; lines skipped: 0\n")
    code, again, err = call("theirs", "results", "import", "--json", "--format", format_, file)
    assert (code, err) == (0, "measurements added: 0, already present: 2; lines skipped: 0\n")
    assert first == again
    assert sorted(rows(first)) == [("2kq7mmmmmmmmmmmm", "reachable"), ("aaaa000000000000", "reachable")]
    code, listed, _ = call("theirs", "results", "list", "--json")
    assert sorted(listed, key=str) == sorted(first, key=str)


@pytest.mark.parametrize("format_", ["jsonl", "ooni"])
def test_without_a_file_the_export_is_on_stdout(call: Call, ours: str, format_: str) -> None:
    code, lines, err = call(ours, "results", "export", "--format", format_)
    assert (code, len(lines), err) == (0, 2, "")


def rows_in_the_readme() -> list[tuple[str, ...]]:
    """Host, outcome and agreement of each target in the README's output of the demo."""
    readme = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    names = {str(english()[f"agreement.{name}"]): name for name in get_args(Agreement)}
    agreement = "|".join(sorted(names, key=len, reverse=True))
    row = rf"^[✓✗!~] (?:http://)?([\w.-]+):\d+ +(\w+) .*(?:not listed|\d) +({agreement})$"
    return [(host, outcome, names[said]) for host, outcome, said in re.findall(row, readme, re.MULTILINE)]


def host(row: dict[str, Any]) -> str:
    return str(urlsplit(row["target"]).hostname)


def test_the_whole_demo_goes_out_and_comes_back(call: Call, tmp_path: Path) -> None:
    code, told, _ = call("demo", "demo", "--json")
    assert (code, len(told)) == (0, 13)
    assert sorted(rows_in_the_readme()) == sorted((host(one), one["outcome"], one["agreement"]) for one in told)
    before = call("demo", "results", "list", "--json")[1]
    for format_ in ("jsonl", "ooni"):
        file = tmp_path / format_
        assert call("demo", "results", "export", "--format", format_, "-o", file)[0] == 0
        code, taken, err = call(format_, "results", "import", "--json", "--format", format_, file)
        assert (code, err) == (0, f"measurements added: {len(before)}, already present: 0; lines skipped: 0\n")
        assert {one["measurement_id"] for one in taken} == {one["measurement_id"] for one in before}
        assert sorted(call(format_, "results", "list", "--json")[1], key=str) == sorted(before, key=str)
        again = call(format_, "results", "export", "--format", format_)[1]
        assert again == [json.loads(one) for one in file.read_bytes().splitlines()]


def test_records_of_ooni_s_are_judged_and_listed_under_their_own_network(call: Call, tmp_path: Path) -> None:
    nxdomain = {"failure": "dns_nxdomain_error", "depth": None}
    denied = older(
        queries=[query(engine="system", **nxdomain)], tcp_connect=[], tls_handshakes=[], requests=[request(**nxdomain)]
    )
    file = tmp_path / "20261120.jsonl.gz"
    file.write_bytes(
        gzip.compress(line(reachable()) + b"\n" + line(denied, "0.4.3", measurement_uid="another") + b"\n")
    )
    code, found, err = call("new", "results", "import", "--json", file, "--format", "ooni")
    assert (code, err) == (0, "measurements added: 2, already present: 0; lines skipped: 0\n")
    assert [(one["outcome"], one["method"], one["confidence"]) for one in found] == [
        ("reachable", None, "confirmed"),
        ("blocked", "dns.nxdomain", "probable"),
    ]
    assert {one["vantage"]["name"] for one in found} == {"ooni-RU-AS12389"}
    assert found[1]["control"] == "ooni-test-helper"
    assert found[1]["started_at"] == "2026-11-20T15:37:00.000Z"
    code, listed, _ = call("new", "results", "list", "--json", "--vantage", "ooni-RU-AS12389", "--outcome", "blocked")
    assert rows(listed) == rows(found[1:])
    assert listed[0]["network"] == "online"


def test_a_record_over_many_lines_is_read_as_well(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "measurement.json"
    file.write_text(json.dumps(record(reachable()), indent=2))
    assert rows(call("new", "results", "import", "--json", file, "--format", "ooni")[1])[0][1] == "reachable"


def test_what_cannot_be_read_is_told_with_its_line_and_the_rest_is_kept(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    rude = line({"queries": [query(GOOD)], "tcp_connect": [{"ip": "\u001b[2J\u202e", "port": 1, "status": {}}]})
    file.write_bytes(b"\n".join([b"rubbish", line(reachable()), line({}, test_name="telegram"), rude, b'{"x":' * 9999]))
    code, lines, err = call("new", "results", "import", "--json", file, "--format", "ooni")
    assert (code, len(lines)) == (0, 1)
    told = err.splitlines()
    assert [one.split(": ")[0] for one in told[:-1]] == [f"mixed.jsonl:{number}" for number in (1, 3, 4, 5)]
    assert "a record of the test telegram without any step" in told[1]
    assert "nested too deep" in told[3]
    assert told[-1] == "measurements added: 1, already present: 0; lines skipped: 4"
    assert all(one.isprintable() for one in told)


def test_of_many_bad_lines_the_first_are_told_and_the_others_counted(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(b"{}\n" * 50)
    told = call("new", "results", "import", "--json", file, "--format", "jsonl")[2].splitlines()
    assert len(told) == 23
    assert told[-3:-1] == ["30 more lines skipped", "measurements added: 0, already present: 0; lines skipped: 50"]
    assert told[-1].endswith("bad.jsonl: no readable measurement")


def test_two_measurements_with_one_id_are_said(call: Call, ours: str, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    call(ours, "results", "export", "--format", "jsonl", "-o", file)
    file.write_text(file.read_text().replace('"runtime_s":0.41', '"runtime_s":9.5'))
    code, _, err = call(ours, "results", "import", "--json", file, "--format", "jsonl")
    assert code == 0
    assert "two different measurements have this id; kept both" in err
    assert len(call(ours, "results", "list", "--json")[1]) == 4


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file"),
        (gzip.compress(b"{}\n" * 1000, mtime=0)[:-9], "truncated or damaged"),
        (b"\x28\xb5\x2f\xfd....", "truncated or damaged"),
        (b"\x04\x22\x4d\x18....", "lz4 -d"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_mistake(call: Call, tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    code, _, err = call("new", "results", "import", "--json", file, "--format", "ooni")
    assert code == 2
    assert why in err
    assert str(file) in err


def test_no_database_no_format_and_no_place_for_the_file_are_mistakes(call: Call, ours: str, tmp_path: Path) -> None:
    assert call("nowhere", "results", "export", "--format", "ooni")[0] == 2
    assert call(ours, "results", "export")[0] == 2
    assert call(ours, "results", "import", "--json", "--format", "ooni")[0] == 2
    code, _, err = call(ours, "results", "export", "--format", "ooni", "-o", tmp_path / "no" / "where")
    assert (code, err.count("\n")) == (2, 1)
    assert not (tmp_path / "no").exists()


def test_a_file_that_cannot_be_finished_leaves_the_old_one(call: Call, ours: str, tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text("the old one")
    assert call("nowhere", "results", "export", "--format", "jsonl", "-o", file)[0] == 2
    assert file.read_text() == "the old one"
    assert [one.name for one in tmp_path.glob(".out*")] == []


def test_a_pipe_is_written_to_and_not_replaced(call: Call, ours: str) -> None:
    assert call(ours, "results", "export", "--format", "jsonl", "-o", "/dev/null")[0] == 0
    assert Path("/dev/null").is_char_device()


def test_without_json_there_is_a_summary(call: Call, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    reset = reachable() | {"tls_handshakes": [handshake(failure="connection_reset")], "requests": []}
    file = tmp_path / "some.jsonl"
    file.write_bytes(line(reachable()) + b"\n" + line(reset, measurement_uid="another") + b"\n")
    assert cli.call(["--db", str(tmp_path / "new.db"), "results", "import", str(file), "--format", "ooni"]) == 0
    out, err = capfdbinary.readouterr()
    assert out.decode().splitlines() == ["reachable: 1", "blocked: 1 (TLS: reset 1)"]
    assert err.decode() == "measurements added: 2, already present: 0; lines skipped: 0\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no readable measurement"),
        (b"not JSON\n", "no readable measurement"),
        (b'{"test_name": "web_connectivity", "probe_asn": 1}', "no readable measurement"),
        (b"[]", "no readable measurement"),
    ],
)
def test_a_file_in_which_nothing_is_read_is_a_mistake_and_the_others_are_kept(
    call: Call, tmp_path: Path, content: bytes, why: str
) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_bytes(line(reachable()))
    bad.write_bytes(content)
    code, lines, err = call("new", "results", "import", "--json", "--format", "ooni", bad, good)
    assert (code, len(lines)) == (2, 1)
    assert f"{bad}: {why}" in err
    assert str(good) not in err


def test_a_damaged_file_does_not_keep_the_next_from_being_read(call: Call, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl.gz"
    good.write_bytes(line(reachable()))
    bad.write_bytes(gzip.compress(line(reachable(), measurement_uid="first") + b"\n" + b" " * 100_000)[:-20])
    code, lines, err = call("new", "results", "import", "--json", "--format", "ooni", bad, good)
    assert code == 2
    assert len(lines) >= 1
    assert "truncated or damaged" in err


@pytest.mark.parametrize("closed", ["| head -c 1 > /dev/null", ">&-"])
def test_a_closed_stdout_does_not_stop_an_import(closed: str, tmp_path: Path) -> None:
    file = tmp_path / "many.jsonl"
    file.write_bytes(b"\n".join(line(reachable(), measurement_uid=f"uid{n}") for n in range(60)))
    program = [sys.executable, "-c", "from schedules.cli import main; main()", "--db", str(tmp_path / "x.db")]
    command = shlex.join([*program, "results", "import", "--json", "--format", "ooni", str(file)])
    shell = ["bash", "-o", "pipefail", "-c", f"{command} {closed}"]
    root = Path(__file__).parents[3]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=120, cwd=root, check=False)
    assert (done.returncode, done.stderr) == (0, "measurements added: 60, already present: 0; lines skipped: 0\n")
    with Store.open(tmp_path / "x.db") as store:
        assert len(list(store.rows())) == 60
