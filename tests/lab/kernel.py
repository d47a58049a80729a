"""Three network namespaces in a row: a client, a gateway that can censor, and the internet behind it.

    client 192.0.2.2, 192.0.2.3  -  gateway 192.0.2.1 | 198.51.100.1    -  internet 198.51.100.0/24
           2001:db8:1::2                 2001:db8:1::1 | 2001:db8:2::1              2001:db8:2::/64

Everything stays inside the three namespaces: none has a way out. `up` begins by removing what an earlier run left.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

STANDING = "standing"
RUN = os.environ.get("REACHPROBE_LAB") or str(os.getpid())
"""Every run has namespaces of its own, so that two never meet."""
PLACES = ("client", "gateway", "internet")
NAMESPACES = CLIENT, GATEWAY, INTERNET = tuple(f"reachprobe-{RUN}-{place}" for place in PLACES)
LOCKS = Path("/run")
LOCK = LOCKS / f"reachprobe-lab-{RUN}.lock"
NETNS = Path("/etc/netns")
RESOLVER = "198.51.100.53"
SPARED = "192.0.2.3"
"""The client's second address, as a VPN would give it one: a gateway may spare it."""
TOOLS = {"ip": "iproute2", "tc": "iproute2", "iptables": "iptables", "ip6tables": "iptables", "nft": "nftables"}


class LabError(Exception):
    """The lab cannot be built here; the message says why and what would help."""


def why_not() -> str | None:
    """Why no lab can be built on this machine, or None if one can."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces joined by veth need root: run as root"
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        return f"missing tools: apt-get install {' '.join(missing)}"
    probe = f"reachprobe-{os.getpid()}-try"
    tried = _run(["ip", "netns", "add", probe])
    if tried.returncode:
        return f"this kernel or container allows no network namespace: {tried.stderr.strip()}"
    try:
        rule = ["-A", "INPUT", "-m", "string", "--algo", "bm", "--string", "x", "-j", "DROP"]
        tried = _run(["ip", "netns", "exec", probe, "iptables", *rule])
        return f"iptables has no string match here: {tried.stderr.strip()}" if tried.returncode else None
    finally:
        _run(["ip", "netns", "del", probe])


def take() -> IO[str]:
    """Hold this run's lab until the returned file is closed, and remove what runs that ended left behind.

    Raises LabError if none can be built, or another process holds it.
    """
    if reason := why_not():
        raise LabError(reason)
    for left in LOCKS.glob("reachprobe-lab-*.lock"):
        run = left.stem.removeprefix("reachprobe-lab-")
        if run not in (RUN, STANDING) and (held := _hold(left)) is not None:
            with held:
                down(run)
                left.unlink(missing_ok=True)
    if (lock := _hold(LOCK)) is None:
        raise LabError(f"another run holds the lab ({LOCK}): wait for it to end")
    return lock


def _hold(path: Path) -> IO[str] | None:
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def up(internet: Sequence[str], internet6: Sequence[str] = ()) -> None:
    """Build the namespaces; the internet's side gets these addresses."""
    down()
    for name in NAMESPACES:
        must("ip", "netns", "add", name)
        inside(name, "ip", "link", "set", "lo", "up")
        for key in ("accept_dad", "accept_ra"):  # else IPv6 is silent for the first second or two
            inside(name, "sh", "-c", f"echo 0 > /proc/sys/net/ipv6/conf/default/{key}")
    _join(
        CLIENT, "up0", ["192.0.2.2/24", f"{SPARED}/24", "2001:db8:1::2/64"], "in0", ["192.0.2.1/24", "2001:db8:1::1/64"]
    )
    there = [f"{address}/24" for address in internet] + [f"{address}/64" for address in internet6]
    _join(INTERNET, "net0", there, "out0", ["198.51.100.1/24", "2001:db8:2::1/64"])
    for name, via, via6 in ((CLIENT, "192.0.2.1", "2001:db8:1::1"), (INTERNET, "198.51.100.1", "2001:db8:2::1")):
        inside(name, "ip", "route", "add", "default", "via", via)
        inside(name, "ip", "-6", "route", "add", "default", "via", via6)
    for key in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/netfilter/nf_conntrack_acct"):
        inside(GATEWAY, "sh", "-c", f"echo 1 > /proc/sys/{key}")
    (NETNS / CLIENT).mkdir(parents=True, exist_ok=True)
    (NETNS / CLIENT / "resolv.conf").write_text(f"nameserver {RESOLVER}\noptions timeout:1 attempts:1\n")


