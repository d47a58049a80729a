"""Finds the volunteer's own addresses in bytes, however they are spelled; every scan is linear.

IPv4 with any separator, padded, octal, hexadecimal, decimal and reversed; IPv6 as its /64, with any separator, without
one, and as a name of a reverse zone; each also percent-encoded, in base64 and in UTF-16.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import NamedTuple

from probe.net.address_policy import is_public, literal

ENCODED = rb"%(?:25)*+(?:2[de]|3a|5f)|&#46;|\\u00(?:2[de]|3a)|\[\.\]"
SEPARATOR = rb"(?:[.:_-]|" + ENCODED + rb")"
"""What stands between the parts of an address: also encoded for a URL, HTML or JSON, or made harmless."""
ESCAPE = re.compile(rb"(?:%(?:25)*+[0-9a-f]{2}|\\u[0-9a-f]{4})\Z")
"""An encoded character, whose digits are not part of the address after it."""
LONGEST_ESCAPE, MAX_ZEROS = 8, 3
DECIMAL, HEXADECIMAL = frozenset(b"0123456789"), frozenset(b"0123456789abcdef")
ENCODED_SIGNS = (b"%2", b"%3a", b"%5f", b"\\u00", b"&#46;")
ENCODED_SEPARATORS = re.compile(ENCODED)
NOT_DIGITS = bytes(set(range(256)) - set(b"123456789"))
NOT_HEX = bytes(set(range(256)) - set(b"123456789abcdef"))
"""Zeros are left out of clues, so that padding makes no difference."""
MIN_DIGITS, MIN_HEX = 5, 6
"""A clue of this many digits rarely occurs by chance."""
UNIQUE_LOCAL, GLOBAL_UNICAST = IPv6Network("fc00::/7"), IPv6Network("2000::/3")
GOES_ON = rb"(?!(?::|%(?:25)*+3a)[0-9a-f:])"
"""What ends an IPv6 address: one that goes on is another."""
HALF, PARTS = 4, 8
ALONE = "/128"
"""Behind an IPv6 address: this one, and not the /64 around it."""
HEX_ENDS = rb"(?![0-9a-f])"
SIGNS = re.compile(rb"[0-9a-zA-Z]")
Span = tuple[int, int]


class Spelling(NamedTuple):
    """A pattern that begins with a literal, for these are quick to find, and the digits that must not precede it."""

    pattern: re.Pattern[bytes]
    digits: frozenset[int] = frozenset()


class OwnAddresses:
    """Addresses to find. Loopback and unspecified ones identify no one and are left out."""

    def __init__(self, own: Iterable[str]) -> None:
        alone = {one.removesuffix(ALONE) for one in own if one.endswith(ALONE)}
        parsed = {literal(one.split("%")[0].removesuffix(ALONE)) for one in own}
        found = {getattr(one, "ipv4_mapped", None) or one for one in parsed if one is not None}
        kept = [one for one in found if not (one.is_loopback or one.is_unspecified)]
        self._spellings: list[Spelling] = []
        self._words, digits, hexadecimal = set[bytes](), set[bytes](), set[bytes]()
        for one in kept:
            if isinstance(one, IPv4Address):
                self._spellings += _spellings_of_v4(one)
                digits.update(_digit_clues(one))
            else:
                known = HALF if str(one) not in alone and _has_own_prefix(one) else PARTS
                self._spellings += _spellings_of_v6(one, known)
                hexadecimal.update(_hex_clues(one.packed[: 2 * known]))
                self._words |= {b"%x" % (int(one) >> 112)} if min(map(len, hexadecimal)) < MIN_HEX else set()
            if is_public(str(one)):
                free = {*_base64(str(one)), _percent_encoded(str(one))}
                hexadecimal.update(_hex_clues(one.packed) if isinstance(one, IPv4Address) else ())
                self._words |= free
                self._spellings += [Spelling(re.compile(re.escape(word))) for word in free]
        self._is_short = any(len(one) < MIN_DIGITS for one in digits)
        self._digits, self._hexadecimal = sorted(digits), sorted(one for one in hexadecimal if len(one) >= MIN_HEX)

    def may_occur_in(self, data: bytes) -> bool:
        """False if no address is in `data`, at a glance."""
        if self._is_short or not self._spellings:
            return self._is_short
        folded = (data.translate(None, b"\0") if b"\0" in data else data).lower()
        for word in self._words:
            if word in folded:
                return True
        if any(sign in folded for sign in ENCODED_SIGNS):
            folded = ENCODED_SEPARATORS.sub(b"", folded)
        if self._hexadecimal:
            folded = folded.translate(None, NOT_HEX)
            for clue in self._hexadecimal:
                if clue in folded:
                    return True
        digits = folded.translate(None, NOT_DIGITS)
        return any(clue in digits for clue in self._digits)

    def spans(self, data: bytes) -> list[Span]:
        """Where the addresses are, in order, none inside another."""
        found = self._spans_of(data)
        return merged(found + utf16_spans(data, self._spans_of) if b"\0" in data else found)

    def _spans_of(self, data: bytes) -> list[Span]:
        folded, found = data.lower(), []
        for pattern, digits in self._spellings:
            for match in pattern.finditer(folded):
                begin = _begin(folded, match.start(), digits) if digits else match.start()
                if begin is not None:
                    found.append((begin, match.end()))
        return found


def _begin(folded: bytes, at: int, digits: frozenset[int]) -> int | None:
    """Where the number at `at` begins, its padding included; None if it is the rest of a longer one."""
    padded = at
    while padded and at - padded < MAX_ZEROS and folded[padded - 1] == ord("0"):
        padded -= 1
    for begin in (padded, at):
        if not begin or folded[begin - 1] not in digits:
            return begin
        if ESCAPE.search(folded, max(0, begin - LONGEST_ESCAPE), begin):
            return begin
    return None


def _digit_clues(address: IPv4Address) -> Iterator[bytes]:
    """The digits of its decimal and, if it is public, octal spellings, as they are or reversed."""
    for packed in (address.packed, address.packed[::-1]):
        yield b"".join(b"%d" % octet for octet in packed).replace(b"0", b"")
        if is_public(str(address)):
            yield b"".join(b"%o" % octet for octet in packed).replace(b"0", b"")
            yield (b"%d" % int.from_bytes(packed)).replace(b"0", b"")


def _hex_clues(packed: bytes) -> Iterator[bytes]:
    """Its hexadecimal digits, as they are and reversed, by octet and by digit."""
    for octets in (packed, packed[::-1]):
        digits = octets.hex().replace("0", "").encode()
        yield from (digits, digits[::-1])


def _spellings_of_v4(address: IPv4Address) -> Iterator[Spelling]:
    """Any separators and padding; of a public address also octal and hexadecimal parts, and one number."""
    public = is_public(str(address))
    for packed in (address.packed, address.packed[::-1]):
        for form in (b"%d", b"%o") if public else (b"%d",):
            first, *rest = (form % octet for octet in packed)
            behind = b"".join(SEPARATOR + b"0{0,3}" + octet for octet in rest)
            yield Spelling(re.compile(first + behind + rb"(?![0-9])"), DECIMAL)
        if public:
            yield Spelling(re.compile(rb"%d(?![0-9])" % int.from_bytes(packed)), DECIMAL)
            between = rb"(?:" + SEPARATOR + rb"(?:0x)?)?"
            yield Spelling(re.compile(between.join(b"%02x" % octet for octet in packed) + HEX_ENDS), HEXADECIMAL)
            dotted = (SEPARATOR + rb"0x").join(b"0{0,3}%x" % octet for octet in packed)
            yield Spelling(re.compile(rb"0x" + dotted + HEX_ENDS))
    if public:
        high, low = int(address) >> 16, int(address) & 0xFFFF
        yield Spelling(re.compile(b"%x" % high + SEPARATOR + b"0{0,3}%x" % low + HEX_ENDS), HEXADECIMAL)


def _spellings_of_v6(address: IPv6Address, known: int) -> Iterator[Spelling]:
    """Everything that begins with the address's `known` groups: its /64, or itself."""
    groups = [int(address) >> shift & 0xFFFF for shift in range(112, -1, -16)]
    digits = b"".join(b"%04x" % group for group in groups[:known])
    more = rb"[0-9a-f]{0,16}" if known == HALF else rb""
    yield Spelling(re.compile((digits.lstrip(b"0") or b"0") + more + HEX_ENDS), HEXADECIMAL)
    nibbles = rb"[.-]".join(b"%c" % sign for sign in reversed(digits))
    yield Spelling(re.compile(rb"(?<![0-9a-f])(?:[0-9a-f][.-]){0,16}" + nibbles + HEX_ENDS))
    for pattern in _with_separators(groups[:known]):
        yield Spelling(re.compile(pattern), HEXADECIMAL)


