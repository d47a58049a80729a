"""Starts the real servers of the table in a lab and runs the program against them: sites, control paths, resolvers."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from schedules.demo import sites as demo
from schedules.demo.authority import Authority
from tests.lab import censorship, kernel
from tests.lab.debian_table import DebianServer, table
from tests.lab.sites import KNOWN, ipv6_of
from tests.lab.standing import Lab, lab
from tests.lab.world import IN_THE_OPEN, NOT_REACHED, OFFLINE, REACHABLE, blocked, both, http, https
from tests.situation import Expected, Judged

READY_WITHIN_S = 20
AT_ONCE = 4
PORTAL_PORT = 8082
NOWHERE = dict.fromkeys(
    map(https, ("dead", "silent", "closing", "expired", "misnamed", "no-such-name")), Expected("down")
)
SEEN = {
    https("honest"): REACHABLE,
    http("plain"): IN_THE_OPEN,
    https("wechat"): blocked("tls.reset", "name", "confirmed"),
    https("address-dropped"): Expected("blocked", "tcp.timeout"),
}
"""What the gateway of these runs does."""
WITH_A_CONTROL = SEEN | NOWHERE
BY_ITS_PATH = {
    https("honest"): REACHABLE,
    https("wechat"): REACHABLE,
    https("address-dropped"): REACHABLE,
    **dict.fromkeys(map(https, ("dead", "closing", "no-such-name")), NOT_REACHED),
}
WITH_A_RESOLVER = SEEN | {
    https("no-ipv4"): REACHABLE,
    https("no-ipv6"): REACHABLE,
    https("dead"): Expected("down"),
    https("no-such-name"): Expected("down"),
}


@dataclass(frozen=True)
class Job:
    """One run of the program: what it measures, by which path, with which configuration, and what must come of it."""

    name: str
    expected: dict[str, Expected]
    config: str
    path: str = "direct"

    def run(self, folder: Path, ca: str) -> list[Judged]:
        own = Lab(folder / re.sub(r"\W", "-", self.name))
        own.folder.mkdir(exist_ok=True)
        own.ca_file.write_text(ca)
        config = self.config.replace(str(folder / own.ca_file.name), str(own.ca_file))
        ran = own.reachprobe("-q", "check", "--json", "--path", self.path, *self.expected, config=config)
        rows = {row["target"]: row for row in ran.rows}
        if not rows:
            raise kernel.LabError(f"{self.name}: no row: {ran.err.strip()[-500:]}")
        return [
            Judged(f"{self.name}, {target}", expected, rows.get(target)) for target, expected in self.expected.items()
        ]


def jobs(servers: Sequence[DebianServer], lab: Lab) -> Iterator[Job]:
    """What is run against these servers, the portal left out."""
    usual = lab.config_toml()
    pages = {one.target: one.expected for server in servers for one in server.expect}
    if pages:
        yield Job("real sites", pages, usual)
    for server in servers:
        if server.control:
            path = f'[[path]]\nname = "{server.name}"\nproxy = "{_filled(server.control, server, {})}"\n'
            config = usual.replace('path = "control"', f'path = "{server.name}"') + path
            yield Job(f"{server.name} as control", WITH_A_CONTROL, config)
            yield Job(f"{server.name} as path", BY_ITS_PATH, config, server.name)
        if server.resolvers:
            yield Job(f"{server.name} as resolver", WITH_A_RESOLVER, _asking(server, usual))


def expected(servers: Sequence[DebianServer]) -> list[tuple[str, str | None, str | None]]:
    """Every situation: its name, what must be installed for it, and what is still wrong with it."""
    found = [(f"real sites, {one.target}", server.missing, one.xfail) for server in servers for one in server.expect]
    for server in servers:
        parts = (("control", WITH_A_CONTROL), ("path", BY_ITS_PATH)) if server.control else ()
        parts += (("resolver", WITH_A_RESOLVER),) if server.resolvers else ()
        for part, targets in parts:
            found += [
                (f"{server.name} as {part}, {target}", server.missing, server.xfail.get(f"{part} {target}"))
                for target in targets
            ]
        if server.place == "gateway":
            found += [(f"{server.name}, {target}", server.missing, None) for target in PORTAL]
    return found


PORTAL = {https("honest"): OFFLINE, http("plain"): OFFLINE}


def _asking(server: DebianServer, config: str) -> str:
    asked = {"resolvers": server.resolvers, "trusted_resolvers": server.trusted_resolvers}
    for key, found in asked.items():
        if found:
            words = json.dumps([_filled(one, server, {}) for one in found])
            config = re.sub(rf"^{key} = .*$", f"{key} = {words}", config, flags=re.MULTILINE)
    return config


def run_all(servers: Sequence[DebianServer] | None = None) -> list[Judged]:
    """Every situation of these servers, or of all that are installed."""
    servers = [server for server in servers or table() if server.missing is None]
    with TemporaryDirectory(prefix="reachprobe-servers-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # some of them give up root and still have to read it
        with lab(folder) as standing, furnished(servers, folder) as ca:
            for address in both("address-dropped"):
                censorship.drops_address(address)
            censorship.resets_name("wechat.x.test")
            with ThreadPoolExecutor(AT_ONCE) as pool:
                judged = [
                    one for some in pool.map(lambda job: job.run(folder, ca), jobs(servers, standing)) for one in some
                ]
            for server in (server for server in servers if server.place == "gateway"):
                censorship.forgives()
                censorship.asks_for_login(PORTAL_PORT)
                judged += Job(server.name, PORTAL, standing.config_toml()).run(folder, ca)
            return judged


@contextmanager
def furnished(servers: Sequence[DebianServer], folder: Path) -> Iterator[str]:
    """These servers, running; the certificates to trust. Raises LabError with the log of one that does not listen."""
    authority = Authority(folder, "Server Authority")
    started: list[tuple[DebianServer, subprocess.Popen[bytes]]] = []
    resolv_conf = kernel.NETNS / kernel.INTERNET / "resolv.conf"
    resolv_conf.parent.mkdir(parents=True, exist_ok=True)
    resolv_conf.write_text(f"nameserver {kernel.RESOLVER}\n")
    try:
        for server in servers:
            started.append((server, _start(server, folder, authority)))
        for server, process in started:
            _await(server, process, folder)
        yield (folder / "demo-authority.pem").read_text() + authority.ca_file.read_text()
    finally:
        for _, process in started:
            process.terminate()
        for _, process in started:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(server: DebianServer, folder: Path, authority: Authority) -> subprocess.Popen[bytes]:
    place = kernel.INTERNET if server.place == "internet" else kernel.GATEWAY
    if server.place == "internet":
        kernel.must("ip", "-n", place, "address", "add", f"{server.address}/24", "dev", "net0")
        kernel.must("ip", "-n", place, "address", "add", f"{ipv6_of(server.address)}/64", "dev", "net0", "nodad")
    own, www = folder / server.name, folder / "server-pages"
    for made in (own, www):
        made.mkdir(exist_ok=True)
        made.chmod(0o777)  # some give up root before they write
    (www / "index.html").write_bytes(demo.html("A real server", kib=4))
    pem = authority.pem(*(f"{name}.x.test" for name in (*server.names, *server.ipv6_only)), server.address)
    pem.chmod(0o644)
    config = own / "server.conf"
    log = _log(server, folder)
    log.touch()
    log.chmod(0o666)
    words = {"config": config, "log": log, "www": www, "pem": pem, "ca": authority.ca_file, "folder": own}
    words |= {"records": records()} if server.files else {}
    for path, text in {config.name: server.config, **server.files}.items():
        written = own / path
        written.write_text(_filled(text, server, words))
    command = [_filled(word, server, words) for word in server.command]
    with log.open("ab") as out:
        return subprocess.Popen(
            ["ip", "netns", "exec", place, *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=own,
            env={"HOME": str(own), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )


def _log(server: DebianServer, folder: Path) -> Path:
    return folder / server.name / "server.log"


def _filled(text: str, server: DebianServer, words: dict[str, object]) -> str:
    words = {"address": server.address, "ipv6": ipv6_of(server.address), **words}
    words |= {f"at:{other.name}": other.address for other in table()}
    return re.sub(r"@([a-z0-9:-]+)@", lambda found: str(words.get(found[1], found[0])), text)


def records() -> str:
    """The lab's zone, as RFC 1035 writes it."""
    return "\n".join(
        f"{site.name}. IN {'AAAA' if ':' in address else 'A'} {address}"
        for site in KNOWN
        if site.kind not in ("broken", "inside")
        for address in site.addresses
    )


def _await(server: DebianServer, process: subprocess.Popen[bytes], folder: Path) -> None:
    place = kernel.INTERNET if server.place == "internet" else kernel.GATEWAY
    until = time.monotonic() + READY_WITHIN_S
    while missing := set(server.listens) - _listening(place, server):
        if process.poll() is not None or time.monotonic() > until:
            log = _log(server, folder).read_text("utf-8", "replace").strip()[-1500:]
            raise kernel.LabError(f"{server.name} does not listen at {', '.join(sorted(missing))}: {log}")
        time.sleep(0.1)


def _listening(place: str, server: DebianServer) -> set[str]:
    found = set()
    for line in kernel.inside(place, "ss", "-Hlntu").splitlines():
        protocol, _, _, _, local, *_ = line.split()
        address, port = local.rsplit(":", 1)
        if address in (server.address, "*", "0.0.0.0"):
            found.add(f"{port}/{protocol}")
    return found
