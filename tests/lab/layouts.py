"""Worlds of networks as people have them: behind a provider's NAT, over IPv6 alone, with a smaller MTU."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lab import censorship
from tests.lab.kernel import CLIENT, GATEWAY, INTERNET, LabError, inside
from tests.lab.sites import SOCKS
from tests.lab.world import IN_THE_OPEN, NOT_BLOCKED, OFFLINE, REACHABLE, World, blocked, both, http, https
from tests.situation import Expected

_IPV4_ONLY = ("abroad-dropped", "abroad-reset", "few-dropped", "few-reset", "moved-refused", "other-reset", "two-views")
"""Sites that IPv6 is no way around to."""
USUAL = {
    https("honest"): REACHABLE,
    https("large"): REACHABLE,
    http("plain"): IN_THE_OPEN,
    https("wechat"): blocked("tls.reset", "name", "confirmed"),
    https("dead"): Expected("down"),
}
ANY = dict.fromkeys(map(https, ("honest", "large", "big", "wechat", *_IPV4_ONLY)), NOT_BLOCKED)
PREFIX = "2001:db8:64::/96"
TAYGA = """tun-device {device}
ipv4-addr {own}
prefix {prefix}
{pool}
data-dir {folder}
"""


def resets_wechat() -> None:
    censorship.resets_name("wechat.x.test")


def behind_nat() -> None:
    resets_wechat()
    censorship.shares_ports(4096)


CUT = Expected(
    "inconclusive",
    also=("reachable",),
    why="only large packets are lost, on the way of every path",
    changed="At first it might be down, which is wrong as well.",
)


@contextmanager
def narrow(*, answers: bool) -> Iterator[None]:
    """PPPoE: 1492 bytes on the way to the client; routers say so, or a firewall keeps them from it."""
    inside(GATEWAY, "ip", "link", "set", "in0", "mtu", "1492")
    if not answers:
        inside(GATEWAY, "iptables", "-w", "-A", "OUTPUT", "-p", "icmp", "-j", "DROP")
        inside(GATEWAY, "ip6tables", "-w", "-A", "OUTPUT", "-p", "icmpv6", "--icmpv6-type", "2", "-j", "DROP")
    try:
        yield
    finally:
        inside(GATEWAY, "ip", "link", "set", "in0", "mtu", "1500")
        for tool in ("iptables", "ip6tables"):
            inside(GATEWAY, tool, "-w", "-F", "OUTPUT")
        inside(INTERNET, "ip", "route", "flush", "cache")


@contextmanager
def translated() -> Iterator[None]:
    """464XLAT (RFC 6877): the client's IPv4 is translated to IPv6, and back where the provider has a NAT64."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        started = [
            _tayga(GATEWAY, folder, "nat64", "192.168.255.1", "dynamic-pool 192.168.255.0/24"),
            _tayga(CLIENT, folder, "clat", "192.0.0.2", "map 192.0.0.1 2001:db8:1::c1a7"),
        ]
        inside(GATEWAY, "ip", "route", "add", "192.168.255.0/24", "dev", "nat64")
        inside(GATEWAY, "ip", "-6", "route", "add", PREFIX, "dev", "nat64")
        masked = ("-s", "192.168.255.0/24", "-o", "out0", "-j", "MASQUERADE")
        inside(GATEWAY, "iptables", "-w", "-t", "nat", "-A", "POSTROUTING", *masked)
        inside(GATEWAY, "ip", "-6", "neigh", "add", "proxy", "2001:db8:1::c1a7", "dev", "in0")
        inside(CLIENT, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        inside(CLIENT, "ip", "address", "add", "192.0.0.1/32", "dev", "clat")
        inside(CLIENT, "ip", "-6", "route", "add", "2001:db8:1::c1a7", "dev", "clat")
        inside(CLIENT, "ip", "-6", "neigh", "add", "proxy", "2001:db8:1::c1a7", "dev", "up0")
        inside(CLIENT, "sysctl", "-qw", "net.ipv6.conf.up0.proxy_ndp=1")
        inside(CLIENT, "ip", "route", "replace", "default", "dev", "clat", "src", "192.0.0.1")
        try:
            yield
        finally:
            inside(CLIENT, "ip", "route", "replace", "default", "via", "192.0.2.1")
            inside(CLIENT, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=0")
            for process in started:
                process.terminate()
                process.wait()
            for place, device in ((GATEWAY, "nat64"), (CLIENT, "clat")):
                inside(place, "ip", "link", "del", device)
            inside(CLIENT, "ip", "-6", "route", "replace", "default", "via", "2001:db8:1::1")


def _tayga(place: str, folder: Path, device: str, own: str, pool: str) -> subprocess.Popen[bytes]:
    written = folder / f"{device}.conf"
    (folder / device).mkdir()
    written.write_text(TAYGA.format(device=device, own=own, prefix=PREFIX, pool=pool, folder=folder / device))
    tool = shutil.which("tayga")
    if tool is None:
        raise LabError("missing: apt-get install tayga")
    inside(place, tool, "--mktun", "-c", str(written))
    inside(place, "ip", "link", "set", device, "up")
    command = ["ip", "netns", "exec", place, tool, "-d", "-c", str(written)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    return process


def one_of_two_uplinks_is_deaf() -> None:
    spared = (SOCKS, "198.51.100.53", *both("canary"), *both("canary-at-home"))
    censorship.loses_answers_of_half_the_connections(spared)


WORLDS = (
    World("provider's NAT", behind_nat, USUAL),
    World("two uplinks, of which one loses all answers", one_of_two_uplinks_is_deaf, ANY),
    World("provider's NAT with few ports", lambda: censorship.shares_ports(24), ANY),
    World("PPPoE", resets_wechat, USUAL, layout=lambda: narrow(answers=True)),
    World(
        "PPPoE behind a firewall that drops ICMP",
        lambda: None,
        {
            https("honest"): REACHABLE,
            http("plain"): IN_THE_OPEN,
            https("large"): CUT,
            https("big"): CUT,
        },
        layout=lambda: narrow(answers=False),
    ),
    World("464XLAT", resets_wechat, USUAL, layout=translated),
    World(
        "company that lets out its proxy alone",
        lambda: censorship.lets_through_only((SOCKS, "198.51.100.53")),
        {https("honest"): REACHABLE, https("wechat"): REACHABLE, https("linkedin"): REACHABLE},
        path="control",
    ),
    World(
        "company that lets out its proxy alone, measured directly",
        lambda: censorship.lets_through_only((SOCKS, "198.51.100.53")),
        {https("honest"): OFFLINE, http("plain"): OFFLINE},
        "offline",
        69,
    ),
)
"""Nothing is censored in them but, in some, one name."""
