"""`reachprobe register`, as people and scripts use it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from results.registers import sample_path
from schedules.cli import _register as say
from schedules.cli import call


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command with a database that lasts for the test."""

    def invoke(*arguments: str | Path, stdin: str = "", config: Path | None = None) -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        before = ["--db", str(tmp_path / "reachprobe.db"), *(["--config", str(config)] if config else [])]
        code = call([*before, "register", *map(str, arguments)])
        return Result(code, *capsys.readouterr())

    return invoke


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.csv"
    path.write_bytes(
        "Updated: 2017-05-08 09:00:00 +0000\n1.2.3.4;a.com;;Роскомнадзор;1-Restricting;2017-05-04\nrubbish\n".encode(
            "cp1251"
        )
    )
    return path


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_an_import_ends_with_one_line_of_counts(run: Run, dump: Path):
    result = run("import", dump, "--as", "rkn", "--country", "RU", "--json")
    assert result.exit_code == 0
    assert lines(result)[-1] == {"rows": 2, "kept": 1, "skipped": 1, "entries": 1, "updated": "2017-05-08T09:00:00Z"}
    assert lines(result)[0] == {"why": "1 columns instead of 6", "problems": 1}
    assert result.stderr == "dump.csv:3: 1 columns instead of 6 (skipped)\n"


def test_an_import_for_people_says_what_was_read_and_why_not_all(run: Run, dump: Path):
    result = run("import", dump)
    assert "rkn (RU), zapret-csv, version 8 May 2017, 09:00 UTC" in result.stdout
    assert "2 rows: imported 1, skipped 1" in result.stdout
    assert "1 × 1 columns instead of 6" in result.stdout


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01", b"Updated: 2017-05-09 09:00:00 +0000\n1.2.3.4;b.com;;x;1;2017-0"]
)
def test_a_file_that_is_not_whole_is_one_line_exit_2_and_the_register_stays(run: Run, dump: Path, content: bytes):
    run("import", dump)
    broken = dump.with_name("broken.csv")
    broken.write_bytes(content)
    result = run("import", broken)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("reachprobe: ")
    assert len(result.stderr.splitlines()) == 1
    assert "broken.csv" in result.stderr
    assert lines(run("lookup", "a.com", "--json"))[0]["listed"] is True


def test_a_look_up_prints_the_documented_line(run: Run, dump: Path):
    run("import", dump)
    (row,) = lines(run("lookup", "https://A.com/x", "--json"))
    assert row["target"] == "https://A.com/x"
    assert (row["register"], row["listed"], row["since"], row["basis"]) == ("rkn", True, "2017-05-04", "149-FZ 15.4")
    assert row["block_type"] == "domain"
    (entry,) = row["entries"]
    assert {"id", "decision_number", "decision_date", "authority", "first_seen", "last_seen"} <= entry.keys()
    assert (entry["decision_number"], entry["authority"], entry["last_seen"]) == ("1-Restricting", "Роскомнадзор", None)


def test_targets_come_from_standard_input_one_a_line(run: Run, dump: Path):
    run("import", dump)
    result = run("lookup", "-", "--json", stdin="a.com\n\nb.com\r\n")
    assert [(row["target"], row["listed"]) for row in lines(result)] == [("a.com", True), ("b.com", False)]


def test_one_bad_target_refuses_the_whole_look_up(run: Run, dump: Path):
    run("import", dump)
    for bad in ("http://wechat/", "chatter"):
        result = run("lookup", "a.com", bad, "--json")
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert result.stderr.startswith("reachprobe: ")
        assert repr(bad) in result.stderr


def test_the_name_of_a_service_stands_for_all_its_targets(run: Run, dump: Path):
    dump.write_bytes(dump.read_bytes() + b"1.2.3.4;*.wechat.com;;x;1-Restricting;2017-05-04\n")
    run("import", dump)
    config = dump.with_name("reachprobe.toml")
    config.write_text('[[service]]\nname = "mine"\nrequired = ["https://a.com/", "tls://b.com:443"]\n')
    rows = lines(run("lookup", "a.com", "mine", "--json", "--at", "2017-05-09", config=config))
    assert [(row["service"], row["target"], row["listed"]) for row in rows] == [
        (None, "a.com", True),
        ("mine", "https://a.com/", True),
        ("mine", "tls://b.com:443", False),
    ]
    built_in = lines(run("lookup", "-", "--json", stdin="wechat\n"))
    assert len(built_in) > 5
    assert {row["listed"] for row in built_in if ".wechat.com" in row["target"]} == {True}
    told = run("lookup", "mine", "--at", "2017-05-09", config=config).stdout.splitlines()
    assert told[0].startswith("mine: https://a.com/: listed since 4 May 2017")
    assert run("explain", "mine", "--at", "2017-05-09", config=config).stdout.count("is listed in rkn") == 1
    assert "mine" in run("lookup", "other", config=config).stderr