def _with_separators(groups: list[int]) -> Iterator[bytes]:
    """Patterns of an address or, for four groups, of every address that begins with them, with and without zeros."""
    known = len(groups)
    written = [b"%x" % groups[0], *(b"0{0,3}%x" % group for group in groups[1:])]
    part, twice = rb"[0-9a-f]{1,4}", SEPARATOR + SEPARATOR
    rest = rb"(?:" + SEPARATOR + rb"{1,2}" + part + rb"(?![0-9a-z])){0,4}" + (rb"(?:" + twice + rb")?")
    rest = rest if known < PARTS else HEX_ENDS + GOES_ON
    yield SEPARATOR.join(written) + rest
    for first in range(known):
        for last in range(first, known):
            if any(groups[first : last + 1]):
                break
            before, behind = SEPARATOR.join(written[:first]), SEPARATOR.join(written[last + 1 :])
            if known < PARTS and last == known - 1:
                behind, rest = rb"(?:" + part + rb"(?:" + SEPARATOR + part + rb"){0,3})?", HEX_ENDS + GOES_ON
            yield before + twice + behind + rest


def _has_own_prefix(address: IPv6Address) -> bool:
    """Whether the whole /64 is one household's: not for addresses that carry an IPv4 address, whose /64 many share."""
    carries = address.teredo is not None or address.ipv4_mapped is not None
    return address in UNIQUE_LOCAL or (address in GLOBAL_UNICAST and is_public(str(address)) and not carries)


