"""The programs that the bench holds side by side, each given the same list, and what it spends on it.

A program is one function from a task to what was spent; None where it cannot do such a thing, or is not installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from tests.bench import servers

EXPORTER = "prometheus-blackbox-exporter"
EXPORTER_PORT = 9116
SERVERS_CORE, PROGRAM_CORE = 0, 1
WITHOUT = "import sys; sys.modules['uvloop'] = None; from schedules.cli import main; main()"
"""reachprobe where uvloop is not installed."""


class Job(NamedTuple):
    """One target: what is asked for, the name in it, and where that is."""

    url: str
    name: str
    address: str


class Task(NamedTuple):
    """`jobs`, so many at once, each step waiting at most so long."""

    jobs: list[Job]
    concurrency: int
    timeout_s: float
    folder: Path
    ca_file: Path
    uvloop: bool = True


class Spent(NamedTuple):
    cpu_s: float
    wall_s: float
    memory_mb: float


def reachprobe(task: Task) -> Spent | None:
    """The whole program: two DNS queries, connect, handshake with the certificate kept, page, rules, store."""
    program = [str(Path(sys.executable).with_name("reachprobe"))] if task.uvloop else [sys.executable, "-c", WITHOUT]
    return _spent([*program, *configuration(task)], task, '"outcome"')


def campaign(task: Task) -> Spent:
    """`reachprobe run` of a campaign of these targets, for lists that are too long for a command line."""
    configuration(task)
    with (task.folder / "config.toml").open("a") as config:
        config.write(f'[[campaign]]\nname = "all"\nevery = "1d"\nlist = "{task.folder / "targets.txt"}"\n')
    (task.folder / "targets.txt").write_text("".join(f"{job.url}\n" for job in task.jobs))
    words = ["--config", str(task.folder / "config.toml"), "--db", str(task.folder / "bench.db"), "run", "--json"]
    return _spent([str(Path(sys.executable).with_name("reachprobe")), *words], task, '"outcome":"reachable"')


def configuration(task: Task) -> list[str]:
    """Writes a configuration for a new database, and gives the words behind `reachprobe`."""
    config = task.folder / "config.toml"
    config.write_text(
        f"""[network]