@pytest.fixture
def fresh_and_stale(run: Run, dump: Path) -> Path:
    """A register of 8 May that lists a.com, and one of June that does not, and what is told of them; a configuration
    in which the first may be a hundred days old."""
    run("import", dump, "--as", "before", "--country", "RU")
    later = dump.with_name("later.csv")
    later.write_bytes(b"Updated: 2017-06-20 09:00:00 +0000\n1.2.3.4;b.com;;x;1;2017-05-04\n")
    run("import", later, "--as", "now", "--country", "RU")
    config = dump.with_name("reachprobe.toml")
    config.write_text('[[register]]\nname = "before"\nmax_age_days = 100\n')
    return config


def test_a_stale_register_that_is_passed_over_for_a_fresh_one_is_named(run: Run, fresh_and_stale: Path):
    asked = ("a.com", "--country", "RU", "--at", "2017-06-20")
    (row,) = lines(run("lookup", *asked, "--json"))
    assert (row["register"], row["listed"], row["stale"]) == ("now", False, False)
    assert [(one["register"], one["listed"], one["since"], one["stale"]) for one in row["others"]] == [
        ("before", True, "2017-05-04", True)
    ]
    said = "register before of 2017-05-08 lists it, by a decision of 2017-05-04, but is too old to decide"
    assert said in run("lookup", *asked).stdout
    assert said in run("explain", *asked).stdout
    assert "; register before of 2017-05-08 is too old to decide (" in run("lookup", "c.com", *asked[1:]).stdout


def test_each_register_may_be_as_old_as_is_configured_for_it(run: Run, fresh_and_stale: Path):
    asked = ("a.com", "--country", "RU", "--at", "2017-06-20")
    (row,) = lines(run("lookup", *asked, "--json", config=fresh_and_stale))
    assert (row["register"], row["listed"], row["stale"]) == ("before", True, False)
    assert [(one["register"], one["listed"], one["stale"]) for one in row["others"]] == [("now", False, False)]
    assert "register now does not" in run("lookup", *asked, config=fresh_and_stale).stdout
    later = ("a.com", "--country", "RU", "--at", "2017-07-20")
    (row,) = lines(run("lookup", *later, "--json", config=fresh_and_stale))
    assert (row["register"], row["listed"], row["others"][0]["stale"]) == ("before", True, True)
    assert "too old to use" not in run("explain", *later, config=fresh_and_stale).stdout


def test_a_register_that_has_no_version_so_old_is_named(run: Run, fresh_and_stale: Path):
    asked = ("a.com", "--country", "RU", "--at", "2017-05-09")
    (row,) = lines(run("lookup", *asked, "--json"))
    assert (row["register"], row["listed"]) == ("before", True)
    assert [(one["register"], one["listed"], one["as_of"]) for one in row["others"]] == [("now", None, None)]
    assert "register now has no version that old" in run("explain", *asked).stdout


def test_a_look_up_at_a_date_means_the_end_of_that_day(run: Run, dump: Path):
    run("import", dump)
    found = {
        at: lines(run("lookup", "a.com", "--at", at, "--json"))[0]
        for at in ("2017-05-07", "2017-05-08", "2017-05-08T08:59:59Z")
    }
    assert found["2017-05-07"]["listed"] is None
    assert (found["2017-05-08"]["listed"], found["2017-05-08"]["stale"]) == (True, False)
    assert found["2017-05-08T08:59:59Z"]["listed"] is None
    assert run("lookup", "a.com", "--at", "tomorrow").exit_code == 2


def test_a_look_up_for_people_is_one_sentence_a_target(run: Run, dump: Path):
    assert "unknown: no register" in run("lookup", "a.com").stdout
    run("import", dump)
    result = run("lookup", "a.com", "b.com", "--at", "2017-05-09")
    assert result.stdout.splitlines()[0].startswith(
        "a.com: listed since 4 May 2017 149-FZ 15.4: the register lists this name"
    )
    assert result.stdout.splitlines()[1].startswith("b.com: not listed:")
    assert "too old to use" in run("lookup", "a.com").stdout


