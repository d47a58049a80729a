"""What the gateway does to the traffic it forwards: one function for each way of censoring, as iptables rules.

A function takes what it acts on and returns rules, each the arguments of one `iptables` call; `apply` sets them for
IPv4 and IPv6. The chain sees both directions of everything that crosses the gateway.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from tests.lab.kernel import GATEWAY, inside

Rule = tuple[str, ...]
BOTH = ("iptables", "ip6tables")
_marks = itertools.count(1)


def _tool(address: str) -> tuple[str, ...]:
    return ("ip6tables",) if ":" in address else ("iptables",)


def _seen(name: str, port: int) -> Rule:
    """A packet to this port with the name in it: SNI and Host stand in the clear."""
    return ("-p", "tcp", "--dport", str(port), "-m", "string", "--algo", "bm", "--string", name)


def forward(*rule: str, tools: Iterable[str] = BOTH) -> None:
    """Append a rule to the gateway's FORWARD chain."""
    for tool in tools:
        inside(GATEWAY, tool, "-w", "-A", "FORWARD", *rule)


def resets_name(name: str, port: int = 443) -> None:
    """A reset in answer to the packet that names it."""
    forward(*_seen(name, port), "-j", "REJECT", "--reject-with", "tcp-reset")


def drops_name(name: str, port: int = 443) -> None:
    """The packet that names it is lost, and so is every repetition."""
    forward(*_seen(name, port), "-j", "DROP")


def freezes_name(name: str, after: int = 16384, port: int = 443) -> None:
    """What comes back on a connection that named it stops after so many bytes."""
    mark = _mark(name, port)
    limit = ("-m", "connbytes", "--connbytes", f"{after}:", "--connbytes-dir", "reply", "--connbytes-mode", "bytes")
    forward("-m", "connmark", "--mark", mark, *limit, "-j", "DROP")


def throttles_name(name: str, kib_per_s: int, port: int = 443) -> None:
    """What comes back on a connection that named it is dropped above this rate."""
    mark = _mark(name, port)
    limit = ("-m", "hashlimit", "--hashlimit-name", f"slow{mark}", "--hashlimit-above", f"{kib_per_s}kb/s")
    sender = ("-p", "tcp", "--sport", str(port))
    burst = ("--hashlimit-burst", f"{max(16, kib_per_s)}kb", "--hashlimit-mode", "dstip,dstport")
    forward("-m", "connmark", "--mark", mark, *sender, *limit, *burst, "-j", "DROP")


def _mark(name: str, port: int) -> str:
    mark = str(next(_marks))
    forward(*_seen(name, port), "-j", "CONNMARK", "--set-mark", mark)
    return mark


def drops_address(address: str) -> None:
    """Nothing reaches this address."""
    forward("-d", address, "-j", "DROP", tools=_tool(address))


def refuses_address(address: str) -> None:
    """A reset in answer to every SYN."""
    forward("-d", address, "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset", tools=_tool(address))


def rejects_address(address: str) -> None:
    """ICMP: administratively prohibited."""
    kind = "icmp6-adm-prohibited" if ":" in address else "icmp-admin-prohibited"
    forward("-d", address, "-j", "REJECT", "--reject-with", kind, tools=_tool(address))


def loses(address: str, share: float) -> None:
    """A thin uplink, no censor: this share of all packets from this address is lost by chance."""
    rule = ("-s", address, "-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP")
    forward(*rule, tools=_tool(address))


def loses_of_everything(share: float) -> None:
    """A bad line, no censor: this share of all packets, whoever sends them, is lost by chance."""
    forward("-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP")


def loses_large_packets(above: int) -> None:
    """A tunnel that is narrower than anybody was told, no censor: larger packets vanish without a word."""
    forward("-m", "length", "--length", f"{above}:65535", "-j", "DROP")


def narrows(rate: str) -> None:
    """A thin line, no censor: what comes to the client comes at this rate (in tc's words), and may wait a second."""
    inside(
        GATEWAY, "tc", "qdisc", "replace", "dev", "in0", "root", "tbf", "rate", rate, "burst", "5kb", "latency", "1s"
    )


def allows_connections(most: int) -> None:
    """A router that forgets, no censor: with so many TCP connections open, a new one gets no answer."""
    limit = ("-m", "connlimit", "--connlimit-above", str(most), "--connlimit-mask", "0")
    forward("-p", "tcp", "--syn", *limit, "-j", "DROP")


def lets_through_only(addresses: Iterable[str]) -> None:
    """Nothing gets through but what goes to these addresses (IPv4), and the answers."""
    for address in addresses:
        forward("-d", address, "-j", "ACCEPT", tools=_tool(address))
        forward("-s", address, "-j", "ACCEPT", tools=_tool(address))
    forward("-j", "DROP")


def drops_quic() -> None:
    """No QUIC for anybody."""
    forward("-p", "udp", "--dport", "443", "-j", "DROP")


def leads_dns_astray(to_port: int = 5353) -> None:
    """Every query, to whichever resolver, is answered by the gateway's own."""
    for protocol in ("udp", "tcp"):
        _redirect("-p", protocol, "--dport", "53", to_port=to_port, tools=("iptables",))


def leads_http_astray(address: str, to_port: int = 8080) -> None:
    """Port 80 of this address is answered by the gateway's block page."""
    _redirect("-d", address, "-p", "tcp", "--dport", "80", to_port=to_port, tools=_tool(address))


def intercepts(address: str, to_port: int = 8443) -> None:
    """Port 443 of this address is answered by the gateway, with a certificate of its own for any name."""
    _redirect("-d", address, "-p", "tcp", "--dport", "443", to_port=to_port, tools=_tool(address))


def asks_for_login(to_port: int = 8081) -> None:
    """A captive portal: names resolve, every page is the login page, nothing else gets through."""
    _redirect("-p", "tcp", "--dport", "80", to_port=to_port, tools=BOTH)
    forward("-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset")


def _redirect(*what: str, to_port: int, tools: Iterable[str]) -> None:
    for tool in tools:
        rule = ("-t", "nat", "-A", "PREROUTING", "-i", "in0", *what, "-j", "REDIRECT", "--to-ports", str(to_port))
        inside(GATEWAY, tool, "-w", *rule)


def forgives() -> None:
    """Take back every rule; connections that were marked are forgotten with their namespace only."""
    for tool in BOTH:
        inside(GATEWAY, tool, "-w", "-F", "FORWARD")
        inside(GATEWAY, tool, "-w", "-t", "nat", "-F", "PREROUTING")
    inside(GATEWAY, "sh", "-c", "tc qdisc del dev in0 root 2>/dev/null || true")
