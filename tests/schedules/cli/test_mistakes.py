"""Bad input: one line on stderr that names the thing and the way out, exit 2, and nothing lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from results.db.store import Store, StoreError
from schedules import cli
from schedules.runtime.lock import held


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [name for name in os.environ if name.startswith("REACHPROBE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one line that a command line is refused with."""
    assert cli.call(list(arguments)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("reachprobe: ")
    return captured.err.removeprefix("reachprobe: ").rstrip()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "vechat"], "unknown service 'vechat'; known: bbm, expressvpn, ipvanish, line, linkedin, wechat"),
        (["check", "https://exa mple.org/"], "a target cannot contain spaces"),
        (["check", "ftp://example.org/"], "cannot measure the scheme 'ftp'; use https"),
        (["check", "https://user:pass@example.org/"], "remove the user name and password"),
        (["check", "https://192.168.1.1/"], "is not a public address; to measure it, set [network] allow_private"),
        (["check", "tcp://example.org"], "a tcp target needs a port"),
        (["check", "https://ok.example/", "http://["], "'http://[' is not a URL"),
        (["check"], "Missing argument 'TARGET…'; see `reachprobe check --help`"),
        (["check", "wechat", "--path", "vpn"], "there is no path 'vpn'; known: direct"),
        (["check", "--nonsense"], "No such option"),
        (["nonsense"], "No such command 'nonsense'"),
        (["results", "show", "zzzz"], "no database yet; `reachprobe check` or `run` creates it"),
        (["results", "list", "--outcome", "green"], "'green' is not one of 'reachable'"),
        (["register", "import", "nothing.csv"], "nothing.csv"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert said in refused(capsys, *arguments)


def test_a_hostile_target_is_told_without_its_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in refused(capsys, "check", "https://x\x1b[31m.example/")


def test_a_choice_that_is_missing_is_named_with_what_there_is_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "results", "export")
    assert "Missing option '--format'. Choose from: jsonl, ooni, csv, parquet; see" in said


def test_a_broken_configuration_is_named_with_its_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "c.toml"
    path.write_text('[vantage]\nname = "x"\ncolour = "red"\n')
    assert refused(capsys, "--config", str(path), "check", "wechat") == f"{path}:3: vantage.colour: no such key"


def test_a_configuration_that_is_not_there_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot be read: No such file" in refused(capsys, "--config", str(home / "no.toml"), "check", "wechat")


def test_a_bad_target_is_told_before_a_broken_database(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "x.db").write_text("not a database" * 100)
    assert "unknown service" in refused(capsys, "--db", str(home / "x.db"), "check", "vechat")


def test_a_broken_database_is_told_before_consent_is_asked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "x.db").write_text("not a database" * 100)
    said = refused(capsys, "--db", str(home / "x.db"), "check", "wechat")
    assert said == f"{home}/x.db: not a reachprobe database; choose another with --db"
    assert (home / "x.db").read_text().startswith("not a database")


def test_a_database_from_a_newer_version_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store.open(home / "x.db").close()
    connection = sqlite3.connect(home / "x.db")
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('reachprobe', 'm999_later', 'x')"
    )
    connection.commit()
    connection.close()
    said = refused(capsys, "--db", str(home / "x.db"), "results", "list")
    assert said == f"{home}/x.db: made by a newer version (m999_later); upgrade reachprobe, or choose another with --db"


def test_a_state_folder_that_cannot_be_made_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "state").write_text("")
    assert f"{home}/state: " in refused(capsys, "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_state_folder_without_permission_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "state").mkdir(mode=0o500)
    assert "no permission" in refused(capsys, "run")


def test_without_consent_nothing_is_measured_and_the_way_out_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "check", "wechat")
    assert said == "no consent recorded; run `reachprobe init` once, or set REACHPROBE_CONSENT=yes"


def test_a_second_round_leaves_with_75_and_says_who_holds_the_lock(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REACHPROBE_CONSENT", "yes")
    Store.open(home / "state" / "reachprobe.db").close()
    with held(home / "state" / "reachprobe.db"):
        said = refused(capsys, "run", code=75)
    assert f"another round is running (process {os.getpid()}); wait until it finishes" in said


def test_a_lock_whose_holder_died_is_free(home: Path) -> None:
    database = home / "x.db"
    (home / "x.db.lock").write_text("99999\n")
    with held(database):
        assert (home / "x.db.lock").read_text() == f"{os.getpid()}\n"


def test_an_ambiguous_or_unknown_id_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store.open(home / "state" / "reachprobe.db").close()
    assert "no measurement 'zzzz'" in refused(capsys, "results", "show", "zzzz")
    assert "at least the first 4 characters" in refused(capsys, "results", "show", "z")


def test_init_without_a_terminal_says_how_to_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert "`reachprobe init --yes`" in refused(capsys, "init")


def test_init_with_a_wrong_country_writes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["--config", str(home / "c.toml"), "init", "--yes", "--country", "Russia"]) == 2
    assert "vantage.country" in capsys.readouterr().err
    assert not (home / "c.toml").exists()


def test_the_program_itself_leaves_no_traceback(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from schedules.cli import main; main()", "check", "http://["],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        cwd=Path(__file__).parents[3],
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_packages_of_another_distribution_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_folder_of", lambda name: tmp_path / name)
    assert "probe, results comes from another package" in refused(capsys, "run")


@pytest.mark.parametrize(
    "text",
    [".".join("a" * 70) + " = 1", "x = {" + ".".join("a" * 200_000) + " = 1}", "[" + " . ".join("a" * 65) + "]"],
    ids=["key", "key of an inline table", "table"],
)
def test_a_key_of_endless_parts_is_refused_at_once(home: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (home / "c.toml").write_text(f"# a comment\n{text}\n")
    said = refused(capsys, "--config", str(home / "c.toml"), "run")
    assert said.endswith("c.toml:2: a key of more than 64 parts")


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "{a = " * 5000], ids=["lists", "tables"])
def test_values_that_are_nested_without_end_are_refused(
    home: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (home / "c.toml").write_text(text)
    assert "nested too deeply" in refused(capsys, "--config", str(home / "c.toml"), "run")


def test_a_number_of_thousands_of_digits_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "c.toml").write_text(f"[vantage]\nasn = {'1' * 5000}\n")
    assert "c.toml:3: not TOML: Exceeds the limit" in refused(capsys, "--config", str(home / "c.toml"), "run")


def test_a_lock_that_is_a_link_is_not_followed(home: Path) -> None:
    (home / "precious").write_text("a diary")
    (home / "x.db.lock").symlink_to(home / "precious")
    with pytest.raises(StoreError, match=r"x\.db\.lock"), held(home / "x.db"):
        pass
    assert (home / "precious").read_text() == "a diary"


@pytest.mark.parametrize("limit", [16, 40])
def test_too_few_open_files_are_said_in_one_line(home: Path, limit: int) -> None:
    script = (
        f"ulimit -n {limit}; exec {sys.executable} -c 'from schedules.cli import main; main()' --db {home}/x.db demo"
    )
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "LimitNOFILE=" in done.stderr
    assert "Traceback" not in done.stderr
