"""Exports for others, signed and under a licence; merging; and what is taken of what others sign."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from results.db.store import Store
from schedules import cli
from tests.results.records import finished, measurement, target

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    """One command line against the database `name`: exit code, stdout, stderr."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("REACHPROBE_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text("")

    def invoke(name: str | None, *arguments: str | Path) -> tuple[int, str, str]:
        database = ["--db", str(tmp_path / f"{name}.db")] if name else []
        code = cli.call([*database, *map(str, arguments)])
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return invoke


@pytest.fixture
def ours(tmp_path: Path) -> str:
    formula = measurement("bbbb000000000000", target=target(service="=cmd|' /C calc'!A0"))
    store = Store.open(tmp_path / "ours.db")
    store.save([finished("aaaa000000000000"), finished(measurement=formula)])
    store.close()
    return "ours"


def test_csv_has_a_column_for_each_thing_and_no_formula(call: Call, ours: str) -> None:
    code, out, err = call(ours, "results", "export", "--format", "csv", "--licence", "CC0-1.0")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, err, len(rows)) == (0, "", 2)
    assert {row["licence"] for row in rows} == {"CC0-1.0"}
    assert {(row["asn"], row["outcome"], row["method"]) for row in rows} == {("12389", "reachable", "")}
    assert [row["service"] for row in rows] == ["", "'=cmd|' /C calc'!A0"]


def test_parquet_is_the_same_table(call: Call, ours: str, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the extra reachprobe[parquet] is not installed")
    file = tmp_path / "it's.parquet"
    code, _, err = call(ours, "results", "export", "--format", "parquet", "--licence", "CC-BY-4.0", "-o", file)
    assert (code, err) == (0, f"2 measurements written to {file}\n")
    rows = duckdb.read_parquet(str(file)).fetchall()
    assert len(rows) == 2
    assert duckdb.execute("SELECT decode(value) FROM parquet_kv_metadata(?)", [str(file)]).fetchall() == [
        ("CC-BY-4.0",)
    ]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".it")) == []


def test_parquet_without_what_writes_it_says_what_to_install(
    call: Call, ours: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    code, _, err = call(ours, "results", "export", "--format", "parquet", "-o", tmp_path / "out.parquet")
    assert code == 2
    assert "pip install 'reachprobe[parquet]'" in err
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("format_", ["jsonl", "ooni"])
def test_the_licence_goes_with_the_data_and_the_data_come_back(
    call: Call, ours: str, tmp_path: Path, format_: str
) -> None:
    file = tmp_path / "out"
    assert call(ours, "results", "export", "--format", format_, "--licence", "CC-BY-4.0", "-o", file)[0] == 0
    assert b'"licence":"CC-BY-4.0"' in file.read_bytes()
    code, out, err = call("theirs", "results", "import", "--json", "--format", format_, file)
    assert (code, len(out.splitlines())) == (0, 2)
    assert "measurements added: 2, already present: 0; lines skipped: 0" in err
    code, out, _ = call(None, "compare", "--json", "--rows", "target", file)
    assert (code, [json.loads(line)["cells"][0]["measurements"] for line in out.splitlines()]) == (0, [2])


def test_what_is_signed_is_taken_and_what_was_changed_is_refused_whole(call: Call, ours: str, tmp_path: Path) -> None:
    code, public, _ = call(None, "results", "key", tmp_path / "my.key")
    assert code == 0
    file = tmp_path / "out.jsonl"
    signed = (
        "results",
        "export",
        "--format",
        "jsonl",
        "--licence",
        "CC0-1.0",
        "--sign",
        tmp_path / "my.key",
        "-o",
        file,
    )
    assert call(ours, *signed)[0] == 0
    take = ("results", "import", "--json", "--format", "jsonl", "--verify")
    code, out, err = call("theirs", *take, public.strip(), file)
    assert (code, len(out.splitlines())) == (0, 2)
    assert "valid signature: reachprobe, 2 measurements; format jsonl; licence CC0-1.0" in err
    file.write_bytes(file.read_bytes().replace(b"reachable", b"blockable", 1))
    code, out, err = call("new", *take, tmp_path / "my.key.pub", file)
    assert (code, out) == (2, "")
    assert "changed or truncated since it was signed" in err
    assert not (tmp_path / "new.db").exists()


def test_a_signature_needs_a_file_and_a_key(call: Call, ours: str, tmp_path: Path) -> None:
    call(None, "results", "key", tmp_path / "my.key")
    assert call(ours, "results", "export", "--format", "csv", "--sign", tmp_path / "my.key")[0] == 2
    code, _, err = call(ours, "results", "export", "--format", "csv", "--sign", tmp_path / "no", "-o", tmp_path / "out")
    assert code == 2
    assert "cannot be read" in err
    assert not (tmp_path / "out").exists()
    code, _, err = call(None, "results", "key", tmp_path / "my.key")
    assert code == 2
    assert "the file exists already" in err


def test_databases_are_merged_into_the_first_or_into_that_of_the_command_line(
    call: Call, ours: str, tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "theirs.db")
    store.save([finished("cccc000000000000"), finished("aaaa000000000000")])
    store.close()
    both = (tmp_path / "ours.db", tmp_path / "theirs.db")
    code, out, err = call("all", "results", "merge", "--json", *both)
    counts = {"added": 3, "known": 1, "conflicts": 0, "skipped": 0}
    assert (code, json.loads(out)) == (0, {"into": str(tmp_path / "all.db"), **counts})
    assert err == "measurements added: 3, already present: 1; lines skipped: 0\n"
    code, _, err = call(None, "results", "merge", *both)
    assert (code, err) == (0, "measurements added: 1, already present: 1; lines skipped: 0\n")
    ids = [
        sorted(json.loads(line)["measurement_id"] for line in call(name, "results", "list", "--json")[1].splitlines())
        for name in ("ours", "all")
    ]
    assert ids[0] == ids[1] == ["aaaa000000000000", "bbbb000000000000", "cccc000000000000"]


def test_merging_with_nothing_or_with_what_is_not_there_is_a_mistake(call: Call, ours: str, tmp_path: Path) -> None:
    assert call(None, "results", "merge", tmp_path / "ours.db")[0] == 2
    code, _, err = call(None, "results", "merge", tmp_path / "ours.db", tmp_path / "nothing.db")
    assert code == 2
    assert "nothing.db: no such database" in err
    assert not (tmp_path / "nothing.db").exists()
