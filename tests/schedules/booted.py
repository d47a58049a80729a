"""A real systemd, started as the first process of namespaces of its own, with our units and nothing else.

It can write nothing of this machine: every file system is read-only to it, but for memory and folders of the test in
place of /run, /tmp, /opt, /var/lib and its units. Of the system's own units it has targets and slices alone, so that no
service of the system's runs. The program and its Python are shown under /opt, as if they had been installed there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

INIT, UNITS = Path("/lib/systemd/systemd"), Path("/usr/lib/systemd/system")
RUNNING = Path("/run/systemd/system")
ROOT = Path(__file__).parents[2]
PLACE = Path("/opt/reachprobe")
PROGRAM = PLACE / "bin/reachprobe"
CGROUPS = Path("/sys/fs/cgroup")
NAMESPACES = ("--mount", "--pid", "--fork", "--mount-proc", "--uts", "--ipc", "--cgroup", "--kill-child")
BOOT = """
set -e
mount --make-rprivate /
umount -R -l /sys/fs/cgroup
umount -R -l /run 2>/dev/null || true
mount --bind /proc/sys /proc/sys
awk '$3 !~ /^(proc|sysfs|devtmpfs|devpts|nsfs)$/ || $2 == "/proc/sys" { print $2 }' /proc/self/mounts | sort -u |
while read -r place; do mount -o remount,bind,ro "$place"; done
for place in /etc /var /tmp /usr "$1" "$2"; do
    if touch "$place/.written" 2>/dev/null; then echo "$place could be written" >&2; exit 1; fi
done
mount -t tmpfs tmpfs /opt
mkdir /opt/python /opt/source /opt/packages /opt/reachprobe
for pair in python:"$3" source:"$2" packages:"$4"; do
    mount --bind "${pair#*:}" "/opt/${pair%%:*}"
done
mount --bind "$1/program" /opt/reachprobe
mount --bind "$1/system" /usr/lib/systemd/system
mount --bind "$1/units" /etc/systemd/system
mount --bind "$1/state" /var/lib
mount -o remount,bind,rw /var/lib
mount --bind "$1/console" /dev/console
mount -o remount,bind,rw /dev/console
for place in /usr/lib/systemd/system-generators /run /var/tmp /tmp; do mount -t tmpfs tmpfs "$place"; done
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=basic.target \\
    --log-target=console --default-standard-output=null
"""
SOMEONE = 65534
HOME = Path("/var/lib/someone")
AS_SOMEONE = (
    *("setpriv", f"--reuid={SOMEONE}", f"--regid={SOMEONE}", "--clear-groups"),
    *("env", "XDG_RUNTIME_DIR=/run/someone", f"HOME={HOME}"),
)
LOGGED_IN = f"""[Service]
Type=notify
User={SOMEONE}
Group={SOMEONE}
Delegate=yes
RuntimeDirectory=someone
Environment=XDG_RUNTIME_DIR=/run/someone HOME={HOME}
ExecStart=/lib/systemd/systemd --user --unit=basic.target
"""
"""What user@.service does when somebody logs in, without PAM."""
SAID = "[Service]\nStandardError=append:/var/lib/said\n"
CONSOLE_SCRIPT = """#!/bin/sh
LD_LIBRARY_PATH=/opt/python/lib exec /opt/reachprobe/bin/python3 -c 'from schedules.cli import main; main()' "$@"
"""
"""As pip writes it, but for a Python that would look for its own library where it is not installed now."""


def why_not() -> str | None:
    """Why no systemd can be started here, if none can."""
    if os.geteuid() != 0:
        return "only root may start it"
    if not INIT.exists() or not UNITS.is_dir() or shutil.which("unshare") is None:
        return "there is no systemd, or no unshare"
    if RUNNING.exists():
        return "this machine's own systemd is not to be disturbed"
    if subprocess.run(["unshare", *NAMESPACES, "mount", "--make-rprivate", "/"], capture_output=True).returncode:
        return "no namespaces may be made here"
    return None


class Booted(NamedTuple):
    """A systemd that runs: its process id as seen from here, and where its /var/lib lies."""

    pid: int
    state: Path

    someone: bool = False
    """Whether it is asked by an ordinary user, of that user's own units."""

    def ctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """systemctl, inside."""
        inside = ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-i", "-C"]
        asking = [*AS_SOMEONE, "systemctl", "--user"] if self.someone else ["systemctl"]
        return subprocess.run(
            [*inside, *asking, "--no-pager", *words], capture_output=True, text=True, timeout=60, check=False
        )

    def log_in(self) -> Booted:
        """Start an ordinary user's own systemd, and ask that from now on."""
        assert self.ctl("start", "someone.service").returncode == 0, self.said
        return self._replace(someone=True)

    @property
    def said(self) -> str:
        """What the program said on stderr."""
        return (self.state / "said").read_text()

    def told(self, unit: str, *names: str) -> dict[str, str]:
        said = self.ctl("show", unit, *(f"--property={name}" for name in names)).stdout
        return dict(line.split("=", 1) for line in said.splitlines())