def add(name: str, number: int) -> str:
    """Another client behind the gateway, at 203.0.113.N/30 and in IPv6; the gateway's link to it, to tell it by."""
    client, link = place(name), f"in{number}"
    must("ip", "netns", "add", client)
    inside(client, "ip", "link", "set", "lo", "up")
    for key in ("accept_dad", "accept_ra"):
        inside(client, "sh", "-c", f"echo 0 > /proc/sys/net/ipv6/conf/default/{key}")
    near, far = f"203.0.113.{4 * number + 2}", f"203.0.113.{4 * number + 1}"
    near6, far6 = f"2001:db8:{number + 10}::2", f"2001:db8:{number + 10}::1"
    _join(client, "up0", [f"{near}/30", f"{near6}/64"], link, [f"{far}/30", f"{far6}/64"])
    inside(client, "ip", "route", "add", "default", "via", far)
    inside(client, "ip", "-6", "route", "add", "default", "via", far6)
    return link


def place(name: str) -> str:
    """The namespace of a client that was added."""
    return f"reachprobe-{RUN}-{name}"


def _join(name: str, link: str, own: list[str], gateway_link: str, gateway: list[str]) -> None:
    """A veth pair between `name` and the gateway. Offloads are off, so that byte counts cut where they say."""
    must("ip", "-n", name, "link", "add", link, "type", "veth", "peer", "name", gateway_link, "netns", GATEWAY)
    for namespace, device, addresses in ((name, link, own), (GATEWAY, gateway_link, gateway)):
        for address in addresses:
            nodad = ["nodad"] if ":" in address else []
            must("ip", "-n", namespace, "address", "add", address, "dev", device, *nodad)
        must("ip", "-n", namespace, "link", "set", device, "gso_max_segs", "1", "up")


def down(run: str = RUN) -> None:
    """Remove everything of a run, whether it is there or not: only processes inside its namespaces are ended."""
    more = [line.split()[0] for line in _run(["ip", "netns", "list"]).stdout.splitlines() if line.strip()]
    names = {name for name in more if name.startswith(f"reachprobe-{run}-")}
    for name in names | {f"reachprobe-{run}-{place}" for place in PLACES}:
        for pid in _run(["ip", "netns", "pids", name]).stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
        _run(["ip", "netns", "del", name])
        shutil.rmtree(NETNS / name, ignore_errors=True)
    if NETNS.is_dir() and not any(NETNS.iterdir()):
        NETNS.rmdir()


def inside(name: str, *command: str) -> str:
    """Run a command in a namespace; its standard output. Raises LabError with what it complained of."""
    return must("ip", "netns", "exec", name, *command)


def start(name: str, *command: str) -> subprocess.Popen[str]:
    """Start a server in a namespace and wait until it says that it is ready. `down` ends it."""
    server = subprocess.Popen(["ip", "netns", "exec", name, *command], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    if (line := server.stdout.readline()) != "ready\n":
        server.kill()
        server.wait()
        server.stdout.close()
        raise LabError(f"{' '.join(command)} did not start: {line.strip() or 'see its complaint above'}")
    return server


def must(*command: str) -> str:
    """Run a command; its standard output. Raises LabError with what it complained of."""
    done = _run(command)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
