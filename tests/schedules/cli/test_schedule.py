"""`schedule`: the very lines that systemd and cron would run, and what is asked before anything is set up."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from results.db.store import Store
from schedules import cli
from schedules.demo import censor
from schedules.install import install
from schedules.round import consent
from tests.lab.network import LabNetwork

SYSTEM_UNITS = install.SYSTEM_UNITS
SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >> "$LOG"
case "$*" in *show*) echo ActiveState=active; echo LastTriggerUSec=yesterday; echo NextElapseUSecRealtime=soon;; esac
"""
CRONTAB = """#!/bin/sh
echo "crontab $*" >> "$LOG"
if [ "$1" = -l ]; then cat "$KEPT" 2>/dev/null || { echo "no crontab for me" >&2; exit 1; }; else cat > "$KEPT"; fi
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, with a systemctl and a crontab that only write down what they are told."""
    for variable in [name for name in os.environ if name.startswith("REACHPROBE_")]:
        monkeypatch.delenv(variable)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("crontab", CRONTAB)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("KEPT", str(tmp_path / "crontab"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setattr(install, "HIDDEN", ())
    monkeypatch.setattr(install, "SYSTEM_UNITS", tmp_path / "system")
    return tmp_path


def told(home: Path) -> list[str]:
    log = home / "log"
    return log.read_text().splitlines() if log.exists() else []


def agree(home: Path) -> None:
    store = Store.open(home / "state" / "reachprobe.db")
    consent.record(store)
    store.close()


@pytest.fixture
async def network(home: Path) -> AsyncIterator[LabNetwork]:
    """A censored network that the configuration measures, and consent to it."""
    agree(home)
    async with LabNetwork() as net:
        good = net.add_site("good.x.test")
        reset = net.add_site("reset.x.test", censored=censor.resets)
        campaign = f'\n[[campaign]]\nname = "all"\ntargets = ["{good.url}", "{reset.url}"]\n'
        (home / "c.toml").write_text(net.config_toml() + campaign)
        yield net


def shown(home: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.call(["--config", str(home / "c.toml"), "schedule", "show", *arguments]) == 0
    return capsys.readouterr().out


async def run(*words: str) -> tuple[int | None, str, str]:
    """A program in the bare environment that cron gives: no language, no path to our program (crontab(5))."""
    bare = {"HOME": os.environ["HOME"], "LOGNAME": "someone", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=bare, cwd="/"
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def outcomes(home: Path) -> list[str]:
    store = Store.open(home / "state" / "reachprobe.db")
    try:
        return sorted(row["outcome"] for row in store.rows() if not row.get("repeats"))
    finally:
        store.close()


@pytest.mark.parametrize("kind", ["--systemd", "--system"])
async def test_the_very_line_of_the_unit_measures_what_is_due_and_the_next_finds_nothing_due(
    kind: str, home: Path, network: LabNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(home, kind, capsys=capsys)
    (line,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    words = shlex.split(line.removeprefix("ExecStart="))
    if kind == "--system":
        state = f"STATE_DIRECTORY={home / 'state'}"
        words = ["/usr/bin/env", state, "REACHPROBE_CONSENT=yes", *words]
        assert "Environment=REACHPROBE_CONSENT=yes" in text.splitlines()
    code, out, err = await run(*words)
    assert (code, err) == (0, "")
    assert {json.loads(row)["outcome"] for row in out.splitlines()} == {"blocked", "reachable"}
    before = outcomes(home)
    assert await run(*words) == (0, "", "")
    assert outcomes(home) == before == ["blocked", "reachable"]


@pytest.mark.skipif(shutil.which("flock") is None, reason="flock is not here")
async def test_the_very_line_of_cron_is_silent_measures_and_keeps_out_a_second(
    home: Path, network: LabNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(home, "--cron", capsys=capsys)
    assert text.startswith("# crontab\n")
    (line,) = [line for line in text.splitlines()[1:] if line and not line.startswith("#")]
    command = line.split(None, 5)[5]
    assert await run("sh", "-c", command) == (0, "", "")
    assert outcomes(home) == ["blocked", "reachable"]
    held = f"flock -n {home / 'state' / 'reachprobe.db.cron'} sh -c {shlex.quote(command)}"
    assert await run("sh", "-c", held) == (1, "", "")


async def test_what_is_wrong_is_not_silent_in_cron(
    home: Path, network: LabNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    command = shown(home, "--cron", capsys=capsys).splitlines()[3].split(None, 5)[5]
    (home / "c.toml").write_text("[vantage]\nnmae = 1\n")
    code, out, err = await run("sh", "-c", command.partition(" -n ")[2].partition(" ")[2])
    assert (code, out) == (2, "")
    assert "nmae" in err


def test_show_changes_nothing_and_needs_no_consent(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("--systemd", "--system", "--cron"):
        assert cli.call(["schedule", "show", kind]) == 0
        assert capsys.readouterr().out.startswith("# ")
    assert told(home) == []
    assert not (home / "state").exists()


@pytest.mark.parametrize(("configured", "carried"), [("", True), ('[ui]\nlanguage = "ru"\n', False)])
def test_a_schedule_keeps_the_language_unless_the_configuration_names_one(
    home: Path, capsys: pytest.CaptureFixture[str], configured: str, carried: bool
) -> None:
    config = home / "my.toml"
    config.write_text(configured)
    for kind in ("--systemd", "--system", "--cron"):
        assert cli.call(["--language", "ru", "--config", str(config), "schedule", "show", kind]) == 0
        assert (" --language ru " in capsys.readouterr().out) is carried


def test_install_asks_first_and_a_script_has_to_say_yes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agree(home)
    assert cli.call(["schedule", "install", "--systemd"]) == 2
    assert "schedule install --yes" in capsys.readouterr().err
    assert told(home) == []
    assert cli.call(["schedule", "install", "--systemd", "--yes"]) == 0
    folder = home / ".config/systemd/user"
    assert {path.name for path in folder.iterdir()} == {"reachprobe.service", "reachprobe.timer"}
    assert told(home) == ["systemctl --user daemon-reload", "systemctl --user enable --now reachprobe.timer"]


def test_without_a_word_it_takes_what_the_machine_has(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "RUNNING_SYSTEMD", home / "nothing")
    cli.call(["schedule", "show"])
    assert capsys.readouterr().out.startswith("# crontab\n")
    monkeypatch.setattr(install, "RUNNING_SYSTEMD", home)
    monkeypatch.setattr(install, "SYSTEM_UNITS", SYSTEM_UNITS)
    for uid, folder in ((0, "/etc/systemd/system"), (1000, str(home / ".config/systemd/user"))):
        monkeypatch.setattr(os, "getuid", lambda uid=uid: uid)
        cli.call(["schedule", "show"])
        assert capsys.readouterr().out.startswith(f"# {folder}/reachprobe.service\n")


def test_without_consent_nothing_is_installed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["schedule", "install", "--systemd", "--yes"]) == 2
    assert "reachprobe init" in capsys.readouterr().err
    assert not (home / ".config").exists()


def test_the_agent_takes_the_timers_place(home: Path) -> None:
    agree(home)
    cli.call(["schedule", "install", "--systemd", "--yes"])
    assert cli.call(["schedule", "install", "--systemd", "--agent", "--yes"]) == 0
    assert [path.name for path in (home / ".config/systemd/user").iterdir()] == ["reachprobe.service"]
    assert told(home)[2:] == [
        "systemctl --user disable --now reachprobe.timer reachprobe.service",
        "systemctl --user daemon-reload",
        "systemctl --user daemon-reload",
        "systemctl --user enable --now reachprobe.service",
    ]


def test_an_agent_is_nothing_for_cron(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["schedule", "show", "--cron", "--agent"]) == 2
    assert "use --systemd or --system" in capsys.readouterr().err


def test_cron_lines_stand_once_beside_what_was_there_and_go_again(home: Path) -> None:
    agree(home)
    (home / "crontab").write_text("0 4 * * * backup\n")
    for _ in range(2):
        assert cli.call(["schedule", "install", "--cron", "--yes"]) == 0
    kept = (home / "crontab").read_text()
    assert kept.startswith("0 4 * * * backup\n# BEGIN reachprobe\n")
    assert kept.count("BEGIN reachprobe") == 1
    assert cli.call(["schedule", "remove"]) == 0
    assert (home / "crontab").read_text() == "0 4 * * * backup\n"


def test_status_says_what_is_installed_and_when_it_ran(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agree(home)
    cli.call(["schedule", "status"])
    assert "no schedule is installed" in capsys.readouterr().out
    cli.call(["schedule", "install", "--systemd", "--yes"])
    cli.call(["schedule", "install", "--cron", "--yes"])
    capsys.readouterr()
    assert cli.call(["schedule", "status", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["active"], one["last"]) for one in said["installed"]] == [
        ("user", "active", "yesterday"),
        ("cron", None, None),
    ]
    assert said["last_round"] is None
    assert said["due"] > 0


def test_removing_what_is_not_there_is_no_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.call(["schedule", "remove"]) == 0
    assert capsys.readouterr().out == "no schedule was installed\n"


def test_a_machine_without_systemd_is_told_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    agree(home)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert cli.call(["schedule", "install", "--systemd", "--yes"]) == 2
    assert "systemctl: program not found" in capsys.readouterr().err


@pytest.mark.parametrize("kinds", [("--systemd", "--cron"), ("--system", "--systemd"), ("--cron", "--system")])
@pytest.mark.parametrize("command", ["show", "install"])
def test_two_kinds_at_once_are_refused(
    command: str, kinds: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.call(["schedule", command, *kinds]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "use only one of --systemd, --system and --cron" in said.err
