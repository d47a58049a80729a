"""Parsing and comparing names, URLs and addresses of registers and targets. Pure; resolves nothing.

Registers hold names in every spelling (upper case, Cyrillic and xn-- forms, trailing dots, `http:/\\` before them,
commas for dots, soft hyphens, ports). Both sides of every comparison go through the same functions.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network, summarize_address_range
from typing import NamedTuple

from probe.timestamps import parse_date
from results.registers.records import Subnet, Url

_PLAIN_NAME = re.compile(r"(?!.{254})[a-z0-9_](?:[a-z0-9_-]{0,62}\.)*[a-z0-9_-]{0,62}[a-z0-9_]\Z")
_PLAIN_URL = re.compile(r"(https?)://([a-z0-9][a-z0-9.-]*[a-z])(/[A-Za-z0-9/._~!$&'()*+,;=:@?-]*)?\Z")
_PLAIN_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}\Z")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}\Z")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9-]+|0x[0-9a-f]*)\Z")
_RANGE = re.compile(r"\s*[-\u2010-\u2014]\s*")
_IPV4_AND_PORT = re.compile(r"([0-9.]+):([0-9]{1,5})\Z")
_IPV6_AND_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?\Z")
_WILD_IPV4 = re.compile(r"((?:[0-9]{1,3}\.){1,3})\*(?:\.\*){0,2}\Z")
_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,31}):[/\\]+")
"""Bounded and at the beginning of a word: otherwise a long word takes time by its square."""
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff\\s\x00-\x1f\x7f]+")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_TEXT = 65536
MAX_RANGE_TEXT = 200
MAX_PORT = 65535


class BadName(ValueError):
    """Text that is not a name, URL or address."""


class LookupKey(NamedTuple):
    """What a target is to a register: its host, the URL when it is a plain-HTTP one, the address when it is one."""

    host: str
    scheme: str | None
    url: str | None
    address: bytes | None


def name(text: str) -> str:
    """The host name in `text` as lower-case A-labels (IDNA 2008, UTS 46 mapping), without scheme, port, path, `*.`
    and outer dots. Raises BadName."""
    if _PLAIN_NAME.match(text) and ".." not in text:
        return text
    if len(text) > MAX_TEXT:
        raise BadName("a name of more than 64 KiB")
    text = _INVISIBLE.sub("", text)
    text = _SCHEME.sub("", text, count=1)
    text = re.split(r"[/\\?#]", text, maxsplit=1)[0].rpartition("@")[2]
    text = re.sub(r":\d*\Z", "", text).replace(",", ".").replace("\u3002", ".").strip(".")
    while text.startswith("*."):
        text = text[2:].lstrip(".")
    labels = [_label(label) for label in text.split(".")]
    joined = ".".join(labels)
    if len(joined) > 253:
        raise BadName(f"{quoted(text)} is longer than a name can be")
    return joined


def is_mask(text: str) -> bool:
    """Whether a listed name is a mask: the base name and all names under it."""
    return "*" in text and _SCHEME.sub("", _INVISIBLE.sub("", text), count=1).startswith("*.")


@lru_cache(maxsize=4096)
def _label(label: str) -> str:
    lower = label.lower()
    if _LABEL.match(lower):
        return lower
    if lower.isascii():
        raise BadName(f"{quoted(label)} is not part of a name")
    import idna

    try:
        encoded = idna.encode(lower, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise BadName(f"{quoted(label)} is not part of a name") from error
    if not _LABEL.match(encoded):
        raise BadName(f"{quoted(label)} is not part of a name")
    return encoded


def suffixes(host: str) -> list[str]:
    """The name itself and every parent, nearest first; at most 127, as many labels as a name can have."""
    found = [host]
    while "." in host:
        host = host.partition(".")[2]
        found.append(host)
    return found


def address(text: str) -> bytes | None:
    """An IPv4 or IPv6 address packed, or None. Brackets and a zone are dropped; IPv4 in IPv6 is IPv4."""
    text = text.strip().strip("[]").partition("%")[0]
    if ":" not in text:
        if not text[-1:].isdigit():  # spares most names the attempt
            return None
        try:
            return socket.inet_pton(socket.AF_INET, text)
        except (OSError, ValueError):
            return None
    try:
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return packed[12:] if packed[:12] == b"\0" * 10 + b"\xff\xff" else packed


def address_text(packed: bytes) -> str:
    """A packed address as text."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def subnet(text: str) -> Subnet | None:
    """An address or `address/prefix` as a subnet with its host bits cleared, or None."""
    if _PLAIN_IPV4.match(text):
        try:
            return Subnet(socket.inet_pton(socket.AF_INET, text), 32)
        except OSError:
            return None
    base, slash, bits = text.strip().partition("/")
    packed = address(base)
    if packed is None:
        return None
    width = len(packed) * 8
    if not slash:
        return Subnet(packed, width)
    if not bits.isascii() or not bits.isdigit() or len(bits) > 3 or int(bits) > width:
        return None
    return Subnet(network(packed, int(bits)), int(bits))