@contextmanager
def booted(
    folder: Path, units: Mapping[str, str], config: str, *, missed_since: float | None = None
) -> Iterator[Booted]:
    """Start it with these units and this configuration of the program. With `missed_since` (Unix time), reachprobe's
    timer fired last then."""
    for name in ("units", "state", "system", "program/bin"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "console").touch()
    for name, text in {**units, "reachprobe.service.d/said.conf": SAID, "someone.service": LOGGED_IN}.items():
        (folder / "units" / name).parent.mkdir(exist_ok=True)
        (folder / "units" / name).write_text(text)
    for unit in (*UNITS.glob("*.target"), *UNITS.glob("*.slice")):
        shutil.copyfile(unit, folder / "system" / unit.name)
    _program(folder / "program", config)
    if missed_since is not None:
        stamp = folder / "state/systemd/timers/stamp-reachprobe.timer"
        stamp.parent.mkdir(parents=True)
        stamp.touch()
        os.utime(stamp, (missed_since, missed_since))
    before = _groups()
    places = (folder, ROOT, sys.base_prefix, _packages())
    with (folder / "boot").open("wb") as said:
        process = subprocess.Popen(
            ["unshare", *NAMESPACES, "sh", "-c", BOOT, "sh", *map(str, places)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
    try:
        system = Booted(_first_process(process, folder), folder / "state")
        until(lambda: system.ctl("is-active", "basic.target").stdout == "active\n")
        yield system
    finally:
        process.kill()  # and with it the first process of the namespace, and with that every other
        process.wait()
        until(lambda: not _left(before))


def until(seen: Callable[[], bool]) -> None:
    """Wait for it, two minutes at most."""
    for _ in range(480):
        if seen():
            return
        time.sleep(0.25)
    raise AssertionError("it did not come to that")


def _program(folder: Path, config: str) -> None:
    """An environment as `python -m venv` makes it, and the program in it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "pyvenv.cfg").write_text("home = /opt/python/bin\ninclude-system-site-packages = false\n")
    (folder / "bin/python3").symlink_to(f"/opt/python/bin/{version}")
    packages = folder / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "program.pth").write_text("/opt/source\n/opt/packages\n")
    (folder / "bin/reachprobe").write_text(CONSOLE_SCRIPT)
    (folder / "bin/reachprobe").chmod(0o755)
    (folder / "config.toml").write_text(config)


def _packages() -> str:
    """Where the libraries lie that the program needs."""
    import msgspec

    return str(Path(msgspec.__file__).parents[1] if msgspec.__file__ else sysconfig.get_paths()["platlib"])


def _first_process(process: subprocess.Popen[bytes], folder: Path) -> int:
    """The systemd's process id, as it is seen here."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def runs() -> bool:
        assert process.poll() is None, (folder / "boot").read_text()
        found = children.read_text().split()
        return bool(found) and Path(f"/proc/{found[0]}/comm").read_text() == "systemd\n"

    until(runs)
    return int(children.read_text().split()[0])


def _groups() -> set[Path]:
    """The groups of processes that a systemd makes."""
    return {path for name in ("*.slice", "init.scope") for path in (*CGROUPS.glob(name), *CGROUPS.glob(f"*/{name}"))}


def _left(before: set[Path]) -> set[Path]:
    """What is left of its groups when those that can be are removed: none, as soon as their processes have ended."""
    for group in _groups() - before:
        removing = ["find", str(group), "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]
        subprocess.run(removing, capture_output=True, check=False)
    return _groups() - before
