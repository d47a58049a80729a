"""What the gateway does to the traffic it forwards: one function for each way of censoring, as iptables rules.

A function takes what it acts on and returns rules, each the arguments of one `iptables` call; `apply` sets them for
IPv4 and IPv6. The chain sees both directions of everything that crosses the gateway.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from tests.lab.kernel import CLIENT, GATEWAY, SPARED, inside
from tests.lab.sites import OVER_QUIC, quic_port

Rule = tuple[str, ...]
BOTH = ("iptables", "ip6tables")
marks = itertools.count(1)


def tool_for(address: str) -> tuple[str, ...]:
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


def shapes_name(name: str, kbit_per_s: int, port: int = 443) -> None:
    """What comes back on a connection that named it waits in a queue of its own, which empties at this rate."""
    shape(("-m", "connmark", "--mark", _mark(name, port)), kbit_per_s, BOTH)


def shapes_address(address: str, kbit_per_s: int) -> None:
    """What comes from this address waits in a queue of its own."""
    shape(("-s", address), kbit_per_s, tool_for(address))


def shape(what: Rule, kbit_per_s: int, tools: Iterable[str]) -> None:
    number = next(marks) + 1
    if "htb" not in inside(GATEWAY, "tc", "qdisc", "show", "dev", "in0"):
        inside(GATEWAY, "tc", "qdisc", "replace", "dev", "in0", "root", "handle", "1:", "htb", "default", "1")
        inside(GATEWAY, *CLASS, "1:1", "htb", "rate", "1gbit")
    inside(GATEWAY, *CLASS, f"1:{number:x}", "htb", "rate", f"{kbit_per_s}kbit", "burst", "3k")
    inside(GATEWAY, *LEAF, f"1:{number:x}", "pfifo", "limit", "20")
    for tool in tools:
        rule = ("-A", "POSTROUTING", "-o", "in0", *what, "-j", "CLASSIFY", "--set-class", f"1:{number:x}")
        inside(GATEWAY, tool, "-w", "-t", "mangle", *rule)


CLASS = ("tc", "class", "add", "dev", "in0", "parent", "1:", "classid")
LEAF = ("tc", "qdisc", "add", "dev", "in0", "parent")


def resets_name_and_drops_after(
    name: str, for_s: int, then: str = "drop", first: Callable[[str], None] = resets_name
) -> None:
    """A reset by name, or what is done `first`, and then nothing more between these two addresses for a while."""
    mark = str(next(marks))
    for tool in BOTH:
        inside(
            GATEWAY, tool, "-w", "-t", "mangle", "-A", "FORWARD", *_seen(name, 443), "-j", "MARK", "--set-mark", mark
        )
    inside(GATEWAY, "nft", RESIDUE.format(mark=mark, for_s=for_s, then=then))
    first(name)


RESIDUE = """
table inet residue {{
  set punished4 {{ type ipv4_addr . ipv4_addr; flags dynamic,timeout; timeout {for_s}s; size 1024; }}
  set punished6 {{ type ipv6_addr . ipv6_addr; flags dynamic,timeout; timeout {for_s}s; size 1024; }}
  chain after {{
    type filter hook forward priority -100;
    meta mark {mark} update @punished4 {{ ip saddr . ip daddr }} accept
    meta mark {mark} update @punished6 {{ ip6 saddr . ip6 daddr }} accept
    tcp dport 443 ip saddr . ip daddr @punished4 {then}
    tcp dport 443 ip6 saddr . ip6 daddr @punished6 {then}
  }}
}}
"""


def _mark(name: str, port: int) -> str:
    mark = str(next(marks))
    forward(*_seen(name, port), "-j", "CONNMARK", "--set-mark", mark)
    return mark


def drops_address(address: str) -> None:
    """Nothing reaches this address."""
    forward("-d", address, "-j", "DROP", tools=tool_for(address))


def refuses_address(address: str) -> None:
    """A reset in answer to every SYN."""
    forward("-d", address, "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset", tools=tool_for(address))


def rejects_address(address: str) -> None:
    """ICMP: administratively prohibited."""
    kind = "icmp6-adm-prohibited" if ":" in address else "icmp-admin-prohibited"
    forward("-d", address, "-j", "REJECT", "--reject-with", kind, tools=tool_for(address))


def loses(address: str, share: float) -> None:
    """A thin uplink, no censor: this share of all packets from this address is lost by chance."""
    rule = ("-s", address, "-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP")
    forward(*rule, tools=tool_for(address))


def loses_of_everything(share: float) -> None:
    """A bad line, no censor: this share of all packets, whoever sends them, is lost by chance."""
    forward("-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP")


def loses_answers_of_half_the_connections(spared: Iterable[str]) -> None:
    """One of two uplinks loses what comes back, no censor; a connection stays with its uplink."""
    for address in spared:
        for way in ("-s", "-d"):
            forward(way, address, "-j", "ACCEPT", tools=tool_for(address))
    mark = str(next(marks))
    new = ("-i", "in0", "-p", "tcp", "-m", "conntrack", "--ctstate", "NEW", "-m", "connmark", "--mark", "0", "--syn")
    chance = ("-m", "statistic", "--mode", "random", "--probability", "0.5")
    settled = str(next(marks))
    forward(*new, *chance, "-j", "CONNMARK", "--set-mark", mark)
    forward(*new, "-j", "CONNMARK", "--set-mark", settled)
    forward("-o", "in0", "-m", "connmark", "--mark", mark, "-j", "DROP")


def loses_large_packets(above: int) -> None:
    """A tunnel that is narrower than anybody was told, no censor: larger packets vanish without a word."""
    forward("-m", "length", "--length", f"{above}:65535", "-j", "DROP")


def is_narrow_and_mute(mtu: int) -> None:
    """A path MTU black hole, no censor: a narrower link behind the gateway, whose ICMP complaints never arrive."""
    inside(GATEWAY, "ip", "link", "set", "dev", "in0", "mtu", str(mtu))
    for tool, complaint in (("iptables", FRAGMENTATION_NEEDED), ("ip6tables", PACKET_TOO_BIG)):
        inside(GATEWAY, tool, "-w", "-A", "OUTPUT", *complaint, "-j", "DROP")


FRAGMENTATION_NEEDED = ("-p", "icmp", "--icmp-type", "fragmentation-needed")
PACKET_TOO_BIG = ("-p", "icmpv6", "--icmpv6-type", "packet-too-big")


def narrows(rate: str) -> None:
    """A thin line, no censor: what comes to the client comes at this rate (in tc's words), and may wait a second."""
    inside(
        GATEWAY, "tc", "qdisc", "replace", "dev", "in0", "root", "tbf", "rate", rate, "burst", "5kb", "latency", "1s"
    )


def is_thin(kbit_per_s: int, queue_ms: int) -> None:
    """A thin line, no censor: what comes and what goes has this rate, and a queue that holds so many milliseconds."""
    shape = ("root", "tbf", "rate", f"{kbit_per_s}kbit", "burst", "3kb", "latency", f"{queue_ms}ms")
    for place, device in ((GATEWAY, "in0"), (CLIENT, "up0")):
        inside(place, "tc", "qdisc", "replace", "dev", device, *shape)


def allows_connections(most: int) -> None:
    """A router that forgets, no censor: with so many TCP connections open, a new one gets no answer."""
    limit = ("-m", "connlimit", "--connlimit-above", str(most), "--connlimit-mask", "0")
    forward("-p", "tcp", "--syn", *limit, "-j", "DROP")


def shares_ports(few: int) -> None:
    """A provider's NAT, no censor: all connections share so many ports of one address."""
    source = ("-j", "SNAT", "--to-source", f"198.51.100.1:20000-{20000 + few - 1}")
    for protocol in ("tcp", "udp"):
        inside(GATEWAY, "iptables", "-w", "-t", "nat", "-A", "POSTROUTING", "-o", "out0", "-p", protocol, *source)


def lets_through_only(addresses: Iterable[str]) -> None:
    """Nothing gets through but what goes to these addresses (IPv4), and the answers."""
    for address in addresses:
        forward("-d", address, "-j", "ACCEPT", tools=tool_for(address))
        forward("-s", address, "-j", "ACCEPT", tools=tool_for(address))
    forward("-j", "DROP")


def spares() -> None:
    """Forward whatever the client's second address sends and gets, as where a VPN hides it: to be called first."""
    for way in ("-s", "-d"):
        forward(way, SPARED, "-j", "ACCEPT", tools=("iptables",))


def drops_quic(address: str | None = None) -> None:
    """No QUIC for anybody, or with one address."""
    there = ("-d", address) if address else ()
    forward("-p", "udp", "--dport", "443", *there, "-j", "DROP", tools=tool_for(address) if address else BOTH)


def reads_quic(but: str) -> None:
    """Datagrams to the sites that speak QUIC, but one, are led through a reader of their names, which has a list."""
    for site in (site for site in OVER_QUIC if site.name != but):
        to = ("-p", "udp", "--dport", "443")
        redirect("!", "-s", SPARED, "-d", site.address, *to, to_port=quic_port(site), tools=("iptables",))
        redirect("-d", site.ipv6, *to, to_port=quic_port(site), tools=("ip6tables",))


def leads_dns_astray(to_port: int = 5353) -> None:
    """Every query, to whichever resolver, is answered by the gateway's own."""
    for protocol in ("udp", "tcp"):
        redirect("-p", protocol, "--dport", "53", to_port=to_port, tools=("iptables",))


def leads_http_astray(address: str, to_port: int = 8080) -> None:
    """Port 80 of this address is answered by the gateway's block page."""
    redirect("-d", address, "-p", "tcp", "--dport", "80", to_port=to_port, tools=tool_for(address))


def intercepts(address: str, to_port: int = 8443) -> None:
    """Port 443 of this address is answered by the gateway, with a certificate of its own for any name."""
    redirect("-d", address, "-p", "tcp", "--dport", "443", to_port=to_port, tools=tool_for(address))


def asks_for_login(to_port: int = 8081) -> None:
    """A captive portal: names resolve, every page is the login page, nothing else gets through."""
    redirect("-p", "tcp", "--dport", "80", to_port=to_port, tools=BOTH)
    forward("-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset")


def redirect(*what: str, to_port: int, tools: Iterable[str]) -> None:
    for tool in tools:
        rule = ("-t", "nat", "-A", "PREROUTING", "-i", "in0", *what, "-j", "REDIRECT", "--to-ports", str(to_port))
        inside(GATEWAY, tool, "-w", *rule)


def forgives() -> None:
    """Take back every rule; connections that were marked are forgotten with their namespace only."""
    inside(GATEWAY, "ip", "link", "set", "dev", "in0", "mtu", "1500")  # first, or servers learn of a narrow link
    for tool in BOTH:
        inside(GATEWAY, tool, "-w", "-F", "FORWARD")
        inside(GATEWAY, tool, "-w", "-F", "OUTPUT")
        for chain in ("PREROUTING", "POSTROUTING"):
            inside(GATEWAY, tool, "-w", "-t", "nat", "-F", chain)
        for chain in ("FORWARD", "POSTROUTING"):
            inside(GATEWAY, tool, "-w", "-t", "mangle", "-F", chain)
    inside(GATEWAY, "sh", "-c", "nft delete table inet residue 2>/dev/null || true")
    for place, device in ((GATEWAY, "in0"), (CLIENT, "up0")):
        inside(place, "sh", "-c", f"tc qdisc del dev {device} root 2>/dev/null || true")
