"""Removes the volunteer's own addresses and names from a measurement."""

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
"""Headers whose values identify this visitor."""
MAX_CACHED_CHARACTERS = 64
"""Results for texts up to this length are cached: roles and header names recur."""
MIN_DISTINCTIVE_DIGITS = 5
"""A spelling with this many digits can be searched for by its digits alone."""
FOLDED_TO_ASCII = tuple(sign.encode() for sign in "\u212a\u0130")
"""Characters whose lower case is an ASCII letter: the Kelvin sign, and I with a dot."""
INDISTINCTIVE = bytes(set(range(256)) - set(b"0123456789") - set(b"".join(FOLDED_TO_ASCII)))
EMPTY = frozenset({int, float, bool, type(None)})
"""Types of values that hold no text."""
ADDRESS = re.compile("[0-9a-f.:%-]+")
HARDWARE = re.compile("(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


def scrub(measurement: Measurement, own: frozenset[str]) -> Measurement:
    """Remove what is in `own`, and headers that identify this visitor.

    `own`: IP addresses except loopback, hardware addresses such as `02:00:5e:10:00:01`, and names, matched as whole
    words. Text gets a mark; bytes keep their length, so that certificates stay readable; hashes are recomputed. The
    target's own address stays. `probe.redact.visitor_address` finds public addresses behind NAT.
    """
    measurement = without_labelled(measurement)
    addresses = _Addresses.of(own - {measurement.target.host})
    observations = tuple([_without_secrets(step) for step in measurement.observations])
    if addresses.may_occur_in(observations):
        observations = tuple([_clean(step, addresses) for step in observations])
    return msgspec.structs.replace(measurement, observations=observations)


class _Addresses:
    """Finds any spelling of addresses and names, but not inside longer ones."""

    @staticmethod
    @lru_cache(maxsize=64)
    def of(own: frozenset[str]) -> _Addresses:
        """Cached, since compiling the patterns is slow."""
        return _Addresses(own)

    def __init__(self, own: frozenset[str]) -> None:
        found = sorted({one for thing in own for one in _spellings_with_patterns(thing)})
        self._needles = [spelling for spelling, _ in found]
        digits = {one: re.sub(rb"\D", b"", one.encode()) for one in self._needles if ADDRESS.fullmatch(one)}
        distinctive = {one for one in digits.values() if len(one) >= MIN_DISTINCTIVE_DIGITS}
        self._digits = [one for one in distinctive if not any(other in one for other in distinctive - {one})]
        self._words = [spelling.encode() for spelling in self._needles if digits.get(spelling) not in distinctive]
        self._ascii = all(map(bytes.isascii, self._words))
        self._bytes_needles = [spelling.encode() for spelling in self._needles]
        pattern = "|".join(pattern for _, pattern in found)
        self._text = re.compile(pattern, re.IGNORECASE)
        self._bytes = re.compile(pattern.encode(), re.IGNORECASE)
        self._known = lru_cache(maxsize=2048)(self._out_of_text)

    def may_occur_in(self, records: Any) -> bool:
        """False if no spelling can occur in any text or bytes of the records.

        All are searched at once, as MessagePack; of most spellings only the digits are searched for, which is quicker.
        """
        if not self._needles:
            return False
        try:
            data = msgspec.msgpack.encode(records)
        except (ValueError, TypeError, OverflowError):
            return True  # a lone surrogate has no UTF-8
        distinctive = data.translate(None, INDISTINCTIVE)
        if any(one in distinctive for one in self._digits):
            return True
        if not self._words:
            return False
        if not self._ascii or any(sign in distinctive for sign in FOLDED_TO_ASCII):
            return True
        folded = data.lower()
        return any(word in folded for word in self._words)

    def out_of_text(self, text: str) -> str:
        return self._known(text) if len(text) <= MAX_CACHED_CHARACTERS else self._out_of_text(text)

    def _out_of_text(self, text: str) -> str:
        folded = text.lower()  # plain strings are much quicker to search than the pattern
        for needle in self._needles:
            if needle in folded:
                return self._text.sub(SCRUBBED, text)
        return text

    def out_of_bytes(self, data: bytes) -> bytes:
        folded = data.lower()
        if not any(needle in folded for needle in self._bytes_needles):
            return data
        return self._bytes.sub(lambda found: re.sub(rb"[0-9a-zA-Z]", b"0", found.group()), data)


def _spellings_with_patterns(own: str) -> Iterator[tuple[str, str]]:
    """Each spelling in lower case, and a pattern that finds it in any case but not inside a longer one."""
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
    """Ways to write the address in lower case: RFC 5952, longer forms, in a URL, in a host name."""
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
    """The value, unchanged (the same object) if nothing was found in it."""
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
    """New hashes of what was changed: the old ones would reveal the address to anyone who tries all addresses."""
    hashes = {}
    if "body" in changed:
        hashes["body_sha256"] = hashlib.sha256(changed["body"]).hexdigest()
    if "chain" in changed:
        hashes["fingerprint"] = hashlib.sha256(changed["chain"][0]).hexdigest()
    return hashes
