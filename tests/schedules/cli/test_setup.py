"""The first steps: help, consent, the configuration that `init` writes, and what `doctor` finds."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from results.db.store import Store
from schedules import cli
from schedules.cli._app import App
from schedules.render.tables import header
from schedules.round import consent
from tests.lab.network import LabNetwork

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-c", "from schedules.cli import main; main()"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in [name for name in os.environ if name.startswith("REACHPROBE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path


def test_help_lists_every_command_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["--help"]) == 0
    said = capsys.readouterr().out
    for name in ("check", "doctor", "init", "register", "results", "run"):
        assert f"\n  {name} " in said
    assert "Measure URLs, hosts or services now" in said


@pytest.mark.parametrize("locale", ["C.UTF-8", "ru_RU.UTF-8"])
def test_help_imports_none_of_the_heavy_libraries(locale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = ("httpx", "httpcore", "dns", "sqlite_utils", "rich", "cryptography", "aioquic", "asyncio", "babel")
    monkeypatch.setenv("LC_ALL", locale)
    code = (
        "import sys\nfrom schedules.cli import call\ncall(['--help'])\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", [["check"], ["run"], ["init"], ["doctor"], ["results"], ["results", "list"]])
def test_every_command_explains_itself(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call([*command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: reachprobe {' '.join(command)}")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["--version"]) == 0
    assert capsys.readouterr().out.startswith("reachprobe ")


def test_init_for_a_script_records_consent_and_writes_a_configuration(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.call(["init", "--yes", "--name", "school", "--country", "ru", "--asn", "12389"]) == 0
    written = home / "settings" / "reachprobe" / "config.toml"
    assert tomllib.loads(written.read_text())["vantage"] == {"name": "school", "country": "RU", "asn": 12389}
    store = Store.open(home / "state" / "reachprobe.db")
    assert store.consent() == consent.TEXT_VERSION
    store.close()
    assert "Risk: this computer will contact" in capsys.readouterr().err


def test_init_leaves_a_configuration_that_is_there(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "c.toml"
    path.write_text('[vantage]\nname = "mine"\n')
    assert cli.call(["--config", str(path), "init", "--yes", "--name", "other"]) == 0
    assert path.read_text() == '[vantage]\nname = "mine"\n'
    assert "already exists; not changed" in capsys.readouterr().out


def on_a_terminal(home: Path, arguments: list[str], typed: str, **environ: str) -> tuple[int, str]:
    """Run the program on a terminal of 80 columns, type something, and read what it showed."""
    leader, follower = pty.openpty()
    os.write(leader, typed.encode())
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environ},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            more = os.read(leader, 65536)
        except OSError:
            break
        if not more:
            break
        shown += more
    os.close(leader)
    return process.wait(), shown.decode()


def test_on_a_terminal_consent_is_explained_and_asked_for_once(home: Path) -> None:
    code, shown = on_a_terminal(home, ["init"], "yes\nschool\nRU\n")
    assert code == 0, shown
    assert "Do you agree?" in shown
    assert tomllib.loads((home / "settings/reachprobe/config.toml").read_text())["vantage"]["name"] == "school"
    store = Store.open(home / "state" / "reachprobe.db")
    assert store.consent() == consent.TEXT_VERSION
    store.close()


def test_with_a_russian_locale_the_question_and_the_answer_are_russian(home: Path) -> None:
    code, shown = on_a_terminal(home, ["init"], "да\nschool\nRU\n", LC_ALL="ru_RU.UTF-8", LANGUAGE="")
    assert code == 0, shown
    assert "Вы согласны?" in shown
    with Store.open(home / "state" / "reachprobe.db") as store:
        assert store.db.execute("SELECT language FROM consents").fetchall() == [("ru",)]


def test_a_no_is_a_no_and_nothing_is_recorded(home: Path) -> None:
    code, shown = on_a_terminal(home, ["check", "wechat"], "no\n")
    assert code == 2
    assert "no consent given, nothing was contacted" in shown
    store = Store.open(home / "state" / "reachprobe.db")
    assert store.consent() is None
    store.close()


async def test_a_terminal_shows_colour_and_progress_in_80_columns_and_no_color_turns_it_off(home: Path) -> None:
    async with LabNetwork() as net:
        good = net.add_site("good.x.test")
        (home / "c.toml").write_text(net.config_toml())
        arguments = ["--config", str(home / "c.toml"), "check", good.url]
        code, shown = await asyncio.to_thread(on_a_terminal, home, arguments, "yes\n")
        assert (code, "\x1b[" in shown) == (0, True)
        plain = {"NO_COLOR": "1", "REACHPROBE_CONSENT": "yes"}
        code, shown = await asyncio.to_thread(on_a_terminal, home, arguments, "", **plain)
    assert code == 0
    assert "\x1b[3" not in shown
    assert "✓ good.x.test" in shown
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    table = written[written.rindex("target  ") :]
    assert max(len(line.rstrip()) for line in table.splitlines() if "Why" not in line) <= 80


async def test_doctor_finds_everything_fine_in_a_fine_place(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with LabNetwork() as net:
        (home / "c.toml").write_text(net.config_toml())
        await asyncio.to_thread(cli.call, ["--config", str(home / "c.toml"), "init", "--yes"])
        capsys.readouterr()
        assert await asyncio.to_thread(cli.call, ["--config", str(home / "c.toml"), "doctor", "--json"]) == 0
    found = {row["about"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert found["network"]["says"] == "online"
    assert {found[about]["state"] for about in ("python", "configuration", "database", "consent", "resolver")} == {
        "fine"
    }
    assert found["registers"]["state"] == "worth knowing"


def test_doctor_names_registers_that_are_missing_or_too_old_and_the_command_for_each(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dump = home / "dump.csv"
    dump.write_bytes(b"Updated: 2017-05-08 09:00:00 +0000\n1.2.3.4;a.com;;x;1;2017-05-04\n")
    config = home / "c.toml"
    kept = f'[[register]]\nname = "old"\ncountry = "RU"\nsource = "{dump}"\n'
    config.write_text(
        '[vantage]\ncountry = "RU"\n[[register]]\nname = "rkn"\nsource = "https://127.0.0.1/dump.csv"\n'
        f'[[register]]\nname = "own list"\ncountry = "RU"\n[[register]]\nname = "it"\ncountry = "IT"\n{kept}'
    )
    cli.call(["--config", str(config), "register", "update", "old"])
    cli.call(["--config", str(config), "register", "import", str(dump), "--as", "unnamed", "--country", "RU"])
    capsys.readouterr()
    cli.call(["--config", str(config), "doctor", "--json"])
    found = [row for row in map(json.loads, capsys.readouterr().out.splitlines()) if "register" in row["about"]]
    assert [(row["about"], row["state"]) for row in found] == [
        ("registers", "worth knowing"),
        ("registers", "worth knowing"),
        ("register old", "worth knowing"),
        ("register unnamed", "worth knowing"),
    ]
    assert found[0]["says"] == "rkn is configured but not imported; use `reachprobe register update rkn`"
    assert found[1]["says"].endswith("`reachprobe register import FILE --as 'own list' --country RU`")
    assert found[2]["says"].endswith(", 1 entry; too old to use, run `reachprobe register update old`")
    assert found[3]["says"].endswith("too old to use, run `reachprobe register import FILE --as unnamed`")


def test_the_first_line_names_registers_that_are_missing_or_too_old(home: Path) -> None:
    dump = home / "dump.csv"
    dump.write_bytes(b"Updated: 2017-05-08 09:00:00 +0000\n1.2.3.4;a.com;;x;1;2017-05-04\n")
    config = home / "c.toml"
    config.write_text(
        f'[vantage]\nname = "school"\ncountry = "RU"\n[[register]]\nname = "rkn"\ncountry = "RU"\nsource = "{dump}"\n'
    )

    def first_line() -> str:
        app = App(environ={}, db=home / "x.db", config_file=config)
        store = app.store()
        try:
            return header(app.config(), store, "direct", "online")
        finally:
            store.close()

    assert first_line().endswith(" · register rkn configured, not imported: reachprobe register update rkn")
    assert cli.call(["--config", str(config), "--db", str(home / "x.db"), "register", "update"]) == 0
    assert first_line().endswith(" days old, too old to use")
    config.write_text(config.read_text() + "max_age_days = 36500\n")
    assert first_line().endswith(" days old")


def test_doctor_names_a_broken_configuration_and_asks_nobody_without_consent(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "c.toml").write_text("[vantage]\nasn = 0\n")
    assert cli.call(["--config", str(home / "c.toml"), "doctor"]) == 2
    assert "✗ configuration: " in capsys.readouterr().out
    assert cli.call(["doctor"]) == 0
    assert "without consent nothing is contacted" in capsys.readouterr().out


def test_doctor_names_a_broken_database(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "x.db").write_text("not a database" * 100)
    assert cli.call(["--db", str(home / "x.db"), "doctor"]) == 2
    assert "not a reachprobe database" in capsys.readouterr().out