def subnets(text: str) -> tuple[Subnet, ...]:
    """An address (also with a port), a subnet, or a range as the subnets it consists of; empty for anything else.

    Ranges are `192.0.2.1-192.0.2.9`, `192.0.2.1-9`, `192.0.2.*` and `192.0.2.0/255.255.255.0`.
    """
    text = text.strip()
    if not text or len(text) > MAX_RANGE_TEXT:
        return ()
    if ":" not in text and not text[-1].isdigit() and text[-1] != "*":  # spares most names the attempts
        return ()
    if found := subnet(text):
        return (found,)
    if match := _IPV4_AND_PORT.match(text) or _IPV6_AND_PORT.match(text):
        packed = address(match[1]) if int(match[2] or 0) <= MAX_PORT else None
        return (Subnet(packed, len(packed) * 8),) if packed else ()
    if match := _WILD_IPV4.match(text):
        known = match[1].count(".")
        wide = subnet(match[1] + ".".join(["0"] * (4 - known)) + f"/{known * 8}") if text.count(".") == 3 else None
        return (wide,) if wide else ()
    base, slash, mask = text.partition("/")
    if slash:
        return _masked(base, mask)
    ends = _RANGE.split(text)
    return _between(*ends) if len(ends) == 2 else ()


def _masked(base: str, mask: str) -> tuple[Subnet, ...]:
    """`192.0.2.0/255.255.255.0`."""
    try:
        net = ip_network(f"{base.strip()}/{mask.strip()}", strict=False) if _PLAIN_IPV4.match(mask.strip()) else None
    except ValueError:
        net = None
    return (Subnet(net.network_address.packed, net.prefixlen),) if net else ()


def _between(first: str, last: str) -> tuple[Subnet, ...]:
    if last.isascii() and last.isdigit() and first.count(".") == 3:
        last = f"{first.rpartition('.')[0]}.{last}"
    begin, end = address(first), address(last)
    if begin is None or end is None or len(begin) != len(end) or begin > end:
        return ()
    found = summarize_address_range(ip_address(begin), ip_address(end))
    return tuple(Subnet(net.network_address.packed, net.prefixlen) for net in found)


def network(packed: bytes, prefix: int) -> bytes:
    """The first address of the subnet of `prefix` bits that holds `packed`."""
    shift = len(packed) * 8 - prefix
    return (int.from_bytes(packed, "big") >> shift << shift).to_bytes(len(packed), "big")


def subnet_text(net: Subnet) -> str:
    """A subnet as text; a single address without its prefix."""
    text = address_text(net.packed)
    return text if net.prefix == len(net.packed) * 8 else f"{text}/{net.prefix}"


def url(text: str) -> Url:
    """A URL as registers write it. Its key has scheme and host in lower case and A-labels, no default port, no
    fragment, `/` for an empty path, and escapes in one spelling (RFC 3986 section 6.2.2). Raises BadName."""
    if match := _PLAIN_URL.match(text):
        scheme, host, rest = match.groups()
        if ".." not in host and _PLAIN_NAME.match(host):
            return Url(text, scheme, host, f"{scheme}://{host}{rest or '/'}")
    if len(text) > MAX_TEXT:
        raise BadName("a URL of more than 64 KiB")
    text = text.strip()
    match = _SCHEME.match(text)
    if match is None:
        raise BadName(f"{quoted(text)} is no URL")
    scheme = match[1].lower()
    rest = text[match.end() :]
    cut = re.search(r"[/\\?#]", rest)
    authority, tail = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, "")
    host, port = _host_and_port(authority)
    port_text = f":{port}" if port is not None and port != _DEFAULT_PORTS.get(scheme) else ""
    host_text = f"[{host}]" if ":" in host else host
    key = f"{scheme}://{host_text}{port_text}{_path(tail)}"
    return Url(text if text.isprintable() else key, scheme, host, key)


def has_scheme(text: str) -> bool:
    """Whether `scheme:/` stands before it, also as registers misspell that."""
    return _SCHEME.match(text.strip()) is not None


def _host_and_port(authority: str) -> tuple[str, int | None]:
    authority = _INVISIBLE.sub("", authority).rpartition("@")[2]
    bare = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::(\d*))?", authority) or re.fullmatch(r"([^:]*):(\d*)", authority)
    host, digits = (bare[1], bare[2]) if bare else (authority, None)
    if digits and (len(digits) > 5 or int(digits) > MAX_PORT):
        raise BadName(f"{quoted(digits)} is no port")
    packed = address(host)
    return (address_text(packed) if packed else name(host)), int(digits) if digits else None


