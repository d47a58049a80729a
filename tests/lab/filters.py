"""Filters seen since 2023, as rules of the gateway: allow-lists, freezes by network, TLS fingerprints, ECH, outages.

They extend censorship.py, whose `forgives` removes them. State is kept in connection marks and in lists of recent
addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.lab import hello
from tests.lab.censorship import BOTH, Rule, forward, marks, redirect, shape, tool_for
from tests.lab.kernel import RESOLVER
from tests.lab.sites import FRANK_PORT, SOCKS

DROP = ("-j", "DROP")
RESET = ("-j", "REJECT", "--reject-with", "tcp-reset")
SPEAKS = ("-p", "tcp", "-m", "length", "--length", "120:65535")
"""A packet with payload: SYN and ACK are shorter."""
HELLO = ("-p", "tcp", "--dport", "443")
FREEZE_BYTES, FREEZE_PACKETS = 18_000, 25
SLOW_BYTES_PER_S = 10 * 1024
"""About 14 KB/s including the first 16 KB."""


def _naming(name: str) -> Rule:
    return ("-p", "tcp", "-m", "string", "--algo", "bm", "--string", name)


def _offering(ciphers: bytes) -> Rule:
    """A ClientHello with these cipher suites in this order: the main part of a JA4."""
    return (*HELLO, "-m", "string", "--algo", "bm", "--hex-string", f"|{ciphers.hex()}|")


def _to(prefix: str) -> tuple[Rule, tuple[str, ...]]:
    return ("-d", prefix), tool_for(prefix)


def _passes(*what: str, tools: Iterable[str] = BOTH) -> None:
    forward(*what, "-j", "ACCEPT", tools=tools)


def _answers_dns() -> None:
    for way in ("-d", "-s"):
        _passes(way, RESOLVER, tools=("iptables",))


def _sent(most: int) -> Rule:
    """The client has sent at most `most` packets: SYN, ACK, ClientHello, retransmissions of it."""
    return ("-m", "connbytes", "--connbytes", f"0:{most}", "--connbytes-dir", "original", "--connbytes-mode", "packets")


def spares_the_control() -> None:
    """Let the control's proxy through; to be called first."""
    for way in ("-d", "-s"):
        _passes(way, SOCKS, tools=("iptables",))


def lists_names(names: Iterable[str], addresses: Iterable[str] = ()) -> str:
    """Mark connections with one of these names, to one of these addresses if any are given. Returns the mark."""
    mark = str(next(marks))
    places = [_to(address) for address in addresses] or [((), BOTH)]
    for name in names:
        for to, tools in places:
            forward(*_naming(name), *to, "-j", "CONNMARK", "--set-mark", mark, tools=tools)
    return mark


def allows_only(
    names: Iterable[str] = (),
    addresses: Sequence[str] = (),
    *,
    both: bool = False,
    slowly: bool = False,
    instead: Rule = DROP,
) -> None:
    """An allow-list: TCP connects anywhere, but payload passes only with a listed name or to a listed address.

    UDP passes to the provider's resolver only. `both`: name and address must be listed. `slowly`: other connections get
    about 14 KB/s each. `instead`: what is done to payload in place of dropping it.
    """
    _answers_dns()
    for address in () if both else addresses:
        for way in ("-d", "-s"):
            _passes(way, address, tools=tool_for(address))
    mark = lists_names(names, addresses if both else ())
    _passes("-m", "connmark", "--mark", mark)
    if slowly:
        limits_each(("-i", "out0", "-p", "tcp"), SLOW_BYTES_PER_S, f"unlisted{mark}")
        return
    forward("-i", "in0", *SPEAKS, *instead)
    forward("-i", "in0", "-p", "udp", *DROP)


def limits_each(what: Rule, bytes_per_s: int, name: str, tools: Iterable[str] = BOTH) -> None:
    """Drop what exceeds this rate, per connection; the first 16 KB pass."""
    limit = ("-m", "hashlimit", "--hashlimit-name", name, "--hashlimit-above", f"{bytes_per_s}b/s")
    forward(*what, *limit, "--hashlimit-burst", "16kb", "--hashlimit-mode", "srcip,dstip,dstport", *DROP, tools=tools)


def freezes(
    prefixes: Iterable[str],
    *,
    packets: bool = False,
    protocol: str = "tcp",
    counts: str = "both",
    but: Iterable[str] = (),
) -> None:
    """Freeze connections to these networks, in both directions, after 16 to 20 KB or after 25 `packets`.

    `counts` is the direction that is counted: both, or original for what the client sends. `but`: SNIs that pass.
    """
    _passes("-m", "connmark", "--mark", lists_names(but))
    most, mode = (FREEZE_PACKETS, "packets") if packets else (FREEZE_BYTES, "bytes")
    limit = ("-m", "connbytes", "--connbytes", f"{most}:", "--connbytes-dir", counts, "--connbytes-mode", mode)
    for prefix in prefixes:
        for way in ("-d", "-s"):
            forward(way, prefix, "-p", protocol, *limit, *DROP, tools=tool_for(prefix))


