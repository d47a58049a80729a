"""Schedules as systemd units or crontab lines: rendered from templates, installed and removed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from gettext import gettext as _
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Literal

import msgspec

from probe.text import system_reason
from schedules.plan.due import period_share
from schedules.runtime.paths import write_atomically

Kind = Literal["user", "system", "cron"]
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user")))
"""Folders that ProtectHome= hides from a system unit."""
USER_UNITS, SYSTEM_UNITS = Path(".config/systemd/user"), Path("/etc/systemd/system")
CRONTAB = Path("crontab")
"""Stands for the crontab, which only the program `crontab` reads and writes."""
PERIOD_MINUTES = 15
UNIT_NAMES = ("reachprobe.timer", "reachprobe.service")
TOOL_TIMEOUT_S = 60
RUNNING_SYSTEMD = Path("/run/systemd/system")
"""Exists if systemd is the init (sd_booted(3))."""
NO_CRONTAB = ("no crontab", "No such file")
"""The errors of cron and of busybox for a user without a crontab."""

Tool = Callable[[Sequence[str], str], str]
"""Runs a system program with a text as input; returns its output. Raises BadSchedule if it fails."""


class BadSchedule(ValueError):
    """A schedule that would not work or cannot be installed; the message names the remedy."""


class Start(msgspec.Struct, frozen=True):
    """The command line of the program: its path, configuration, database and, unless configured, language."""

    program: Path
    config: Path | None = None
    database: Path | None = None
    language: str | None = None

    @property
    def words(self) -> list[str]:
        options = [("--config", self.config), ("--db", self.database), ("--language", self.language)]
        return [str(self.program), *(word for flag, path in options if path for word in (flag, str(path)))]


class UnitFile(msgspec.Struct, frozen=True):
    """A file of the schedule: its path and text."""

    path: Path
    text: str


def run_tool(command: Sequence[str], text: str = "") -> str:
    """Run a program found on PATH, for at most TOOL_TIMEOUT_S."""
    path = shutil.which(command[0])
    if path is None:
        says = _("{program}: program not found; `schedule show` prints the files to install by hand")
        raise BadSchedule(says.format(program=command[0]))
    try:
        done = subprocess.run(  # noqa: S603 the words are our own
            [path, *command[1:]], input=text, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        says = _("`{command}` did not finish within {seconds} s")
        raise BadSchedule(says.format(command=" ".join(command), seconds=TOOL_TIMEOUT_S)) from error
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
        gone.append(_("the lines in your crontab"))
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
            says = _("{path}: {reason}; remove it as root")
            raise BadSchedule(says.format(path=path, reason=system_reason(error))) from error
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
        says = _("{path}: {reason}; run as root, or use the user unit")
        raise BadSchedule(says.format(path=file.path, reason=system_reason(error))) from error


def program(prefix: Path | None = None) -> Path:
    """The console script of the running environment."""
    path = (prefix or Path(sys.prefix)) / "bin" / "reachprobe"
    if not path.is_file():
        says = _("{path}: program not found; install reachprobe with pip, pipx or uv tool")
        raise BadSchedule(says.format(path=path))
    return path


def render(
    kind: Kind, start: Start, *, home: Path, seed: str, agent: bool = False, flock: str = "flock"
) -> list[UnitFile]:
    """The files that schedule `start`: a round every 15 minutes, or with `agent` the agent permanently.

    `home` is for user units; `seed` selects the minute of cron lines.
    """
    if any(ord(letter) < 32 or ord(letter) == 127 for word in start.words for letter in word):
        says = _("{command}: a control character in a path cannot be scheduled")
        raise BadSchedule(says.format(command=repr(start.words)))
    if kind == "cron":
        return [UnitFile(CRONTAB, _cron_lines(start, seed, flock))]
    if kind == "system":
        refuse_hidden([start.program, start.program.resolve(), *([start.config] if start.config else [])])
        start = msgspec.structs.replace(start, database=None)
    folder = SYSTEM_UNITS if kind == "system" else home / USER_UNITS
    name = "agent.service" if agent else "round.service"
    service = UnitFile(folder / "reachprobe.service", _service(name, kind, start))
    return [service] if agent else [service, UnitFile(folder / "reachprobe.timer", _read("systemd/reachprobe.timer"))]


def _service(name: str, kind: Kind, start: Start) -> str:
    if re.search(r"""["'\\]""", str(start.program)):
        says = _("{path}: systemd cannot start a program with a quote or backslash in its path; move it")
        raise BadSchedule(says.format(path=start.program))
    # systemd expands specifiers, but no variables, in the path of the program.
    words = [unit_word(str(start.program)).replace("$$", "$"), *map(unit_word, start.words[1:])]
    network = "Wants=network-online.target\nAfter=network-online.target\n" if kind == "system" else ""
    care = _read("systemd/care.conf") + (_read("systemd/system.conf") if kind == "system" else "")
    return Template(_read(f"systemd/{name}")).substitute(
        command=" ".join(words),
        network=network,
        care=care.rstrip(),
        wanted_by="multi-user.target" if kind == "system" else "default.target",
    )


def _cron_lines(start: Start, seed: str, flock: str) -> str:
    database = start.database or Path("reachprobe.db")
    first = int(period_share(seed) * PERIOD_MINUTES)
    return Template(_read("cron/crontab")).substitute(
        minutes=",".join(str(minute) for minute in range(first, 60, PERIOD_MINUTES)),
        flock=cron_word(flock),
        lock=cron_word(f"{database}.cron"),
        command=" ".join(map(cron_word, start.words)),
    )


def unit_word(word: str) -> str:
    """A word of ExecStart= (systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers")."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w@+=:,./%$-]+", escaped) else f'"{escaped}"'


def cron_word(word: str) -> str:
    """A word of a crontab's command: for the shell, and % escaped, which is a new line there (crontab(5))."""
    return shlex.quote(word).replace("%", "'\\%'" if "'" in shlex.quote(word) else "\\%")


def without_block(crontab: str) -> str:
    """The crontab without our lines."""
    return re.sub(r"(?ms)^# BEGIN reachprobe\n.*?^# END reachprobe\n?", "", crontab)


def refuse_hidden(paths: Iterable[Path]) -> None:
    """Raise BadSchedule for a path that is hidden from a system unit."""
    for path in paths:
        if any(folder in path.parents for folder in HIDDEN):
            says = _(
                "{path}: a system unit cannot access it, because ProtectHome= hides {folders}; use the user unit "
                "(`schedule install --systemd`), or install to /opt and configure in /etc/reachprobe"
            )
            raise BadSchedule(says.format(path=path, folders=", ".join(map(str, HIDDEN))))


def _read(name: str) -> str:
    return files("schedules.install").joinpath(name).read_text(encoding="utf-8")