def _path(tail: str) -> str:
    tail = tail.partition("#")[0]
    if not tail.startswith(("/", "\\")):
        tail = "/" + tail
    path, mark, query = tail.partition("?")
    return _escape(path.replace("\\", "/")) + mark + _escape(query)


def _escape(text: str) -> str:
    from urllib.parse import quote

    text = quote(text, safe="%/:=&?~+!$,;'@()*", errors="replace")
    return _ESCAPE.sub(_one_spelling, text)


def _one_spelling(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return char if char in _UNRESERVED else match[0].upper()


def lookup_key(text: str) -> LookupKey:
    """What a target (a URL, `host`, `host:port`, `host/path`, an address) is to a register. Raises BadName."""
    text = text.strip()
    if not text or len(text) > MAX_TEXT:
        raise BadName("an empty target" if not text else "a target of more than 64 KiB")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise BadName(f"{quoted(text)} is not UTF-8 text")
    if packed := address(text):
        return LookupKey(address_text(packed), None, None, packed)
    if _SCHEME.match(text):
        parsed = url(text)
    elif re.search(r"[/?#]", text):
        parsed = url("http://" + text)
    else:
        host, _ = _host_and_port(text)
        parsed = Url(text, "", host, "")
    packed = address(parsed.host)
    if packed is None and "." not in parsed.host:
        raise BadName(f"{quoted(text)} is no URL, host or address")
    return LookupKey(parsed.host, parsed.scheme or None, parsed.key if parsed.scheme == "http" else None, packed)


def clean(text: str) -> str:
    """Text of a register without what a terminal would act on (controls, directions), ends trimmed."""
    if text.isprintable():
        return text.strip()
    kept = (char if char.isprintable() else " " if char.isspace() else "" for char in text)
    return "".join(kept).strip()


def quoted(text: str) -> str:
    """Hostile text for a message: quoted, escaped, cut."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


MAX_ITEMS = 100_000  # names, URLs or addresses in one row; the most seen is 370


class ListedItems(NamedTuple):
    """The names, masks, URLs and address ranges of a row, and what could not be read in it."""

    names: tuple[str, ...]
    masks: tuple[str, ...]
    urls: tuple[Url, ...]
    subnets: tuple[Subnet, ...]
    remarks: tuple[str, ...]

    @property
    def block_type(self) -> str:
        """What a row of these items blocks, as `RegisterEntry.block_type` names it."""
        kinds = {"domain-mask": self.masks, "url": self.urls, "domain": self.names}
        return next((kind for kind, found in kinds.items() if found), "ip")


def listed_items(domains: Iterable[str], urls: Iterable[str]) -> ListedItems:
    """Parse the names and URLs of one row; an address in a name's place is an address."""
    exact, masks, parsed, remarks = [], [], [], []
    ranges: list[Subnet] = []
    for text in domains:
        try:
            if found := subnets(text):
                ranges.extend(found)
            elif is_mask(text):
                masks.append(listed_name(text))
            else:
                exact.append(listed_name(text))
        except BadName as error:
            remarks.append(f"name: {error}")
    for text in urls:
        try:
            parsed.append(listed_url(text))
        except BadName as error:
            remarks.append(f"URL: {error}")
    return ListedItems(tuple(exact), tuple(masks), tuple(parsed), tuple(ranges), tuple(remarks))


def listed_name(text: str) -> str:
    """A name that a register can list: one under a top-level name (lists in the wild hold `.com` and `.info`)."""
    found = name(text)
    if _NUMBER.match(found):
        raise BadName(f"{quoted(text)} is a number, not a name")
    if "." not in found:
        raise BadName(f"{quoted(text)} is a whole top-level name")
    return found


def listed_url(text: str) -> Url:
    """A URL that a register can list: on a host under a top-level name, or on an address; without a scheme it is
    http's, as `example.org/page` is."""
    found = url(text if has_scheme(text) or "/" not in text else f"http://{text.strip()}")
    if ("." not in found.host and ":" not in found.host) or (_NUMBER.match(found.host) and not address(found.host)):
        raise BadName(f"{quoted(text)} is on no host")
    return found


def listed_ranges(texts: Iterable[str]) -> tuple[tuple[Subnet, ...], tuple[str, ...]]:
    """Addresses and subnets of one row, and remarks on those that are neither."""
    found: list[Subnet] = []
    remarks = []
    for text in texts:
        if nets := subnets(text):
            found.extend(nets)
        else:
            remarks.append(f"address: {quoted(text)} is not one")
    return tuple(found), tuple(remarks)


def single_addresses(subnets: Iterable[Subnet]) -> tuple[bytes, ...]:
    """The ranges that are one address."""
    return tuple(net.packed for net in subnets if net.prefix == len(net.packed) * 8)


@lru_cache(maxsize=8192)
def calendar_date(text: str | None) -> str | None:
    """A day of the calendar as `YYYY-MM-DD`, or None."""
    try:
        return parse_date(text).isoformat() if text else None
    except ValueError:
        return None
