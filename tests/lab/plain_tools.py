"""curl, openssl and a DNS client in the lab, independent of the program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.lab import kernel
from tests.lab.sites import SITES, ipv6_of
from tests.lab.standing import ROOT, Lab

CURL = {0: "page", 7: "refused", 18: "cut", 28: "timeout", 35: "reset", 52: "empty", 56: "reset", 60: "certificate"}
LOOK = str(ROOT / "tests" / "lab" / "look.py")
ASK = """
import sys, dns.message, dns.query, dns.rcode
how, server, name = sys.argv[1:]
query = dns.message.make_query(name, "A", use_edns=0)
answer = {"udp": dns.query.udp, "tcp": dns.query.tcp}[how](query, server, timeout=1.5)
print(dns.rcode.to_text(answer.rcode()), *(int(o.code) for o in answer.options if o.otype == 15))
print(*(rdata.to_text() for rrset in answer.answer for rdata in rrset))
"""


@dataclass(frozen=True)
class Fetched:
    """curl's result: a word, bytes of the body, seconds until the end of the handshake and in all."""

    word: str
    size: int
    handshake_s: float
    total_s: float


def _inside(*command: str, ok: bool = False) -> subprocess.CompletedProcess[str]:
    whole = ["ip", "netns", "exec", kernel.CLIENT, *command]
    return subprocess.run(whole, capture_output=True, text=True, timeout=60, check=ok)


def address_of(word: str, *, ipv6: bool = False) -> str:
    address = SITES[f"{word}.x.test"]
    return ipv6_of(address) if ipv6 else address


def curl(lab: Lab, word: str, *more: str, at: str | None = None, ipv6: bool = False, seconds: float = 1.5) -> Fetched:
    """curl at this name, at its own address or another site's."""
    address, name = address_of(at or word, ipv6=ipv6), f"{word}.x.test"
    resolved = [f"{name}:{port}:{f'[{address}]' if ipv6 else address}" for port in (80, 443)]
    command = ["curl", "-s", "-o", "/dev/null", "-m", str(seconds), "--cacert", str(lab.ca_file)]
    command += ["-w", "%{size_download} %{time_appconnect} %{time_total}", "--resolve", resolved[0]]
    url = [] if any("://" in one for one in more) else [f"https://{name}/"]
    done = _inside(*command, "--resolve", resolved[1], *more, *url)
    size, handshake_s, total_s = done.stdout.split()
    return Fetched(CURL.get(done.returncode, str(done.returncode)), int(size), float(handshake_s), float(total_s))


def openssl(word: str, *more: str, at: str | None = None) -> str:
    """`answer` where openssl is shown a certificate; else `silence`."""
    reach = f"{address_of(at or word)}:443"
    command = ["timeout", "1.5", "openssl", "s_client", "-brief", "-connect", reach, "-servername", f"{word}.x.test"]
    return "answer" if "Protocol version" in _inside(*command, *more).stderr else "silence"


def say(spoken: bytes, address: str) -> str:
    """What comes back for these bytes (see look.py)."""
    return _inside(sys.executable, LOOK, spoken.hex(), address, ok=True).stdout.strip()


def dig(how: str, server: str, name: str) -> list[str]:
    """Status and EDE codes, then the data; empty without an answer."""
    return _inside(sys.executable, "-c", ASK, how, server, f"{name}.x.test").stdout.splitlines()


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run these concurrently, since most of them wait."""
    with ThreadPoolExecutor(8) as pool:
        return [one.result() for one in [pool.submit(call) for call in calls]]
