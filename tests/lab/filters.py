"""Filters seen since 2023, set at the gateway: allow-lists, freezes by network, lists of clients, ECH, outages.

They extend censorship.py, whose `forgives` takes all of them back. What they know of a connection they keep in its mark
or in a list of recent addresses; a filter that is armed stays so until the rules go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.lab import hello
from tests.lab.censorship import BOTH, Rule, forward, marks, redirect, shape, tool_for
from tests.lab.kernel import RESOLVER
from tests.lab.sites import FRANK_PORT

DROP = ("-j", "DROP")
RESET = ("-j", "REJECT", "--reject-with", "tcp-reset")
SPEAKS = ("-p", "tcp", "-m", "length", "--length", "120:65535")
"""A packet that carries words: connects and acknowledgements are shorter."""
HELLO = ("-p", "tcp", "--dport", "443")
FREEZE_BYTES, FREEZE_PACKETS = 18_000, 25
SLOW_BYTES_PER_S = 10 * 1024
"""With the first 16 KB, which pass, some 14 KB a second."""


def _naming(name: str) -> Rule:
    return ("-p", "tcp", "-m", "string", "--algo", "bm", "--string", name)


def _offering(ciphers: bytes) -> Rule:
    """A ClientHello with these ciphers, one behind the other: what a JA4 is mostly made of."""
    return (*HELLO, "-m", "string", "--algo", "bm", "--hex-string", f"|{ciphers.hex()}|")


def _to(prefix: str) -> tuple[Rule, tuple[str, ...]]:
    return ("-d", prefix), tool_for(prefix)


def _passes(*what: str, tools: Iterable[str] = BOTH) -> None:
    forward(*what, "-j", "ACCEPT", tools=tools)


def _answers_dns() -> None:
    for way in ("-d", "-s"):
        _passes(way, RESOLVER, tools=("iptables",))


def _sent(most: int) -> Rule:
    """No more packets than so many came from the client: connect, acknowledgement, hello, its repetitions."""
    return ("-m", "connbytes", "--connbytes", f"0:{most}", "--connbytes-dir", "original", "--connbytes-mode", "packets")


def lists_names(names: Iterable[str], addresses: Iterable[str] = ()) -> str:
    """Mark connections that name one of these, at these addresses where any are given; the mark."""
    mark = str(next(marks))
    places = [_to(address) for address in addresses] or [((), BOTH)]
    for name in names:
        for to, tools in places:
            forward(*_naming(name), *to, "-j", "CONNMARK", "--set-mark", mark, tools=tools)
    return mark


def allows_only(
    names: Iterable[str] = (), addresses: Sequence[str] = (), *, both: bool = False, slowly: bool = False
) -> None:
    """An allow-list: connects pass everywhere, and what is said then is lost, without a listed name or address.

    Datagrams pass to the provider's resolver alone. `both`: a listed name passes at a listed address only. `slowly`:
    nothing is lost, and what is not listed comes at some 14 KB a second, each connection.
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
    forward("-i", "in0", *SPEAKS, *DROP)
    forward("-i", "in0", "-p", "udp", *DROP)


def limits_each(what: Rule, bytes_per_s: int, name: str, tools: Iterable[str] = BOTH) -> None:
    """What comes above this rate is lost, counted for each connection; the first 16 KB pass."""
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
    """Connections to these networks stand still in both directions after 16 to 20 KB, or after so many packets.

    `counts` is the direction that is counted: both, or original for what the client sends. `but`: names that pass.
    """
    _passes("-m", "connmark", "--mark", lists_names(but))
    most, mode = (FREEZE_PACKETS, "packets") if packets else (FREEZE_BYTES, "bytes")
    limit = ("-m", "connbytes", "--connbytes", f"{most}:", "--connbytes-dir", counts, "--connbytes-mode", mode)
    for prefix in prefixes:
        for way in ("-d", "-s"):
            forward(way, prefix, "-p", protocol, *limit, *DROP, tools=tool_for(prefix))


def hangs_client(ciphers: bytes, prefixes: Iterable[str] = ("0.0.0.0/0", "::/0")) -> None:
    """A list of TLS fingerprints: the hello with these ciphers is lost, whatever it names."""
    for prefix in prefixes:
        to, tools = _to(prefix)
        forward(*to, *_offering(ciphers), *DROP, tools=tools)


def polices(prefixes: Iterable[str], ciphers: bytes, for_s: int, most: int = 2, within_s: int = 1) -> None:
    """More connections of one fingerprint to these networks within a second than so many freeze them all for a while."""
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
    """After a datagram to the `armed` networks, nothing of this protocol passes to the `shut` ones for a while."""
    for first, then in zip(armed, shut, strict=True):
        tools = tool_for(first)
        recent = ("-m", "recent", "--name", f"armed{next(marks)}")
        forward("-d", then, "-p", protocol, *recent, "--rcheck", "--seconds", str(for_s), *DROP, tools=tools)
        forward("-i", "in0", "-d", first, "-p", "udp", *recent, "--set", tools=tools)


def blocks_ech(*how: str, by_name: bool) -> None:
    """The hello with an ECH extension is lost, or reset: any, or that with Cloudflare's outer name."""
    if by_name:
        forward(*HELLO, *_naming(hello.OUTER_NAME)[2:], *how)
        return
    forward(*CARRIES_ECH, *how)


CARRIES_ECH = (
    *HELLO,
    *("-m", "string", "--algo", "bm", "--hex-string", f"|{hello.ECH:04x}|"),
    *("-m", "string", "--algo", "bm", "--hex-string", "|0000010001|"),
)
"""The extension's number, and its beginning: an outer hello with HKDF-SHA256 and AES-128-GCM."""


def answers_for(resolver: str, port: int = FRANK_PORT) -> None:
    """Datagrams to this resolver's port 53 are answered by another; connections to it are not."""
    redirect("-d", resolver, "-p", "udp", "--dport", "53", to_port=port, tools=tool_for(resolver))


def strangles_name(name: str) -> None:
    """On connections that name it the first two hellos are lost, which costs 0.6 s, and 15 KiB come a second."""
    mark = str(next(marks))
    naming = (*HELLO, *_naming(name)[2:])
    forward(*naming, "-j", "CONNMARK", "--set-mark", mark)
    shape(("-m", "connmark", "--mark", mark), 120, BOTH)
    forward(*naming, *_sent(4), *DROP)


def slows_abroad(kbit_per_s: int, domestic: Iterable[str], loss: float) -> None:
    """All that comes from abroad shares one queue, and loses some packets; what is domestic does not."""
    home = str(next(marks))
    for address in domestic:
        forward("-d", address, "-j", "CONNMARK", "--set-mark", home, tools=tool_for(address))
    abroad = ("-m", "connmark", "!", "--mark", home)
    shape(abroad, kbit_per_s, BOTH)
    forward("-i", "out0", *abroad, "-m", "statistic", "--mode", "random", "--probability", str(loss), *DROP)


def drops_udp() -> None:
    """No datagram passes but to the provider's resolver."""
    _answers_dns()
    forward("-p", "udp", *DROP)


def resets_port(port: int = 443) -> None:
    """Every connect to this port is reset; other ports pass."""
    forward("-p", "tcp", "--dport", str(port), *RESET)


def cuts_off_but(addresses: Iterable[str]) -> None:
    """Nothing passes but to these addresses of both families, as where a country is cut off from abroad."""
    for address in addresses:
        for way in ("-d", "-s"):
            _passes(way, address, tools=tool_for(address))
    forward(*DROP)