def test_statistics_say_how_old_each_register_is(run: Run, dump: Path):
    assert "no registers imported yet" in run("stats").stderr
    run("import", dump)
    run("import", sample_path(), "--as", "sample", "--country", "RU")
    first, second = lines(run("stats", "--json"))
    assert (first["register"], first["entries"], first["skipped"], first["stale"]) == ("rkn", 1, 1, True)
    assert (second["register"], second["block_types"]) == ("sample", {"domain": 5, "url": 1, "ip": 1, "domain-mask": 1})
    assert "too old to use" in run("stats").stdout
    config = dump.with_name("reachprobe.toml")
    config.write_text('[[register]]\nname = "rkn"\nmax_age_days = 100000\n')
    assert [row["stale"] for row in lines(run("stats", "--json", config=config))] == [False, True]
    assert lines(run("lookup", "a.com", "--as", "rkn", "--json", config=config))[0]["stale"] is False


def test_a_difference_is_one_line_a_change(run: Run, dump: Path):
    run("import", dump)
    later = dump.with_name("later.csv")
    later.write_bytes(
        dump.read_bytes().replace(b"05-08", b"05-09").replace(b"1.2.3.4", b"1.2.3.5")
        + b"1.2.3.4;b.com;;x;1;2017-05-04\n"
    )
    run("import", later)
    result = run("diff", "2017-05-08", "2017-05-09", "--json")
    assert [(row["change"], row["names"], row["was"]) for row in lines(result)] == [
        ("changed", "a.com", {"resolved": "1.2.3.4"}),
        ("added", "b.com", None),
    ]
    plain = run("diff", "2017-05-08", "2017-05-09")
    assert plain.stdout.splitlines()[1] == "+ b.com [x 1 2017-05-04]"
    assert plain.stderr.endswith(": added 1, removed 0, changed 1\n")
    assert run("diff", "2017-05-01", "2017-05-09").exit_code == 2


def test_an_explanation_names_decision_authority_article_and_dates(run: Run):
    run("import", sample_path(), "--as", "sample")
    said = run("explain", "https://www.wechat.com/", "--at", "2017-05-13").stdout
    for part in (
        "is listed in sample (RU)",
        "sample-1-Restricting of 4 May 2017 by Роскомнадзор",
        "149-FZ 15.4: a messenger",
        "4 May 2017, 09:00 UTC",
    ):
        assert part in said
    assert "not listed" in run("explain", "example.org", "--at", "2017-05-13").stdout


def test_neighbours_are_a_note_and_never_a_listing(run: Run, dump: Path):
    dump.write_bytes(dump.read_bytes() + b"1.2.3.4;b.com;;x;1;2017-05-04\n1.2.3.4;;;x;1;2017-05-04\n")
    run("import", dump)
    (row,) = lines(run("neighbours", "a.com", "--json"))
    assert (row["address"], row["entries"], row["names"]) == ("1.2.3.4", 2, ["b.com"])
    assert [entry["how"] for entry in row["blocked_as_such"]] == ["address"]
    said = run("neighbours", "1.2.3.4").stdout
    assert said == "rkn 1.2.3.4: 2 entries; blocked by address: a.com, b.com (version 8 May 2017, 09:00 UTC)\n"
    assert lines(run("neighbours", "c.com", "--json")) == []


def test_a_sample_is_drawn_and_shown_and_none_of_it_is_measured(run: Run, dump: Path):
    rows = "".join(f"1.2.3.4;n{n}.com;;ФНС;1;2017-05-04\n1.2.3.4;x{n}.com;;ФСКН;1;2017-05-04\n" for n in range(9))
    dump.write_bytes(b"Updated: 2017-05-08 09:00:00 +0000\n" + rows.encode("cp1251"))
    run("import", dump)
    result = run("sample", "3")
    drawn = result.stdout.splitlines()
    assert len(drawn) == 3
    assert all(target.startswith("tls://n") for target in drawn)
    assert "seed 1, hosts excluded: 9" in result.stderr
    assert "3 of 9 hosts: ФНС / 149-FZ 15.1" in result.stderr
    assert run("sample", "3", "--seed", "2").stdout != result.stdout
    assert lines(run("sample", "3", "--json"))[0]["targets"] == drawn
    assert len(run("sample", "20", "--include", "ФСКН").stdout.splitlines()) == 18
    assert run("sample", "3", "--as", "other").stderr.startswith("reachprobe: register 'other' is not stored")
    assert run("sample", "3", "--at", "2016-01-01").exit_code == run("sample", "0").exit_code == 2