def hangs_client(ciphers: bytes, prefixes: Iterable[str] = ("0.0.0.0/0", "::/0")) -> None:
    """Drop every ClientHello with these cipher suites, for any SNI."""
    for prefix in prefixes:
        to, tools = _to(prefix)
        forward(*to, *_offering(ciphers), *DROP, tools=tools)


def polices(prefixes: Iterable[str], ciphers: bytes, for_s: int, most: int = 2, within_s: int = 1) -> None:
    """More than `most` connections of one TLS fingerprint to these networks in a second freeze all of them `for_s`."""
    for prefix in prefixes:
        to, tools = _to(prefix)
        policed = ("-m", "recent", "--name", f"policed{next(marks)}")
        listed = (*policed, "--rcheck", "--seconds", str(for_s))
        forward(*to, "-p", "tcp", *listed, *DROP, tools=tools)
        forward("-s", prefix, "-p", "tcp", *listed, "--rdest", *DROP, tools=tools)
        met = ("-m", "recent", "--name", f"met{next(marks)}")
        first = (*to, *_offering(ciphers), *_sent(3))  # a repetition is none of them
        forward(*first, *met, "--set", tools=tools)
        often = (*met, "--rcheck", "--seconds", str(within_s), "--hitcount", str(most + 1))
        forward(*first, *often, *policed, "--set", *DROP, tools=tools)


def arms_by_udp(armed: Iterable[str], shut: Iterable[str], for_s: int, protocol: str = "tcp") -> None:
    """After a datagram to an `armed` network, this protocol is dropped to and from the `shut` one for `for_s`."""
    for first, then in zip(armed, shut, strict=True):
        tools = tool_for(first)
        recent = ("-m", "recent", "--name", f"armed{next(marks)}")
        listed = (*recent, "--rcheck", "--seconds", str(for_s))
        forward("-d", then, "-p", protocol, *listed, *DROP, tools=tools)
        forward("-s", then, "-p", protocol, *listed, "--rdest", *DROP, tools=tools)
        forward("-i", "in0", "-d", first, "-p", "udp", *recent, "--set", tools=tools)


def blocks_ech(*how: str, by_name: bool) -> None:
    """Drop or reset a ClientHello with Cloudflare's outer name, or with any ECH extension."""
    if by_name:
        forward(*HELLO, *_naming(hello.OUTER_NAME)[2:], *how)
        return
    forward(*CARRIES_ECH, *how)


CARRIES_ECH = (
    *HELLO,
    *("-m", "string", "--algo", "bm", "--hex-string", f"|{hello.ECH:04x}|"),
    *("-m", "string", "--algo", "bm", "--hex-string", "|0000010001|"),
)
"""The extension's number, and its first bytes: outer hello, HKDF-SHA256, AES-128-GCM."""


def answers_for(resolver: str, port: int = FRANK_PORT, spared: str | None = None) -> None:
    """Answer UDP queries to this resolver by another one, but those from `spared`; TCP is not touched."""
    sender = ("!", "-s", spared) if spared else ()
    redirect(*sender, "-d", resolver, "-p", "udp", "--dport", "53", to_port=port, tools=tool_for(resolver))


def strangles_name(name: str) -> None:
    """Drop the first two transmissions of a ClientHello with this name, which costs 0.6 s, then allow 15 KB/s."""
    mark = str(next(marks))
    naming = (*HELLO, *_naming(name)[2:])
    forward(*naming, "-j", "CONNMARK", "--set-mark", mark)
    shape(("-m", "connmark", "--mark", mark), 120, BOTH)
    forward(*naming, *_sent(4), *DROP)


def slows_abroad(kbit_per_s: int, domestic: Iterable[str], loss: float) -> None:
    """Put all traffic from abroad into one queue, with some loss; domestic traffic is not touched."""
    home = str(next(marks))
    for address in domestic:
        forward("-d", address, "-j", "CONNMARK", "--set-mark", home, tools=tool_for(address))
    abroad = ("-m", "connmark", "!", "--mark", home)
    shape(abroad, kbit_per_s, BOTH)
    forward("-i", "out0", *abroad, "-m", "statistic", "--mode", "random", "--probability", str(loss), *DROP)


def drops_udp() -> None:
    """Drop UDP, except to the provider's resolver."""
    _answers_dns()
    forward("-p", "udp", *DROP)


def resets_port(port: int = 443) -> None:
    """Reset every connection to this port."""
    forward("-p", "tcp", "--dport", str(port), *RESET)


def cuts_off_but(addresses: Iterable[str]) -> None:
    """Drop all traffic except to these addresses, as where a country is cut off from abroad."""
    for address in addresses:
        for way in ("-d", "-s"):
            _passes(way, address, tools=tool_for(address))
    forward(*DROP)
