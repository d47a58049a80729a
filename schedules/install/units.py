"""Renders systemd units and crontab lines from the templates in this package."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Literal

import msgspec

from schedules.plan.due import period_share

Kind = Literal["user", "system", "cron"]
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user")))
"""Folders that ProtectHome= hides from a system unit."""
USER_UNITS, SYSTEM_UNITS = Path(".config/systemd/user"), Path("/etc/systemd/system")
CRONTAB = Path("crontab")
"""Stands for the crontab, which only the program `crontab` reads and writes."""
PERIOD_MINUTES = 15


class BadSchedule(ValueError):
    """A schedule that would not work or cannot be installed; the message names the remedy."""


class Start(msgspec.Struct, frozen=True):
    """The command line of the program: its path, configuration and database."""

    program: Path
    config: Path | None = None
    database: Path | None = None

    @property
    def words(self) -> list[str]:
        options = [("--config", self.config), ("--db", self.database)]
        return [str(self.program), *(word for flag, path in options if path for word in (flag, str(path)))]


class UnitFile(msgspec.Struct, frozen=True):
    """A file of the schedule: its path and text."""

    path: Path
    text: str


def program(prefix: Path | None = None) -> Path:
    """The console script of the running environment."""
    path = (prefix or Path(sys.prefix)) / "bin" / "reachprobe"
    if not path.is_file():
        raise BadSchedule(f"{path}: there is no program; install reachprobe with pip, pipx or uv tool")
    return path


def render(
    kind: Kind, start: Start, *, home: Path, seed: str, agent: bool = False, flock: str = "flock"
) -> list[UnitFile]:
    """The files that schedule `start`: a round every 15 minutes, or with `agent` the agent permanently.

    `home` is for user units; `seed` selects the minute of cron lines.
    """
    if any(ord(letter) < 32 or ord(letter) == 127 for word in start.words for letter in word):
        raise BadSchedule(f"{start.words!r}: a control character in a path; no schedule can hold it")
    if kind == "cron":
        return [UnitFile(CRONTAB, _crontab(start, seed, flock))]
    if kind == "system":
        refuse_hidden([start.program, start.program.resolve(), *([start.config] if start.config else [])])
        start = Start(start.program, start.config)
    folder = SYSTEM_UNITS if kind == "system" else home / USER_UNITS
    name = "agent.service" if agent else "round.service"
    service = UnitFile(folder / "reachprobe.service", _service(name, kind, start))
    return [service] if agent else [service, UnitFile(folder / "reachprobe.timer", _read("systemd/reachprobe.timer"))]


def _service(name: str, kind: Kind, start: Start) -> str:
    if re.search(r"""["'\\]""", str(start.program)):
        raise BadSchedule(f"{start.program}: systemd starts no program with a quote or backslash in its path; move it")
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


def _crontab(start: Start, seed: str, flock: str) -> str:
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
            raise BadSchedule(
                f"{path}: a system unit cannot see it, for ProtectHome= hides {', '.join(map(str, HIDDEN))}; "
                "take the user unit (`schedule install --systemd`), or install to /opt and configure in /etc/reachprobe"
            )


def _read(name: str) -> str:
    return files("schedules.install").joinpath(name).read_text(encoding="utf-8")