def _base64(text: str) -> Iterator[bytes]:
    """`text` in base64 at every alignment, in lower case like the searched text."""
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + text.encode())
        whole = len(text) + offset
        first, last = (offset * 8 + 5) // 6, whole * 8 // 6
        yield encoded[first:last].lower()


def _percent_encoded(text: str) -> bytes:
    return b"".join(b"%%%02x" % sign for sign in text.encode())


def utf16_spans(data: bytes, find: Callable[[bytes], Iterable[Span]]) -> list[Span]:
    """What `find` finds in the UTF-16 text in `data`: in every other byte, where those between are zero."""
    found = []
    for first in (0, 1):
        for start, end in find(data[first::2]):
            at, stop = first + 2 * start, first + 2 * end
            if not any(data[at + 1 : stop - 1 : 2]):
                found.append((at, stop - 1))
    return found


def merged(spans: Iterable[Span]) -> list[Span]:
    """In order, overlapping ones joined."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def zeroed(data: bytes, spans: Iterable[Span]) -> bytes:
    """The data with zeros for the letters and digits in the spans, at its length; the same object without spans."""
    parts, done = [], 0
    for start, end in merged(spans):
        parts += [data[done:start], SIGNS.sub(b"0", data[start:end])]
        done = end
    return b"".join((*parts, data[done:])) if done else data