def test_entries_of_one_decision_are_explained_together(run: Run, dump: Path):
    rows = "".join(f"1.2.3.4;a.com;https://a.com/{n};x;1-Restricting;2017-05-04\n" for n in range(12))
    dump.write_bytes(b"Updated: 2017-05-08 09:00:00 +0000\n" + rows.encode() + b"1.2.3.4;a.com;;x;2;2017-05-05\n")
    run("import", dump)
    said = run("explain", "a.com", "--at", "2017-05-08").stdout
    assert said.count("  12 entries ") == said.count("  entry ") == 1
    assert said.count("decision 1-Restricting of 4 May 2017 by x") == 1


def test_one_of_a_thing_is_named_as_one(run: Run, tmp_path: Path):
    path = tmp_path / "one.csv"
    path.write_bytes(b"Updated: 2017-05-08 09:00:00 +0000\n1.2.3.4;a.com;;x;1;2017-05-04\n")
    said = run("import", path).stdout + run("stats").stdout + run("neighbours", "1.2.3.4").stdout
    assert "1 row: imported 1" in said
    assert "1 entry, first version" in said
    assert "1 version since 8 May 2017, 09:00 UTC; 1 entry, 1 name\n" in said
    assert "rkn 1.2.3.4: 1 entry: a.com" in said


def test_on_a_terminal_lines_are_folded_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "40")
    text = "a.com: listed: https://a.com/" + "x" * 50 + " and so on, in more words than there is room for"
    say.tell(text)
    assert capsys.readouterr().out == text + "\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    say.tell(text)
    folded = capsys.readouterr().out.splitlines()
    assert len(folded) > 2
    assert all(len(line) <= 40 for line in folded if "xxx" not in line)
    assert " ".join(line.strip() for line in folded) == text
    assert all(line.startswith("  ") for line in folded[1:])


def test_an_update_takes_what_the_configuration_says(run: Run, dump: Path):
    config = dump.with_name("reachprobe.toml")
    config.write_text(f'[[register]]\nname = "rkn"\ncountry = "RU"\nsource = "{dump}"\n')
    assert lines(run("update", "--json", config=config))[-1]["rows"] == 2
    assert lines(run("lookup", "a.com", "--json"))[0]["listed"] is True
    dump.write_bytes(b"")
    broken = run("update", config=config)
    assert (broken.exit_code, broken.stderr) == (
        2,
        "reachprobe: register rkn stays as it was: dump.csv is empty; download it again\n",
    )
    assert run("update", "other", config=config).exit_code == 2
    config.write_text("")
    assert "add a [[register]]" in run("update", config=config).stderr


def test_all_configured_registers_are_updated_although_one_fails(run: Run, dump: Path):
    config = dump.with_name("reachprobe.toml")
    missing, other = dump.with_name("none.csv"), dump.with_name("other.csv")
    other.write_bytes(dump.read_bytes())
    config.write_text(
        f'[[register]]\nname = "first"\ncountry = "RU"\nsource = "{missing}"\n'
        f'[[register]]\nname = "second"\ncountry = "RU"\nsource = "{missing}"\nsources = ["{other}"]\n'
    )
    result = run("update", "--json", config=config)
    assert lines(result)[-1]["rows"] == 2
    assert (result.exit_code, result.stderr.count("first stays as it was")) == (2, 1)
    assert [row["register"] for row in lines(run("stats", "--json"))] == ["second"]


@pytest.mark.parametrize("key", ["signature", "signed_by"])
def test_a_configuration_that_asks_for_a_signed_register_is_refused(run: Run, dump: Path, key: str):
    config = dump.with_name("reachprobe.toml")
    config.write_text(f'[[register]]\nname = "rkn"\ncountry = "RU"\nsource = "{dump}"\n{key} = "dump.sig"\n')
    result = run("update", config=config)
    assert (result.exit_code, lines(run("stats", "--json"))) == (2, [])
    assert f"register[1].{key}: no such key" in result.stderr
