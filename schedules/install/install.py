"""Installs and removes a schedule by files, systemctl and crontab."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from schedules.install.units import CRONTAB, SYSTEM_UNITS, USER_UNITS, BadSchedule, Kind, UnitFile, without_block
from schedules.runtime.paths import write_atomically

UNIT_NAMES = ("reachprobe.timer", "reachprobe.service")
TOOL_TIMEOUT_S = 60
RUNNING_SYSTEMD = Path("/run/systemd/system")
"""Exists if systemd is the init (sd_booted(3))."""
NO_CRONTAB = ("no crontab", "No such file")
"""The errors of cron and of busybox for a user without a crontab."""

Tool = Callable[[Sequence[str], str], str]
"""Runs a system program with a text as input; returns its output. Raises BadSchedule if it fails."""


def run_tool(command: Sequence[str], text: str = "") -> str:
    """Run a program found on PATH, for at most TOOL_TIMEOUT_S."""
    path = shutil.which(command[0])
    if path is None:
        raise BadSchedule(f"{command[0]}: there is no such program here; `schedule show` prints what would be set up")
    try:
        done = subprocess.run(  # noqa: S603 the words are our own
            [path, *command[1:]], input=text, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BadSchedule(f"`{' '.join(command)}` did not end within {TOOL_TIMEOUT_S} s") from error
    if done.returncode:
        errors = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        raise BadSchedule(f"`{' '.join(command)}`: {errors[0]}")
    return done.stdout


def likely() -> Kind:
    """The default kind: systemd if it runs (system units for root, else user units), else cron."""
    if not RUNNING_SYSTEMD.is_dir():
        return "cron"
    return "user" if os.getuid() else "system"


def install(kind: Kind, files: Sequence[UnitFile], tool: Tool = run_tool) -> None:
    """Replace any earlier files and start the schedule."""
    if kind == "cron":
        tool(["crontab", "-"], without_block(_crontab(tool)) + files[0].text)
        return
    remove_units(kind, files[0].path.parent, tool)
    for file in files:
        _write(file)
    tool(_systemctl(kind, "daemon-reload"), "")
    tool(_systemctl(kind, "enable", "--now", files[-1].path.name), "")


def remove(home: Path, tool: Tool = run_tool) -> list[str]:
    """Remove every schedule of ours that this user may; returns what was removed."""
    gone = [file for kind, folder in _folders(home) for file in remove_units(kind, folder, tool)]
    if shutil.which("crontab") and (ours := _crontab(tool)) != (rest := without_block(ours)):
        tool(["crontab", "-"], rest)
        gone.append("the lines in your crontab")
    return gone


def remove_units(kind: Kind, folder: Path, tool: Tool) -> list[str]:
    present = [folder / name for name in UNIT_NAMES if (folder / name).exists()]
    if not present:
        return []
    tool(_systemctl(kind, "disable", "--now", *(path.name for path in present)), "")
    for path in present:
        try:
            path.unlink()
        except OSError as error:
            raise BadSchedule(f"{path}: {error.strerror}; root may remove it") from error
    tool(_systemctl(kind, "daemon-reload"), "")
    return [str(path) for path in present]


class Installed(msgspec.Struct, frozen=True):
    """An installed schedule, its files, and when it fired last and will next, from systemd."""

    kind: Kind
    paths: tuple[Path, ...]
    active: str | None = None
    last: str | None = None
    next: str | None = None


def installed(home: Path, tool: Tool = run_tool) -> list[Installed]:
    """Every schedule of ours that is installed."""
    found = []
    for kind, folder in _folders(home):
        paths = tuple(folder / name for name in UNIT_NAMES if (folder / name).exists())
        if paths:
            found.append(_of_systemd(kind, paths, tool))
    if shutil.which("crontab") and without_block(ours := _crontab(tool)) != ours:
        found.append(Installed("cron", (CRONTAB,)))
    return found


def _of_systemd(kind: Kind, paths: tuple[Path, ...], tool: Tool) -> Installed:
    names = "ActiveState", "LastTriggerUSec", "NextElapseUSecRealtime"
    try:
        properties = tool(_systemctl(kind, "show", paths[0].name, *(f"--property={name}" for name in names)), "")
    except BadSchedule:
        return Installed(kind, paths)
    values = dict(line.split("=", 1) for line in properties.splitlines() if "=" in line)
    return Installed(kind, paths, *(values.get(name) or None for name in names))


def _folders(home: Path) -> list[tuple[Kind, Path]]:
    return [("user", home / USER_UNITS), ("system", SYSTEM_UNITS)]


def _systemctl(kind: Kind, *words: str) -> list[str]:
    return ["systemctl", *(["--user"] if kind == "user" else []), *words]


def _crontab(tool: Tool) -> str:
    """This user's crontab, "" without one."""
    try:
        return tool(["crontab", "-l"], "")
    except BadSchedule as error:
        if any(words in str(error) for words in NO_CRONTAB):
            return ""
        raise


def _write(file: UnitFile) -> None:
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file.path, file.text.encode())
    except OSError as error:
        raise BadSchedule(f"{file.path}: {error.strerror}; root may write it, or take the user unit") from error
