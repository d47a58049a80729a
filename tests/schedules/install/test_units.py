"""The units and the crontab: what systemd says of them, and how hostile paths are quoted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules.install.install import (
    BadSchedule,
    Kind,
    Start,
    UnitFile,
    cron_word,
    program,
    refuse_hidden,
    render,
    without_block,
)

EXPOSURE = {"system": 1.3, "user": 6.2}
"""What `systemd-analyze security` said when this was written (0 is best, 10 worst): it may not become worse."""
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


@pytest.fixture
def start(tmp_path: Path) -> Start:
    there = tmp_path / "reachprobe"
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    return Start(there, tmp_path / "config.toml", tmp_path / "x.db")


def rendered(kind: Kind, start: Start, *, agent: bool = False) -> dict[str, UnitFile]:
    files = render(kind, start, home=Path("/home/someone"), seed="a", agent=agent)
    return {file.path.name: file for file in files}


def write(files: dict[str, UnitFile], folder: Path) -> list[str]:
    for name, file in files.items():
        (folder / name).write_text(file.text)
    return [str(folder / name) for name in files]


@needs_systemd
@pytest.mark.parametrize("kind", ["user", "system"])
@pytest.mark.parametrize("agent", [False, True])
def test_systemd_finds_nothing_wrong_with_the_units_and_they_are_as_tight_as_they_were(
    kind: Kind, agent: bool, start: Start, tmp_path: Path
) -> None:
    paths = write(rendered(kind, start, agent=agent), tmp_path)
    verified = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True)
    if "Failed to initialize manager" in verified.stderr:
        pytest.skip("systemd-analyze cannot work here")
    assert (verified.returncode, verified.stderr) == (0, "")
    analysed = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(tmp_path / "reachprobe.service")]
    told = subprocess.run(analysed, capture_output=True, text=True)
    level = re.search(r"Overall exposure level for reachprobe.service: ([0-9.]+)", told.stdout)
    assert level is not None, told.stderr
    assert float(level[1]) <= EXPOSURE[kind]


@needs_systemd
@pytest.mark.parametrize("name", ["a b", "100%", "$HOME", "$$", "semi;colon", "ünï"])
def test_systemd_reads_a_program_under_any_name_as_it_is(name: str, tmp_path: Path) -> None:
    there = tmp_path / name / "reachprobe"
    there.parent.mkdir()
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    paths = write(rendered("user", Start(there, tmp_path / name / "c.toml")), tmp_path)
    verified = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize("name", ['qu"ote', "back\\slash", "it's"])
def test_a_program_that_systemd_would_not_start_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadSchedule, match="move it"):
        rendered("user", Start(tmp_path / name / "reachprobe"))


def test_a_missing_program_is_what_systemd_would_complain_of(start: Start) -> None:
    with pytest.raises(BadSchedule, match="program not found"):
        program(start.program.parent)


def test_the_timer_catches_up_and_each_machine_has_its_own_moment(start: Start) -> None:
    timer = rendered("user", start)["reachprobe.timer"].text
    for line in ("Persistent=yes", "FixedRandomDelay=yes", "RandomizedDelaySec=15min"):
        assert line in timer.splitlines()


def test_user_units_belong_to_the_user_and_system_units_to_the_system(start: Start) -> None:
    assert str(rendered("user", start)["reachprobe.service"].path).startswith("/home/someone/.config/systemd/user/")
    assert str(rendered("system", start)["reachprobe.timer"].path) == "/etc/systemd/system/reachprobe.timer"


def test_the_agents_unit_needs_no_timer_and_tells_systemd_that_it_lives(start: Start) -> None:
    files = rendered("system", start, agent=True)
    assert list(files) == ["reachprobe.service"]
    text = files["reachprobe.service"].text
    assert "Type=notify" in text
    assert "WatchdogSec=" in text
    assert "WantedBy=multi-user.target" in text


@pytest.mark.parametrize("folder", ["/home/u", "/root", "/run/user/1000"])
def test_a_system_unit_whose_program_or_configuration_it_could_not_see_is_refused_with_the_way_out(folder: str) -> None:
    for one in (Start(Path(folder, "bin/reachprobe")), Start(Path("/opt/reachprobe"), Path(folder, "config.toml"))):
        with pytest.raises(BadSchedule, match="use the user unit"):
            render("system", one, home=Path("/home/u"), seed="a")
    refuse_hidden([Path("/opt/reachprobe"), Path("/homes/x")])


def test_a_link_to_a_program_below_home_is_seen_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from schedules.install import install

    hidden, link = tmp_path / "home" / "reachprobe", tmp_path / "reachprobe"
    hidden.parent.mkdir()
    hidden.touch()
    link.symlink_to(hidden)
    monkeypatch.setattr(install, "HIDDEN", (tmp_path / "home",))
    with pytest.raises(BadSchedule, match="use the user unit"):
        render("system", Start(link), home=tmp_path, seed="a")


def test_a_line_feed_in_a_path_is_refused() -> None:
    with pytest.raises(BadSchedule, match="control character"):
        render("cron", Start(Path("/opt/a\n* * * * * rm")), home=Path("/"), seed="a")


def test_cron_measures_every_quarter_of_an_hour_at_this_machines_own_minute(start: Start) -> None:
    minutes = [render("cron", start, home=Path("/"), seed=str(n))[0].text.splitlines()[2].split()[0] for n in range(60)]
    assert len(set(minutes)) > 10
    for own in minutes:
        first, *rest = map(int, own.split(","))
        assert rest == [first + 15, first + 30, first + 45]
        assert 0 <= first < 15


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(lambda word: "\0" not in word))
def test_the_shell_reads_a_word_of_the_crontab_as_it_was_also_after_cron_has_read_it(word: str) -> None:
    quoted = cron_word(word)
    assert not re.search(r"(?<!\\)%", quoted)
    for line in (quoted, quoted.replace("\\%", "%")):
        told = subprocess.run(["sh", "-c", f"printf %s {line}"], capture_output=True, check=True)
        assert told.stdout == word.encode()


def test_our_lines_are_taken_out_of_a_crontab_and_the_rest_stays(start: Start) -> None:
    ours = render("cron", start, home=Path("/"), seed="a")[0].text
    before, after = "MAILTO=me\n0 4 * * * backup\n", "@daily tidy\n"
    assert without_block(before + ours + after) == before + after
    assert without_block(before) == before
