"""Removes the volunteer's own addresses and names from a measurement."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from probe.model import Http, Measurement, Observation
from probe.net.address_policy import literal
from probe.redact.own_address import ALONE, OwnAddresses, Span, utf16_spans, zeroed
from probe.redact.visitor_address import identifies_visitor, labelled, without_labelled

SCRUBBED = "[scrubbed]"
MAX_CACHED_CHARACTERS = 64
"""Results for texts up to this length are cached: roles and header names recur."""
FOLDED_TO_ASCII = tuple(sign.encode() for sign in "\u212a\u0130")
"""Characters whose lower case is an ASCII letter: the Kelvin sign, and I with a dot."""
EMPTY = frozenset({int, float, bool, type(None)})
"""Types of values that hold no text."""
HARDWARE = re.compile("(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


def scrub(measurement: Measurement, own: frozenset[str]) -> Measurement:
    """Remove what is in `own`, and headers that identify this visitor.

    `own`: IP addresses except loopback, hardware addresses such as `02:00:5e:10:00:01`, and names, matched as whole
    words. Text gets a mark; bytes keep their length, so that certificates stay readable; hashes are recomputed. The
    target's own address stays. `probe.redact.visitor_address` finds public addresses behind NAT.
    """
    own = _without_neighbours(own, measurement) | labelled(measurement)
    measurement = without_labelled(measurement)
    addresses = _Addresses.of(own - {measurement.target.host})
    observations = tuple([_without_secrets(step) for step in measurement.observations])
    if addresses.may_occur_in(observations):
        observations = tuple([_clean(step, addresses) for step in observations])
    return msgspec.structs.replace(measurement, observations=observations)


def _without_neighbours(own: frozenset[str], measurement: Measurement) -> frozenset[str]:
    """Own addresses, those of IPv6 alone where a step went to another address in their /64."""
    reached = {step.address for step in measurement.observations if step.address and ":" in step.address}
    prefixes = {_prefix(address) for address in reached} - {None}
    if not prefixes:
        return own
    return frozenset(f"{one}{ALONE}" if ":" in one and _prefix(one) in prefixes else one for one in own)


def _prefix(address: str) -> int | None:
    parsed = literal(address.split("%")[0])
    return int(parsed) >> 64 if parsed is not None and parsed.version == 6 else None


class _Addresses:
    """Finds addresses in any spelling, and names, but not inside longer ones."""

    @staticmethod
    @lru_cache(maxsize=64)
    def of(own: frozenset[str]) -> _Addresses:
        """Cached, since compiling the patterns is slow."""
        return _Addresses(own)

    def __init__(self, own: frozenset[str]) -> None:
        self._addresses = OwnAddresses(own)
        found = sorted({one for thing in own for one in _spellings_with_patterns(thing)})
        self._words = [spelling.encode() for spelling, _ in found]
        self._ascii = all(map(bytes.isascii, self._words))
        pattern = "|".join(pattern for _, pattern in found)
        self._text = re.compile(pattern, re.IGNORECASE) if pattern else None
        self._bytes = re.compile(pattern.encode(), re.IGNORECASE) if pattern else None
        self._known = lru_cache(maxsize=2048)(self._out_of_text)

    def may_occur_in(self, records: Any) -> bool:
        """False if nothing of it can occur in any text or bytes of the records.

        All are searched at once, as MessagePack, which is quicker than one after the other.
        """
        try:
            data = msgspec.msgpack.encode(records)
        except (ValueError, TypeError, OverflowError):
            return True  # a lone surrogate has no UTF-8
        if self._addresses.may_occur_in(data):
            return True
        if not self._words:
            return False
        if not self._ascii or any(sign in data for sign in FOLDED_TO_ASCII):
            return True
        folded = (data.translate(None, b"\0") if b"\0" in data else data).lower()
        return any(word in folded for word in self._words)

    def out_of_text(self, text: str) -> str:
        return self._known(text) if len(text) <= MAX_CACHED_CHARACTERS else self._out_of_text(text)

    def _out_of_text(self, text: str) -> str:
        if self._text is not None:
            text = self._text.sub(SCRUBBED, text)
        data = text.encode("utf-8", "surrogatepass")
        spans = self._addresses.spans(data)
        for start, end in reversed(spans):
            data = data[:start] + SCRUBBED.encode() + data[end:]
        return data.decode("utf-8", "surrogatepass") if spans else text

    def out_of_bytes(self, data: bytes) -> bytes:
        spans = self._addresses.spans(data)
        if self._bytes is not None:
            spans += self._word_spans(data)
            if b"\0" in data:
                spans += utf16_spans(data, self._word_spans)
        return zeroed(data, spans)

    def _word_spans(self, data: bytes) -> list[Span]:
        return [match.span() for match in self._bytes.finditer(data)] if self._bytes is not None else []


def _spellings_with_patterns(own: str) -> Iterator[tuple[str, str]]:
    """Each spelling of a name or hardware address in lower case, and a pattern that finds it whole, in any case."""
    plain = own.lower()
    if HARDWARE.fullmatch(plain):
        digits = plain.replace(":", "")
        dotted = ".".join((digits[:4], digits[4:8], digits[8:]))
        for spelling in (plain, plain.replace(":", "-"), plain.replace(":", "%3a"), dotted, digits):
            yield spelling, _whole(spelling, "[0-9a-f]")
    elif plain and literal(own.split("%")[0].removesuffix(ALONE)) is None:
        yield plain, _whole(plain, r"\w")


def _whole(spelling: str, part: str) -> str:
    # Behind a percent-encoded character, as in ?mac%3D02005e100001, a digit is none of it.
    return rf"(?:(?<!{part})|(?<=%[0-9a-f]{{2}})){re.escape(spelling)}(?!{part})"


def _without_secrets(observation: Observation) -> Observation:
    answer = observation.detail
    if not isinstance(answer, Http):
        return observation
    if not any(map(identifies_visitor, [key for key, _ in answer.headers])):
        return observation
    headers = tuple([(key, SCRUBBED if identifies_visitor(key) else value) for key, value in answer.headers])
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