resolvers = ["udp://{servers.RESOLVER}:5353"]
trusted_resolvers = []
canaries = ["https://{servers.name(9999)}:{servers.PORT}/"]
no_resolver = ""
ca_file = "{task.ca_file}"
allow_private = true
concurrency = {task.concurrency}
per_address = {task.concurrency}
timeout_s = {task.timeout_s}
innocent_name = "{servers.name(9998)}"
"""
    )
    for leftover in task.folder.glob("bench.db*"):
        leftover.unlink()
    database = ["--db", str(task.folder / "bench.db")]
    return ["--config", str(config), *database, "check", "--json", *(job.url for job in task.jobs)]


def curl(task: Task) -> Spent | None:
    """`curl --parallel`, handed the addresses; stores nothing."""
    if not task.jobs[0].url.startswith("http"):
        return None
    lines = [f'cacert = "{task.ca_file}"', "no-keepalive", f"connect-timeout = {task.timeout_s}"]
    for job in task.jobs:
        lines.append(f'resolve = "{job.name}:{urlsplit(job.url).port}:{job.address}"')
    for job in task.jobs:
        lines += [f'url = "{job.url}"', 'output = "/dev/null"']
    config = task.folder / "curl.cfg"
    config.write_text("\n".join(lines))
    words = ["curl", "-sS", "--parallel", "--parallel-max", str(task.concurrency), "-w", "code %{http_code}\\n"]
    return _spent([*words, "-K", str(config)], task, "code ")


def plain_httpx(task: Task) -> Spent | None:
    """One httpx client, handed the addresses; stores nothing."""
    if not task.jobs[0].url.startswith("http"):
        return None
    words = ["-m", "tests.bench.plain_httpx", str(task.ca_file), str(task.timeout_s), str(task.concurrency)]
    given = "\n".join(f"{job.url} {job.address} {job.name}" for job in task.jobs)
    return _spent([sys.executable, *words], task, "", given)


def exporter(task: Task) -> Spent | None:
    """prometheus-blackbox-exporter, asked by curl so many at once; for DNS its own prober with one query a target."""
    program = shutil.which(EXPORTER)
    if program is None:
        return None
    with _exporting(program, task) as process:
        urls = task.folder / "probes.cfg"
        urls.write_text("\n".join(f'url = "{_probe(job)}"' for job in task.jobs))
        before, begun = _cpu_s(process.pid), time.monotonic()
        words = ["curl", "-sS", "--parallel", "--parallel-max", str(task.concurrency), "-K", str(urls)]
        asked = subprocess.run(words, capture_output=True, text=True, check=True)
        took = time.monotonic() - begun
        _all_there(EXPORTER, sum(line.startswith("probe_success ") for line in asked.stdout.splitlines()), task)
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
        return Spent(_cpu_s(process.pid) - before, took, peak)


PROGRAMS: dict[str, Callable[[Task], Spent | None]] = {
    "reachprobe": reachprobe,
    "curl": curl,
    "blackbox_exporter": exporter,
    "plain httpx": plain_httpx,
}


def _probe(job: Job) -> str:
    base = f"http://127.0.0.1:{EXPORTER_PORT}/probe?"
    if not job.url.startswith("http"):
        return f"{base}module=name{job.name.partition('.')[0]}&target={servers.RESOLVER}:5353"
    there = urlsplit(job.url)._replace(netloc=f"{job.address}:{urlsplit(job.url).port}").geturl()
    return f"{base}module=page&hostname={job.name}&target={quote(there, safe='')}"


@contextmanager
def _exporting(program: str, task: Task) -> Iterator[subprocess.Popen[bytes]]:
    lines = [
        "modules:",
        f"  page: {{prober: http, timeout: {task.timeout_s}s, http: {{preferred_ip_protocol: ip4, "
        f"tls_config: {{ca_file: '{task.ca_file}'}}}}}}",
    ]
    for job in task.jobs:
        lines.append(
            f"  name{job.name.partition('.')[0]}: {{prober: dns, timeout: {task.timeout_s}s, "
            f"dns: {{query_name: '{job.name}', query_type: A, preferred_ip_protocol: ip4}}}}"
        )
    config = task.folder / "exporter.yml"
    config.write_text("\n".join(lines))
    words = [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{EXPORTER_PORT}", "--log.level=error"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, preexec_fn=_on_its_core)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{EXPORTER_PORT}/-/healthy", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


def _spent(command: list[str], task: Task, sign: str, given: str | None = None) -> Spent:
    environment = os.environ | {
        "REACHPROBE_CONSENT": "yes",
        "STATE_DIRECTORY": str(task.folder),
        "HOME": str(task.folder),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled once, not at each start
    (task.folder / "in").write_text(given or "")
    with (task.folder / "in").open() as told, (task.folder / "out").open("w+") as out:
        begun = time.monotonic()
        process = subprocess.Popen(
            command, stdin=told, stdout=out, stderr=subprocess.DEVNULL, env=environment, preexec_fn=_on_its_core
        )
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        _all_there(command[0], sum(sign in line for line in out), task)
    return Spent(usage.ru_utime + usage.ru_stime, took, usage.ru_maxrss / 1024)


def _all_there(program: str, found: int, task: Task) -> None:
    if found != len(task.jobs):
        raise RuntimeError(f"{program} told of {found} of {len(task.jobs)} targets")


def _on_its_core() -> None:
    if (os.cpu_count() or 1) > PROGRAM_CORE:
        os.sched_setaffinity(0, {PROGRAM_CORE})


def _cpu_s(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
