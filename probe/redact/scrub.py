"""Takes the volunteer's own addresses and names out of a record: pages, headers, redirects, certificates echo them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any

import msgspec

from probe.model import Http, Measurement, Observation
from probe.net.address_policy import literal
from probe.redact.visitor_address import without_labelled

SCRUBBED = "[scrubbed]"
SECRETS = frozenset(
    (
        "set-cookie",
        "www-authenticate",
        "cf-connecting-ip",
        "client-ip",
        "fastly-client-ip",
        "remote-addr",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-forwarded-for",
        "x-originating-ip",
        "x-real-ip",
        "x-remote-addr",
        "x-remote-ip",
        "x-user-ip",
        "x-visitor-ip",
    )
)
"""Headers whose values name this visitor, also where NAT keeps it from us, and say nothing about blocking."""
SHORT = 64
"""Characters of a text that most likely comes again in the next record, such as a role or a header's name."""
TELLING_DIGITS = 5
"""Of a spelling with so many digits these alone, in their order, are seldom found where it is not."""
FOLDED_TO_ASCII = tuple(sign.encode() for sign in "\u212a\u0130")
"""The signs beyond ASCII that stand for one of its letters in lower case: the Kelvin sign, and I with a dot."""
NOT_TELLING = bytes(set(range(256)) - set(b"0123456789") - set(b"".join(FOLDED_TO_ASCII)))
EMPTY = frozenset({int, float, bool, type(None)})
"""Kinds of values in which nothing can stand."""
ADDRESS = re.compile("[0-9a-f.:%-]+")
HARDWARE = re.compile("(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


def scrub(measurement: Measurement, own: frozenset[str]) -> Measurement:
    """The measurement without what is in `own`, and without cookies set for this visitor.

    `own` holds IP addresses (loopback is nobody's own), hardware addresses as `02:00:5e:10:00:01`, and names, which are
    taken out as whole words. Text gets a mark; bytes keep their length, with zeros, so that a certificate can still be
    read. Hashes of what was changed are made again. An address that the volunteer gave as the target stays.
    Behind NAT our public address is not in `own`; `probe.redact.visitor_address` removes what a page calls it.
    """
    measurement = without_labelled(measurement)
    addresses = _Addresses.of(own - {measurement.target.host})
    observations = tuple([_without_secrets(step) for step in measurement.observations])
    if addresses.may_stand_in(observations):
        observations = tuple([_clean(step, addresses) for step in observations])
    return msgspec.structs.replace(measurement, observations=observations)


class _Addresses:
    """Finds any spelling of some addresses and names, never as a part of another."""

    @staticmethod
    @lru_cache(maxsize=64)
    def of(own: frozenset[str]) -> _Addresses:
        """One for each set of addresses: the patterns take longer to compile than to use."""
        return _Addresses(own)

    def __init__(self, own: frozenset[str]) -> None:
        found = sorted({one for thing in own for one in _ways_to_write(thing)})
        self._needles = [spelling for spelling, _ in found]
        digits = {one: re.sub(rb"\D", b"", one.encode()) for one in self._needles if ADDRESS.fullmatch(one)}
        telling = {one for one in digits.values() if len(one) >= TELLING_DIGITS}
        self._digits = [one for one in telling if not any(other in one for other in telling - {one})]
        self._words = [spelling.encode() for spelling in self._needles if digits.get(spelling) not in telling]
        self._ascii = all(map(bytes.isascii, self._words))
        self._bytes_needles = [spelling.encode() for spelling in self._needles]
        pattern = "|".join(pattern for _, pattern in found)
        self._text = re.compile(pattern, re.IGNORECASE)
        self._bytes = re.compile(pattern.encode(), re.IGNORECASE)
        self._known = lru_cache(maxsize=2048)(self._out_of_text)

    def may_stand_in(self, records: Any) -> bool:
        """False where nothing of it stands in any text or bytes of some records: looked for in all of them at once.

        In MessagePack both stand as they are. Of most spellings only the digits are looked for, in the digits of all,
        which are few; those signs stand between them for the sake of names.
        """
        if not self._needles:
            return False
        try:
            data = msgspec.msgpack.encode(records)
        except (ValueError, TypeError, OverflowError):
            return True  # as half of a surrogate pair, which has no UTF-8
        telling = data.translate(None, NOT_TELLING)
        if any(one in telling for one in self._digits):
            return True
        if not self._words:
            return False
        if not self._ascii or any(sign in telling for sign in FOLDED_TO_ASCII):
            return True
        folded = data.lower()
        return any(word in folded for word in self._words)

    def out_of_text(self, text: str) -> str:
        return self._known(text) if len(text) <= SHORT else self._out_of_text(text)

    def _out_of_text(self, text: str) -> str:
        folded = text.lower()  # looking for plain strings first is far quicker than the pattern on every page
        for needle in self._needles:
            if needle in folded:
                return self._text.sub(SCRUBBED, text)
        return text

    def out_of_bytes(self, data: bytes) -> bytes:
        folded = data.lower()
        if not any(needle in folded for needle in self._bytes_needles):
            return data
        return self._bytes.sub(lambda found: re.sub(rb"[0-9a-zA-Z]", b"0", found.group()), data)


def _ways_to_write(own: str) -> Iterator[tuple[str, str]]:
    """Each spelling in lower case, and the pattern that finds it, whatever its case, where it is no part of another."""
    plain = own.lower()
    if HARDWARE.fullmatch(plain):
        digits = plain.replace(":", "")
        dotted = ".".join((digits[:4], digits[4:8], digits[8:]))
        for spelling in (plain, plain.replace(":", "-"), plain.replace(":", "%3a"), dotted, digits):
            yield spelling, _whole(spelling, "[0-9a-f]")
    elif literal(own.split("%")[0]) is not None:
        for spelling in _spellings(own):
            yield spelling, _pattern(spelling)
    elif plain:
        yield plain, _whole(plain, r"\w")


def _whole(spelling: str, part: str) -> str:
    # Behind a percent-encoded character, as in ?mac%3D02005e100001, a digit is none of it.
    return rf"(?:(?<!{part})|(?<=%[0-9a-f]{{2}})){re.escape(spelling)}(?!{part})"


def _spellings(address: str) -> tuple[str, ...]:
    """How the address may be written, in lower case: in RFC 5952's way and longer ones, in a URL, in a host name."""
    parsed = literal(address.split("%")[0])
    if parsed is None or parsed.is_loopback or parsed.is_unspecified:
        return ()
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    if not isinstance(parsed, IPv6Address):
        high, low = parsed.packed[:2].hex().lstrip("0") or "0", parsed.packed[2:].hex().lstrip("0") or "0"
        return (str(parsed), str(parsed).replace(".", "-"), f"::ffff:{high}:{low}", f"%3a%3affff%3a{high}%3a{low}")
    full = parsed.exploded
    plain = ":".join(group.lstrip("0") or "0" for group in full.split(":"))
    written = (str(parsed), full, plain)
    return written + tuple(spelling.replace(":", "%3a") for spelling in written)


def _pattern(spelling: str) -> str:
    digit, behind = ("[0-9]", "") if ":" not in spelling and "%" not in spelling else ("[0-9a-f]", "|:[0-9a-f:]")
    before = digit if digit == "[0-9]" else "[0-9a-f:]"
    # Behind a percent-encoded character, as in ?ip%3D192.0.2.1, a hexadecimal digit is none of the address's.
    return rf"(?:(?<!{before})|(?<=%[0-9a-f]{{2}})){re.escape(spelling)}(?!{digit}{behind})"


def _without_secrets(observation: Observation) -> Observation:
    answer = observation.detail
    if not isinstance(answer, Http) or SECRETS.isdisjoint([key.lower() for key, _ in answer.headers]):
        return observation
    headers = tuple((key, SCRUBBED if key.lower() in SECRETS else value) for key, value in answer.headers)
    return msgspec.structs.replace(observation, detail=msgspec.structs.replace(answer, headers=headers))


def _clean(value: Any, addresses: _Addresses) -> Any:
    """The very value where nothing was found in it; records are looked through whatever their step."""
    kind = value.__class__
    if kind is str:
        return addresses.out_of_text(value)
    if kind is tuple:
        return _clean_parts(value, addresses)
    if kind in EMPTY:
        return value
    if kind is bytes:
        return addresses.out_of_bytes(value)
    if isinstance(value, msgspec.Struct):
        changed = {}
        for name in value.__struct_fields__:
            old = getattr(value, name)
            if old.__class__ not in EMPTY and (new := _clean(old, addresses)) is not old:
                changed[name] = new
        return msgspec.structs.replace(value, **(changed | _hashes(changed))) if changed else value
    return addresses.out_of_text(value) if isinstance(value, str) else value


def _clean_parts(parts: tuple[Any, ...], addresses: _Addresses) -> tuple[Any, ...]:
    for place, old in enumerate(parts):
        if (new := _clean(old, addresses)) is not old:
            return (*parts[:place], new, *_clean_parts(parts[place + 1 :], addresses))
    return parts


def _hashes(changed: dict[str, Any]) -> dict[str, str]:
    """With the rest of a page or a certificate known, its hash would tell the address to whoever tries them all."""
    hashes = {}
    if "body" in changed:
        hashes["body_sha256"] = hashlib.sha256(changed["body"]).hexdigest()
    if "chain" in changed:
        hashes["fingerprint"] = hashlib.sha256(changed["chain"][0]).hexdigest()
    return hashes
