"""The lab built and furnished with its servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import kernel
from tests.lab.sites import (
    ANNEX,
    ANNEX6,
    HONEST_RESOLVERS,
    HOSTER,
    HOSTER6,
    KNOWN,
    OTHER_SOCKS,
    OWN_VIEW,
    REFUSES,
    SILENT,
    SITES,
    SOCKS,
    STUB,
    UNSIGNED,
    ipv6_of,
)

AWAKE_S = 1.2
"""By then the reference sites have answered, and targets are on their way."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Lab:
    """A lab that stands; `folder` holds the authority's certificate."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        return self.folder / "demo-authority.pem"

    def run(self, *command: str) -> str:
        """A command of the client's; its standard output."""
        return kernel.inside(kernel.CLIENT, *command)

    def look(self, url: str, address: str) -> str:
        """What a plain client meets there, in a word (see look.py)."""
        script = str(ROOT / "tests" / "lab" / "look.py")
        return self.run(sys.executable, script, str(self.ca_file), url, address).strip()

    def visit(self, name: str, scheme: str = "https", *, ipv6: bool = False) -> str:
        """`look` at a site of the lab, at its real address."""
        return self.look(f"{scheme}://{name}/", ipv6_of(SITES[name]) if ipv6 else SITES[name])

    def config_toml(
        self,
        *,
        timeout_s: float = 1.5,
        control: str = "control",
        control_country: str | None = None,
        canaries: tuple[str, ...] = (),
        more: str = "",
    ) -> str:
        """The configuration for measuring from the client's namespace. `control` is one of its two paths: a proxy
        beyond the gateway, or `vpn`, which carries datagrams too.
        """
        plain, doh, dot = HONEST_RESOLVERS
        country = f'country = "{control_country}"' if control_country else ""
        usual = ("http://canary.x.test/generate_204", "https://canary.x.test/generate_204")
        return f"""[vantage]
name = "lab"
country = "RU"
[network]
resolvers = ["udp://{plain}"]
trusted_resolvers = ["https://{doh}/dns-query", "tls://{dot}"]
canaries = {json.dumps([*usual, *canaries])}
domestic_canaries = ["http://canary-at-home.x.test/generate_204"]
no_resolver = ""
innocent_name = "innocent.x.test"
ab_address = "{SITES["innocent.x.test"]}:443"
ca_file = "{self.ca_file}"
allow_private = true
timeout_s = {timeout_s}
{more}
[control]
path = "{control}"
[[path]]
name = "vpn"
bind = "{kernel.SPARED}"
[[path]]
name = "control"
proxy = "socks5://{SOCKS}:1080"
{country}
"""

    def reachprobe(self, *words: str, config: str, within_s: float = 300, nap_s: float = 0.0) -> Ran:
        """The program itself, in a process of its own in the client's namespace, with this configuration."""
        written = self.folder / "config.toml"
        written.write_text(config)
        command = [sys.executable, "-c", "from schedules.cli import main; main()", "--config", str(written), *words]
        with subprocess.Popen(
            ["ip", "netns", "exec", kernel.CLIENT, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "REACHPROBE_CONSENT": "yes", "STATE_DIRECTORY": str(self.folder), "NO_COLOR": "1"},
        ) as process:
            try:
                if nap_s:
                    _nap(process, nap_s)
                out, err = process.communicate(timeout=within_s)
            finally:
                process.kill()
        return Ran(process.returncode, out, err)


def _nap(process: subprocess.Popen[str], nap_s: float) -> None:
    time.sleep(AWAKE_S)
    process.send_signal(signal.SIGSTOP)
    time.sleep(nap_s)
    process.send_signal(signal.SIGCONT)


def furnish(folder: Path) -> list[subprocess.Popen[str]]:
    """Build the namespaces and start the servers in them."""
    at = dict.fromkeys(SITES.values())
    hosts = [*at, *HONEST_RESOLVERS, SOCKS, OTHER_SOCKS, STUB, UNSIGNED, OWN_VIEW, REFUSES, SILENT]
    kernel.up(hosts, [ipv6_of(address) for address in at])
    kernel.inside(kernel.GATEWAY, "ip", "route", "add", "198.51.101.0/24", "via", SOCKS)
    for prefix in (HOSTER, ANNEX, HOSTER6, ANNEX6):
        family = ("-6",) if ":" in prefix else ()
        kernel.inside(kernel.GATEWAY, "ip", *family, "route", "add", prefix, "dev", "out0")
    kernel.inside(kernel.INTERNET, "iptables", "-A", "INPUT", "-d", SILENT, "-j", "DROP")
    for site in (site for site in KNOWN if site.kind == "silent"):
        kernel.inside(kernel.INTERNET, "iptables", "-A", "INPUT", "-d", site.address, "-j", "DROP")
        kernel.inside(kernel.INTERNET, "ip6tables", "-A", "INPUT", "-d", site.ipv6, "-j", "DROP")
    command = (sys.executable, "-m", "tests.lab.servers")
    return [
        kernel.start(namespace, *command, role, str(folder))
        for namespace, role in ((kernel.INTERNET, "internet"), (kernel.GATEWAY, "gateway"))
    ]


def wait_until_whole(built: Lab) -> None:
    """Links take a moment to carry both families. Raises LabError if they never do."""
    for ipv6 in (False, True):
        if not any(built.visit("honest.x.test", "http", ipv6=ipv6).startswith("page") for _ in range(5)):
            raise kernel.LabError(f"the lab stands but carries no IPv{6 if ipv6 else 4}")


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """A lab for the length of a `with`. Raises kernel.LabError, which says why there can be none."""
    with kernel.take():
        servers = []
        try:
            servers = furnish(folder)
            built = Lab(folder)
            wait_until_whole(built)
            yield built
        finally:
            kernel.down()
            kernel.LOCK.unlink(missing_ok=True)
            for server in servers:
                server.wait()
                if server.stdout is not None:
                    server.stdout.close()
