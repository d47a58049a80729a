"""Takes the volunteer's own addresses out of a record: pages, headers, redirects and certificates like to echo them."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any

import msgspec

from probe.address import literal
from probe.model import Http, Measurement, Observation

SCRUBBED = "[scrubbed]"
SECRETS = ("set-cookie", "www-authenticate")
"""Headers whose values name this visitor and say nothing about blocking."""


def scrub(measurement: Measurement, own: frozenset[str]) -> Measurement:
    """The measurement without the addresses in `own` (loopback aside) and without cookies set for this visitor.

    Text gets a mark; bytes keep their length, with zeros for digits, so that a certificate can still be read. Hashes of
    what was changed are made again. An address that the volunteer gave as the target stays.
    """
    addresses = _Addresses.of(own - {measurement.target.host})
    observations = tuple(_observation(o, addresses) for o in measurement.observations)
    return msgspec.structs.replace(measurement, observations=observations)


class _Addresses:
    """Finds any spelling of some addresses, never as a part of another address."""

    @staticmethod
    @lru_cache(maxsize=64)
    def of(own: frozenset[str]) -> _Addresses:
        """One for each set of addresses: the patterns take longer to compile than to use."""
        return _Addresses(own)

    def __init__(self, own: frozenset[str]) -> None:
        spellings = sorted({spelling for address in own for spelling in _spellings(address)})
        self.any = bool(spellings)
        self._needles = spellings
        self._bytes_needles = [spelling.encode() for spelling in spellings]
        pattern = "|".join(_pattern(spelling) for spelling in spellings)
        self._text = re.compile(pattern, re.IGNORECASE)
        self._bytes = re.compile(pattern.encode(), re.IGNORECASE)

    def out_of_text(self, text: str) -> str:
        folded = text.lower()  # looking for plain strings first is far quicker than the pattern on every page
        return self._text.sub(SCRUBBED, text) if any(needle in folded for needle in self._needles) else text

    def out_of_bytes(self, data: bytes) -> bytes:
        folded = data.lower()
        if not any(needle in folded for needle in self._bytes_needles):
            return data
        return self._bytes.sub(lambda found: re.sub(rb"[0-9a-fA-F]", b"0", found.group()), data)


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


def _observation(observation: Observation, addresses: _Addresses) -> Observation:
    answer = observation.detail
    if isinstance(answer, Http) and any(key.lower() in SECRETS for key, _ in answer.headers):
        headers = tuple((key, SCRUBBED if key.lower() in SECRETS else value) for key, value in answer.headers)
        observation = msgspec.structs.replace(observation, detail=msgspec.structs.replace(answer, headers=headers))
    cleaned: Observation = _clean(observation, addresses) if addresses.any else observation
    return cleaned


def _clean(value: Any, addresses: _Addresses) -> Any:
    """The very value where nothing was found in it; records are looked through whatever their step."""
    if isinstance(value, str):
        return addresses.out_of_text(value)
    if isinstance(value, bytes):
        return addresses.out_of_bytes(value)
    if isinstance(value, tuple):
        cleaned = tuple(_clean(part, addresses) for part in value)
        return cleaned if any(a is not b for a, b in zip(cleaned, value, strict=True)) else value
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        changed = {name: new for name, old in fields.items() if (new := _clean(old, addresses)) is not old}
        return msgspec.structs.replace(value, **changed, **_hashes(changed)) if changed else value
    return value


def _hashes(changed: dict[str, Any]) -> dict[str, str]:
    """With the rest of a page or a certificate known, its hash would tell the address to whoever tries them all."""
    hashes = {}
    if "body" in changed:
        hashes["body_sha256"] = hashlib.sha256(changed["body"]).hexdigest()
    if "chain" in changed:
        hashes["fingerprint"] = hashlib.sha256(changed["chain"][0]).hexdigest()
    return hashes
